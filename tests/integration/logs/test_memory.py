"""Exports and imports take the memory they take, however long the log is."""

import json
import subprocess
import sys
from contextlib import closing

import pytest

from flowtrail.storage import open_store
from tests.support.exchange import filled
from tests.support.foreign_logs import write_xes
from tests.support.server import ROOT, environment
from tests.support.stories import BASE, canonical

FEW, MANY = 1_500, 9_000
"""Even the few fill more than one page of a list."""
TOLERATED_MIB = 8
"""What the allocator and the database's own cache may make of it; the documents differ by up to 65 MiB."""

_EXPORT = """
import sys
from flowtrail.query.export import open_export
from flowtrail.storage import open_store
store = open_store(sys.argv[1], create=False)
size = sum(len(part) for part in open_export(store, "default", format=sys.argv[2], now=1, q=sys.argv[3]).parts)
# Not getrusage: what it counts a process inherits from the one that started it.
print(size, next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) // 1024)
"""
_IMPORT = """
import sys
from pathlib import Path
from flowtrail.intake.importers import ImportOptions, open_import
size = sum(len(batch.body) for batch in open_import(sys.argv[1], Path(sys.argv[2]), ImportOptions(), print))
# Not getrusage: what it counts a process inherits from the one that started it.
print(size, next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) // 1024)
"""


def measured(code, *words):
    """(bytes written, MiB at most) of a process of its own."""
    answer = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        cwd=ROOT,
        env=environment(),
    )
    size, most = answer.stdout.split()[-2:]
    return int(size), int(most)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Two stores of transactions that each hold some kilobytes: few, and six times as many."""
    found = []
    for count in (FEW, MANY):
        records = []
        for number in range(count):
            key, at = f"{number + 1:032x}", BASE + number * 1_000_000
            names = {"flow": "shop", "object_type": "order", "object_id": str(number)}
            records.append({"kind": "transaction", "id": key, "created_at": at, **names})
            details = {"text": f"{number:09}" * 400}
            records.append(
                {"kind": "block", "transaction": key, "id": f"{number + 1:016x}", "block": "map"}
                | {"started_at": at, "ended_at": at + 5, "details": details}
            )
        url = f"sqlite:{tmp_path_factory.mktemp('memory')}"
        with closing(open_store(url)) as store:
            filled(canonical(records), store)
        found.append(url)
    return found


@pytest.mark.parametrize(
    ("format", "q"), [("ndjson", ""), ("ndjson", "type:order"), ("csv", ""), ("ocel2-json", ""), ("xes", "")]
)
def test_an_export_of_many_takes_no_more_than_one_of_few(stores, format, q):
    few, many = (measured(_EXPORT, url, format, q) for url in stores)

    assert many[0] > 5 * few[0]
    assert many[1] - few[1] < TOLERATED_MIB


def test_an_import_of_many_events_takes_no_more_than_one_of_few(tmp_path):
    few = measured(_IMPORT, "xes", write_xes(tmp_path / "few", 100))
    many = measured(_IMPORT, "xes", write_xes(tmp_path / "many", 2_500))

    assert many[0] > 15 * few[0]
    assert many[1] - few[1] < TOLERATED_MIB


def test_an_import_of_ocel_grows_with_objects_and_not_with_events(tmp_path):
    """Twenty times the events of the same objects."""
    sizes = []
    for events in (2_000, 40_000):
        file = tmp_path / f"{events}.json"
        log = {
            "objectTypes": [],
            "eventTypes": [],
            "objects": [{"id": f"o{n}", "type": "orders"} for n in range(500)],
            "events": [
                {
                    "id": f"e{n}",
                    "type": "touch",
                    "time": f"2026-11-23T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}Z",
                    "relationships": [{"objectId": f"o{n % 500}", "qualifier": ""}],
                }
                for n in range(events)
            ],
        }
        file.write_text(json.dumps(log))
        sizes.append(measured(_IMPORT, "ocel2", file))

    assert sizes[1][0] > 15 * sizes[0][0]
    assert sizes[1][1] - sizes[0][1] < TOLERATED_MIB
