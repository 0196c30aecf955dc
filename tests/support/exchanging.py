"""Logs of any size into a store, out of it, and two stores compared: each step a process of its own that holds little.

`python -m tests.support.exchanging tell URL IMPORTER FILE` or `… write URL FORMAT FILE` says how long it took and what
memory it took at most.
"""

import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import zip_longest
from pathlib import Path
from typing import Any

from flowtrail.intake.importers import ImportOptions, open_import
from flowtrail.intake.wire import decode_body
from flowtrail.projection.state import State
from flowtrail.storage import open_store
from flowtrail.storage.interface import Store
from tests.support.exchange import TENANT, write_export
from tests.support.journaling import Journaling, project
from tests.support.server import ROOT, environment
from tests.support.stories import BASE

PATIENCE_S = 3_600
MANY = 5


def in_a_process(step: str, url: str, format: str, file: Path) -> str:
    """Take a step; what it says of itself."""
    answer = subprocess.run(
        [sys.executable, "-m", "tests.support.exchanging", step, url, format, str(file)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        cwd=ROOT,
        env=environment(),
    )
    assert answer.returncode == 0, answer.stderr[-2_000:]
    return answer.stdout.strip()


def tell(store: Store, importer: str, file: Path) -> int:
    """Everything the file says, as the server would take it; how many records. Nothing may be wrong with it."""
    writer, told, problems = Journaling(store), 0, []
    for batch in open_import(importer, file, ImportOptions(), problems.append):
        decoded = decode_body(batch.body, "application/x-ndjson", None, BASE)
        assert decoded.rejected == []
        assert problems == []
        writer.append(decoded.records)
        told += len(decoded.records)
    project(store)
    return told


def digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def rows_that_differ(one: Store, other: Store) -> list[str]:
    """Where readers see something else, in a few words, as `tests.support.views.differences`, but both are walked side by
    side: neither is ever held."""
    told = []
    for name, rows in _KINDS.items():
        count, found = 0, []
        for mine, theirs in zip_longest(rows(one), rows(other)):
            count += 1
            if mine != theirs:
                found.append(f"{str(mine)[:300]} is not {str(theirs)[:300]}")
            if len(found) == MANY:
                break
        if found:
            told.append(f"{name}: {found}")
        assert count, f"nothing was compared: no {name}"
    return told


def _states(store: Store) -> Iterator[Any]:
    for each in store.transactions.iter_states(TENANT):
        yield each.id, each.header, State.load(each.facts, each.pieces or ()).encode()


_KINDS = {
    "states": _states,
    "terms": lambda store: store.transactions.iter_terms(TENANT),
    "cells": lambda store: store.cells.iter_cells(),
    # A log may have neither of these: the number of them is compared too.
    "links": lambda store: [("links", *sorted(store.transactions.iter_links()))],
    "definitions": lambda store: [("flows", *store.transactions.definitions(TENANT, "flow"))],
}


def _step(step: str, url: str, format: str, file: Path) -> str:
    began = time.monotonic()
    with closing(open_store(url)) as store:
        if step == "tell":
            done = f"{tell(store, format, file):,} records"
        else:
            done = f"{write_export(store, file, format).stat().st_size / 1e6:,.1f} MB"
    took = time.monotonic() - began
    # Not getrusage: what it counts a process inherits from the one that started it.
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    most = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024
    return f"{step} {format}: {done} in {took:.1f} s, at most {most} MiB"


if __name__ == "__main__":
    print(_step(*sys.argv[1:4], Path(sys.argv[4])))
