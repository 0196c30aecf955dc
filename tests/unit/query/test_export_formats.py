"""Exports as documents: what each format writes, refuses, and makes of hostile text and of nothing."""

import csv
import io
import json
import tempfile

import pytest

from flowtrail.intake.importers import ImportOptions
from flowtrail.model.errors import Refusal
from flowtrail.query.export import FORMATS, open_export
from flowtrail.query.export.names import Names
from flowtrail.query.export.ocel import _Spool
from flowtrail.query.export.parts import PART_BYTES
from flowtrail.query.export.tables import EXECUTION_COLUMNS, TRANSACTION_COLUMNS
from tests.support.exchange import exported, filled, read_import, write_export
from tests.support.standards import valid_ocel, valid_xes
from tests.support.stories import BASE, canonical, story

NASTY = "\x01\x02<&>'\"]]>\t\n\r\u0085\u2028\ufffe\uffff\U0001f600 \\\\u0041 é"
EXECUTION = "00000000000000aa"


def told(**more):
    key = "0192e4a0b1c27d3e8f90a1b2c3d4e5f6"
    return [
        {
            "kind": "transaction",
            "id": key,
            "flow": "shop",
            "object_type": "order",
            "object_id": "4711",
            "created_at": BASE,
        },
        {"kind": "block", "transaction": key, "id": EXECUTION, "block": "map", "ended_at": BASE + 5} | more,
    ]


@pytest.mark.parametrize("q", [None, "nothing-is-called-so"])
def test_of_nothing_an_export_is_a_valid_empty_document(q, tmp_path):
    store = filled([] if q is None else canonical(story(2, 3)))

    assert exported(store, "ndjson", q=q) == b""
    assert exported(store, "ndjson", "transactions", q=q) == b""
    assert exported(store, "csv", q=q).decode().splitlines() == [",".join(TRANSACTION_COLUMNS)]
    assert exported(store, "csv", "executions", q=q).decode().splitlines() == [",".join(EXECUTION_COLUMNS)]
    log = valid_ocel(write_export(store, tmp_path / "log.json", "ocel2-json", q=q))
    assert (log.events, log.objects, log.event_types, log.object_types) == ([], [], [], [])
    assert valid_xes(write_export(store, tmp_path / "log.xes", "xes", q=q)).findall("trace") == []


