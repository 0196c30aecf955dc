"""Exporting a store into a file and importing a file into a store, without a server between."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from flowtrail.intake.importers import ImportOptions, Problem, open_import
from flowtrail.intake.wire import decode_body
from flowtrail.model.records import AnyRecord
from flowtrail.query.export import open_export
from flowtrail.storage.interface import Store
from flowtrail.storage.memory.store import MemoryStore
from tests.support.journaling import Journaling, project
from tests.support.stories import BASE

IMPORTERS = {"ndjson": "records", "ocel2-json": "ocel2", "xes": "xes"}
"""Formats that can be imported again, and how."""
TENANT = "default"


def filled(records: list[AnyRecord], store: Store | None = None) -> Store:
    """A store that was told these records, in memory unless another is given."""
    if store is None:
        store = MemoryStore()
        store.open()
    writer = Journaling(store)
    for first in range(0, len(records), 1_000):
        writer.append(records[first : first + 1_000])
    project(store)
    return store


def exported(store: Store, format: str | None = None, content: str | None = None, **asked: Any) -> bytes:
    """The whole document."""
    opened = open_export(store, TENANT, format=format, content=content, now=BASE, **asked)
    return b"".join(opened.parts)


def write_export(store: Store, file: Path, format: str, **asked: Any) -> Path:
    opened = open_export(store, TENANT, format=format, now=BASE, **asked)
    with file.open("wb") as into:
        into.writelines(opened.parts)
    return file


def read_import(
    format: str, file: Path, options: ImportOptions | None = None
) -> tuple[list[dict[str, Any]], list[Problem], Counter[str]]:
    """Every record a file holds, every problem, and what was counted."""
    problems: list[Problem] = []
    counts: Counter[str] = Counter()
    batches = open_import(format, file, options or ImportOptions(), problems.append, counts)
    lines = [line for batch in batches for line in batch.body.split(b"\n")]
    return [json.loads(line) for line in lines], problems, counts


def imported_records(format: str, file: Path) -> list[AnyRecord]:
    """What an import of a file of ours says, as the journal has it; nothing may be wrong with it."""
    records: list[AnyRecord] = []
    counts: Counter[str] = Counter()
    for batch in open_import(IMPORTERS[format], file, ImportOptions(), _nothing_is_wrong, counts):
        decoded = decode_body(batch.body, "application/x-ndjson", None, BASE)
        assert decoded.rejected == []
        records += decoded.records
    assert not counts
    return records


def _nothing_is_wrong(problem: Problem) -> None:
    raise AssertionError(str(problem))
