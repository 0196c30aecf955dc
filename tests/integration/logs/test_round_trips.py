"""Logs that nobody here wrote go in, out, and in again, and everything readers can see is the same.

Between the two stores lies nothing but a file. What other tools make of that file is asked of pm4py.
"""

from collections import Counter
from uuid import uuid4

import pytest

from flowtrail.intake.importers import ImportOptions
from flowtrail.intake.wire import decode_body
from flowtrail.model.statuses import FINAL
from flowtrail.projection.registers import merged_block
from flowtrail.projection.state import State
from flowtrail.storage import open_store
from tests.integration.truth.conftest import WHOLE_DAYS
from tests.support.exchange import IMPORTERS, filled, imported_records, read_import, write_export
from tests.support.foreign_logs import write_ocel2, write_xes
from tests.support.logs import of_kind
from tests.support.mongod import database_url
from tests.support.pm4py import told_by_pm4py
from tests.support.standards import valid_ocel, valid_xes
from tests.support.stories import BASE, canonical, story
from tests.support.truth import GENERATED, REAL, WHOLE_DAY
from tests.support.views import differences, seen

FOREIGN = {"xes of others": ("xes", write_xes), "ocel2 of others": ("ocel2", write_ocel2)}
# Generated logs stand for the real ones where nobody has put those.
LOGS = [*FOREIGN, *(REAL or GENERATED), *WHOLE_DAYS]
STORES = ["memory", "sqlite", pytest.param("mongodb", marks=pytest.mark.mongodb)]
CASES = 300
LARGE = {*REAL, *WHOLE_DAY}


def records_of(name, folder):
    """The log's records as its importer says them."""
    if name in FOREIGN:
        importer, write = FOREIGN[name]
        records, problems, _ = read_import(importer, write(folder / "log", CASES))
        assert problems == []
        return canonical(records)
    lines, found = (GENERATED | REAL | WHOLE_DAY)[name](folder).lines, []
    for first in range(0, len(lines), 5_000):
        body = b"\n".join(lines[first : first + 5_000])
        found += decode_body(body, "application/x-ndjson", None, BASE).records
    assert len(found) == len(lines)
    return found


@pytest.fixture(scope="module", params=LOGS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def store(name, tmp_path_factory):
    """A store that was told the log."""
    return filled(records_of(name, tmp_path_factory.mktemp("log")))


@pytest.fixture(scope="module")
def views(store):
    return seen(store)


@pytest.fixture(scope="module", params=IMPORTERS, name="format")
def each_format(request):
    return request.param


@pytest.fixture(scope="module")
def file(store, format, tmp_path_factory):
    return write_export(store, tmp_path_factory.mktemp("out") / "log", format)


def test_import_of_an_export_gives_the_same_views_and_the_same_export(name, views, format, file, tmp_path):
    again = filled(imported_records(format, file))

    assert differences(seen(again), views) == []
    if name in LARGE:
        return  # what is the same is written the same, as the others show
    assert write_export(again, tmp_path / "again", format).read_bytes() == file.read_bytes()


def steps_of(store):
    """(block, what happened) of everything that is known to have happened, as XES calls it."""
    words = {"succeeded": "complete", "failed": "ate_abort", "skipped": "autoskip"}
    found = Counter()
    for stored in store.transactions.iter_states():
        for held in State.load(stored.facts, stored.pieces or ()).executions.values():
            record = merged_block(held)
            found[record.block, "schedule"] += record.queued_at is not None
            found[record.block, "start"] += record.started_at is not None
            if record.status in FINAL:
                found[record.block, words[record.status]] += 1
    return +found


def test_others_read_the_same_numbers_and_the_standards_rules_are_kept(name, store, views, format, file):
    if name in WHOLE_DAY:
        return  # others hold a log in memory, and this one would take more than there is
    if format == "ndjson":
        assert len(file.read_bytes().splitlines()) >= len(views["headers"])
        return
    steps, headers = steps_of(store), views["headers"].values()
    if format == "xes":
        valid_xes(file)
        told = told_by_pm4py("xes", file)
        assert len(told["cases"]) == told["ids"] == len(headers)
        assert {(block, step): count for block, step, count in told["steps"]} == steps
        assert told["events"] == sum(steps.values())
        assert told["instants"].startswith("datetime64")
        return
    valid_ocel(file)
    told = told_by_pm4py("ocel", file)
    assert told["objects"] == Counter(each.object_type for each in headers)
    over = {"complete", "ate_abort", "autoskip"}
    executions = Counter()
    for (block, step), count in steps.items():
        executions[block] += count if step in over else 0
    executions += _unfinished(store)
    assert told["events"] == executions
    assert told["relations"] == sum(executions.values())
    assert sum(told["qualifiers"].values()) == len(
        {link for link in views["links"] if link.parent != link.child}
    )


def _unfinished(store):
    found = Counter()
    for stored in store.transactions.iter_states():
        for held in State.load(stored.facts, stored.pieces or ()).executions.values():
            record = merged_block(held)
            found[record.block] += record.status not in FINAL
    return +found


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("q", [None, "-status:failed"])
def test_every_store_exports_the_same(kind, q, request, tmp_path):
    records = canonical(story(17, 150))
    reference = filled(records)
    url, drop = f"sqlite:{tmp_path / 'store'}", None
    if kind == "mongodb":
        drop = f"export_{uuid4().hex[:12]}"
        url = database_url(request.getfixturevalue("mongodb_server_url"), drop)
    store = open_store("memory:" if kind == "memory" else url)
    try:
        filled(records, store)
        for each in ("ndjson", "ocel2-json", "xes", "csv"):
            mine = write_export(store, tmp_path / "mine", each, q=q).read_bytes()
            assert mine == write_export(reference, tmp_path / "reference", each, q=q).read_bytes()
    finally:
        store.close()
        if drop is not None:
            request.getfixturevalue("mongodb_client").drop_database(drop)


def test_a_log_that_pm4py_wrote_in_xes_is_imported_with_its_numbers(tmp_path):
    store = filled(records_of("xes of others", tmp_path))
    file = write_export(store, tmp_path / "log.xes", "xes")

    told_by_pm4py("rewrite-xes", file)
    records, problems, counts = read_import("xes", file.with_name("log.xes.foreign.xes"), ImportOptions())

    assert problems == []
    told = told_by_pm4py("xes", file)
    assert {each["object_id"] for each in of_kind(records, "transaction")} == set(told["cases"])
    assert Counter(each["block"] for each in of_kind(records, "block") if each.get("started_at")) == Counter(
        {block: count for (block, step), count in steps_of(store).items() if step == "start"}
    )
    assert counts.keys() <= {"starts without an end", "schedules without a start", "ends without a start"}
    canonical(records)


def test_a_log_that_pm4py_wrote_in_ocel_is_imported_with_its_numbers(tmp_path):
    store = filled(records_of("ocel2 of others", tmp_path))
    file = write_export(store, tmp_path / "log.json", "ocel2-json")

    told_by_pm4py("rewrite-ocel", file)
    records, problems, counts = read_import("ocel2", file.with_name("log.json.foreign.json"))

    assert problems == []
    assert counts == Counter()
    headers = seen(store)["headers"]
    assert len({each["id"] for each in of_kind(records, "transaction")}) == len(headers)
    assert len(of_kind(records, "block")) == sum(
        len(State.load(each.facts, each.pieces or ()).executions) for each in store.transactions.iter_states()
    )
    assert len(of_kind(records, "link")) == len(seen(store)["links"])
    canonical(records)