@pytest.mark.parametrize("mark", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_what_spreadsheets_would_run_is_text(mark):
    evil = f'{mark}cmd|" /C calc"!A0'
    records = told(block=evil, details={evil: evil}, worker=evil, skip={"predicate": evil, "reason": evil})
    records[0] |= {"object_id": evil, "object_type": evil, "flow": evil, "keys": {"a": evil}, "trace": evil}
    store = filled(canonical(records))

    for content in ("transactions", "executions"):
        (row,) = csv.DictReader(io.StringIO(exported(store, "csv", content).decode(), newline=""))
        assert row["object_id"] == f"'{evil}"
        dangerous = [cell for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r", mark))]
        assert dangerous == []


@pytest.mark.parametrize("name", ["flowtrail:created_at", "flowtrail:deadline_at", "flowtrail:started_at"])
def test_what_is_called_like_an_instant_of_ours_is_text_all_the_same(name, tmp_path):
    evil = '"/></event><event> 1 < 2 & 3'
    records = told(details={name: evil})
    records[0] |= {"attributes": {name: evil}, "created_at": None, "at": BASE}
    store = filled(canonical(records))

    (trace,) = valid_xes(write_export(store, tmp_path / "log.xes", "xes")).findall("trace")
    log = valid_ocel(write_export(store, tmp_path / "log.json", "ocel2-json"))

    for told_of in (trace, trace.find("event")):
        assert [each.get("value") for each in told_of.findall("string") if each.get("key") == name] == [evil]
    for owner in (*log.object_types, *log.event_types):
        assert {each.name: each.type for each in owner.attributes}[name] == "string"


def test_a_trace_is_identified_by_a_uuid_under_which_events_that_others_add_are_found(tmp_path):
    file = write_export(filled(canonical(told())), tmp_path / "log.xes", "xes")
    (trace,) = valid_xes(file).findall("trace")
    added = (
        '<event><string key="concept:name" value="check"/>'
        '<date key="time:timestamp" value="2026-11-23T10:00:00Z"/></event></trace>'
    )
    file.write_text(file.read_text(encoding="utf-8").replace("</trace>", added), encoding="utf-8")

    records, problems, _ = read_import("xes", file, ImportOptions())

    assert [each.get("value") for each in trace.findall("id")] == ["0192e4a0-b1c2-7d3e-8f90-a1b2c3d4e5f6"]
    assert problems == []
    assert {record["transaction"] for record in records if record["kind"] == "block"} == {
        "0192e4a0b1c27d3e8f90a1b2c3d4e5f6"
    }


def test_a_negative_value_stays_a_number():
    records = told()
    records[0] |= {"value": "-12.50", "currency": "EUR"}

    (row,) = csv.DictReader(io.StringIO(exported(filled(canonical(records)), "csv").decode(), newline=""))

    assert row["value"] == "-12.50"


def test_a_row_of_csv_says_what_the_api_says():
    store = filled(canonical(story(5, 30)))
    items = [json.loads(line) for line in exported(store, "ndjson", "transactions").splitlines()]

    rows = list(csv.DictReader(io.StringIO(exported(store, "csv").decode(), newline="")))
    executions = list(csv.DictReader(io.StringIO(exported(store, "csv", "executions").decode(), newline="")))

    assert [row["id"] for row in rows] == [item["id"] for item in items]
    assert [row["object_id"] for row in rows] == [item["object_id"] for item in items]
    assert [row["duration_s"] for row in rows] == [_number(item["duration_s"]) for item in items]
    blocks = [(item["id"], block) for item in items for block in item["blocks"]]
    assert [(row["transaction"], row["id"], row["status"]) for row in executions] == [
        (key, block["id"], block["status"]) for key, block in blocks
    ]
    assert [row["wait_s"] for row in executions] == [_number(block["wait_s"]) for _, block in blocks]


def _number(value):
    return "" if value is None else repr(value)


def test_a_name_is_given_once():
    names = Names()
    first, second = b"\1" * 16, b"\2" * 16

    assert names.given("4711", first) == "4711"
    assert names.given("4711", second) == f"4711 {second.hex()}"
    assert names.given("4712", first) == "4712"
    assert names.given("", first) == first.hex()


def test_parts_are_neither_tiny_nor_whole():
    store = filled(canonical(story(8, 400)))

    for each in FORMATS:
        sizes = [len(part) for part in open_export(store, "default", format=each, now=BASE).parts]
        assert max(sizes) < 4 * PART_BYTES
        assert len(sizes) <= 1 + sum(sizes) // PART_BYTES


def test_what_repeats_itself_comes_out_of_the_spool_whole():
    for lines in ([], [b"x"], [b"y" * 300_000] * 40, [b"%d" % number * 50 for number in range(20_000)]):
        spool = _Spool()
        for line in lines:
            spool.write(line)

        assert list(spool.lines()) == lines
        spool.close()


def test_an_export_that_is_given_up_keeps_no_file(monkeypatch):
    kept = []
    made = tempfile.SpooledTemporaryFile
    monkeypatch.setattr(
        tempfile, "SpooledTemporaryFile", lambda *a, **k: kept.append(made(*a, **k)) or kept[-1]
    )
    opened = open_export(filled(canonical(story(8, 400))), "default", format="ocel2-json", now=BASE)
    next(opened.parts)

    opened.parts.close()

    assert [file.closed for file in kept] == [True]


@pytest.mark.parametrize(
    ("asked", "code", "field"),
    [
        ({"format": "parquet"}, "unknown_format", "format"),
        ({"format": "xes", "content": "records"}, "unknown_content", "content"),
        ({"format": "ndjson", "content": "executions"}, "unknown_content", "content"),
        ({"format": "csv", "content": "records"}, "unknown_content", "content"),
        ({"format": "csv", "q": "status:nope"}, "invalid_query", "q"),
        ({"format": "csv", "from_": "yesterday"}, "invalid_instant", "from"),
    ],
)
def test_what_cannot_be_exported_is_refused_before_anything_is_written(asked, code, field):
    with pytest.raises(Refusal) as refused:
        open_export(filled([]), "default", now=BASE, **asked)

    assert (refused.value.code, refused.value.field) == (code, field)
    assert code != "unknown_format" or refused.value.allowed == "ndjson, csv, ocel2-json, xes"
    # What is allowed depends on the format, which may be one that nobody named.
    assert code != "unknown_content" or f"an export as {asked['format']} has" in refused.value.message


def test_an_export_of_another_tenant_holds_nothing_of_this_one():
    store = filled(canonical(story(8, 20)))

    for each in FORMATS:
        parts = open_export(store, "other", format=each, now=BASE).parts
        assert b"shop" not in b"".join(parts)
