"""Exports: whatever is in a store comes out, and what comes out can be put into a store again."""

import json
from collections import Counter

import msgspec
import pytest
from msgspec.structs import replace

from flowtrail.ledger.pages import encoded_records, read_records
from flowtrail.model.errors import Damaged
from flowtrail.model.limits import MAX_RECORD_BYTES
from flowtrail.model.records import BlockRecord, encode_record
from flowtrail.projection.state import State
from flowtrail.query.export.statements import execution_statements, record_line, transaction_statements
from tests.support.exchange import IMPORTERS, exported, filled, imported_records, write_export
from tests.support.standards import valid_ocel, valid_xes
from tests.support.stories import BASE, canonical, story, transaction_id
from tests.support.views import differences, seen

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


EVERYTHING = [
    {
        "kind": "transaction",
        "id": transaction_id(9, 1),
        "flow": NASTY,
        "version": "=1+1",
        "object_type": "or der",
        "object_id": NASTY,
        "keys": {"cus tomer": NASTY, "=key": "-1"},
        "attributes": {
            "concept:name": "clash",
            "flowtrail:statements": "clash",
            NASTY: [1, {"deep": [None, True, 1.5]}],
            "null": None,
            "yes": True,
            "big": 9_223_372_036_854_775_807,
            "exact": 0.1,
            "1st": 1e300,
        },
        "created_at": BASE,
        "deadline_at": BASE + 7,
        "attempt": 2,
        "retry_of": transaction_id(9, 0),
        "trace": "t",
        "value": "-12.50",
        "currency": "EUR",
    },
    {
        "kind": "transaction",
        "id": transaction_id(9, 1),
        "flow": "shop",
        "object_type": "order",
        "object_id": "1",
    }
    | {"at": BASE + 3, "attributes": {"more": 1}},
    {"kind": "end", "transaction": transaction_id(9, 1), "outcome": "failed", "attempt": 1, "at": BASE + 5},
    {"kind": "end", "transaction": transaction_id(9, 1), "outcome": "filtered", "attempt": 2, "at": BASE + 6}
    | {"reason": NASTY, "predicate": "@allowed"},
    {
        "kind": "block",
        "transaction": transaction_id(9, 1),
        "id": "00000000000000a1",
        "block": NASTY,
        "stage": "ingress",
        "status": "failed",
        "queued_at": BASE + 9,
        "started_at": BASE + 4,
        "ended_at": BASE + 1,
        "worker": "w\t1",
        "attempt": 3,
        "details": {NASTY: NASTY, "n": {"a": []}, "time:timestamp": 3, "TRUE": False},
        "usage": {"cpu seconds": 0.1, "bytes_in": 1e12},
        "exceptions": [
            {
                "type": "KeyError",
                "message": NASTY,
                "module": "m",
                "stacktrace": NASTY,
                "frames": [{"function": "f", "line": 3, "in_app": True}],
                "cause": {"type": "Inner", "raised_at": BASE},
                "raised_at": BASE + 1,
            }
        ],
    },
    {"kind": "block", "transaction": transaction_id(9, 1), "id": "00000000000000a2", "block": "skip"}
    | {"parent": "00000000000000a1", "at": BASE + 2}
    | {"skip": {"predicate": "p", "reason": NASTY, "expected": [1], "actual": {"a": None}}},
    {
        "kind": "block",
        "transaction": transaction_id(9, 1),
        "id": "00000000000000a3",
        "block": "wait",
        "queued_at": BASE,
    },
    {
        "kind": "block",
        "transaction": transaction_id(9, 1),
        "id": "00000000000000a4",
        "block": "run",
        "started_at": BASE,
    },
    {
        "kind": "block",
        "transaction": transaction_id(9, 1),
        "id": "00000000000000a5",
        "block": "bare",
        "at": BASE,
    },
    {
        "kind": "block",
        "transaction": transaction_id(9, 7),
        "id": "00000000000000a6",
        "block": "orphan",
        "at": BASE,
    },
    {"kind": "link", "parent": transaction_id(9, 1), "child": transaction_id(9, 7), "relation": "split"},
    {"kind": "link", "parent": transaction_id(9, 8), "child": transaction_id(9, 7), "relation": "merge"},
    {"kind": "flow", "flow": "shop", "version": "1", "at": BASE, "blocks": [{"name": NASTY, "workers": 2}]}
    | {"stages": ["in"], "deadline_s": 1.5},
    {"kind": "flow", "flow": "other", "version": "1", "at": BASE},
    {"kind": "report", "at": BASE, "producer": "shop/1", "seq": 1, "produced": 2, "sent": 1, "dropped": {}},
]
"""Every field of every kind, odd characters in most; what nobody announced, and what is known by links alone."""


@pytest.fixture(scope="module", params=["everything", 3, 4])
def store(request):
    records = EVERYTHING if request.param == "everything" else story(request.param, 80)
    return filled(canonical(records))


@pytest.mark.parametrize("format", IMPORTERS)
def test_importing_an_export_gives_the_same_views(store, format, tmp_path):
    file = write_export(store, tmp_path / "log", format)

    again = filled(imported_records(format, file))

    found, wanted = seen(again), seen(store)
    if format != "ndjson":
        del found["producers"], wanted["producers"]
    assert differences(found, wanted) == []
    assert exported(again, format) == file.read_bytes()


@pytest.mark.parametrize("format", IMPORTERS)
def test_importing_an_export_where_it_came_from_changes_nothing(store, format, tmp_path):
    records = imported_records(format, write_export(store, tmp_path / "log", format))

    again = seen(filled([*_accepted(store), *records]))

    assert differences(_without_producers(again), _without_producers(seen(store))) == []


def _without_producers(views):
    return {name: value for name, value in views.items() if name != "producers"}


def _accepted(store):
    return [
        record
        for writer in store.journal.writers()
        for page in store.journal.iter_pages(writer.ordinal)
        for record in read_records(page)
        if record is not None
    ]


@pytest.mark.parametrize("q", ["status:delivered", "block:map/failed", "-key.customer:C-1", "order"])
@pytest.mark.parametrize("format", IMPORTERS)
def test_an_export_of_a_query_holds_what_matches_and_nothing_else(format, q, tmp_path):
    store = filled(canonical(story(11, 120)))
    file = write_export(store, tmp_path / "log", format, q=q)

    found = seen(filled(imported_records(format, file)))

    lines = exported(store, "ndjson", "transactions", q=q).splitlines()
    ids = {bytes.fromhex(json.loads(line)["id"]) for line in lines}
    whole = seen(store)
    assert set(found["states"]) == ids
    assert found["states"] == {key: whole["states"][key] for key in ids}
    assert set(found["links"]) == {link for link in whole["links"] if {link.parent, link.child} & ids}
    flows = {whole["headers"][key].flow for key in ids}
    assert found["definitions"] == [each for each in whole["definitions"] if each.name[0] in flows]


def test_a_range_bounds_an_export():
    store = filled(canonical(story(11, 40)))
    rows = [json.loads(line) for line in exported(store, "ndjson", "transactions").splitlines()]
    opened = sorted(row["opened_at"] for row in rows)

    inside = exported(store, "ndjson", "transactions", from_=opened[10], to=opened[20]).splitlines()

    assert sorted(json.loads(line)["opened_at"] for line in inside) == opened[10:20]


def test_records_come_out_byte_for_byte_as_they_were_accepted(store, tmp_path):
    records = imported_records("ndjson", write_export(store, tmp_path / "log", "ndjson"))

    pages = [page for writer in store.journal.writers() for page in store.journal.iter_pages(writer.ordinal)]
    assert [encode_record(record) for record in records] == [
        encoded for page in pages for encoded in encoded_records(page)
    ]


def test_a_record_that_would_be_too_long_with_instants_as_text_has_integers():
    record = canonical(told(queued_at=BASE))[1]
    room = MAX_RECORD_BYTES - len(record_line(record)) - len(',"details":{"text":""}')
    fits = replace(record, details={"text": "x" * room})
    too_long = replace(record, details={"text": "x" * (room + 1)})

    assert len(record_line(fits)) == MAX_RECORD_BYTES
    line = record_line(too_long)

    assert len(line) < MAX_RECORD_BYTES
    assert json.loads(line)["ended_at"] == record.ended_at
    assert canonical([json.loads(line)]) == [too_long]


def test_the_statements_of_a_state_fold_into_that_state():
    for stored in filled(canonical([*EVERYTHING, *story(21, 60)])).transactions.iter_states():
        state = State.load(stored.facts, stored.pieces or ())
        lines = [record_line(record) for record in transaction_statements(state)]
        for held in state.executions.values():
            lines += [record_line(record) for record in execution_statements(held)]

        again = State()
        for record in canonical([json.loads(line) for line in lines]):
            if isinstance(record, BlockRecord):
                again.add_block(record)
            elif record.__struct_config__.tag == "end":
                again.add_end(record)
            else:
                again.add_transaction(record)

        assert again.encode() == state.encode()


CUT = transaction_id(1, 1)
NAMED = {"kind": "transaction", "id": CUT, "flow": "shop", "object_type": "order", "object_id": "1"}
RAN = {"kind": "block", "transaction": CUT, "id": EXECUTION, "block": "map"}
"""What is more than a state keeps: executions, or names of each map."""
TOO_MUCH = {
    "executions": [RAN | {"id": f"{n:016x}", "at": BASE + n} for n in range(1, 9)],
    "executions up to the last id": [
        *(RAN | {"id": f"{n:016x}", "at": BASE + n} for n in range(1, 9)),
        RAN | {"id": "f" * 16, "at": BASE},
        NAMED | {"at": BASE + 7},
    ],
    "attributes": [NAMED | {"at": BASE + n, "attributes": {f"a{n:03}": n}} for n in range(70)],
    "keys": [
        NAMED | {"at": BASE - n, "keys": {f"k{n:03}": "v"}, "producer": "p/1", "seq": n} for n in range(1, 71)
    ],
    "details": [
        *(
            RAN | {"at": BASE + n, "details": {f"d{n:03}": n}, "producer": "p/1", "seq": n + 1}
            for n in range(70)
        ),
        RAN | {"block": "renamed", "ended_at": BASE + 900, "at": BASE + 1_000},
    ],
    "usage": [RAN | {"at": BASE + n, "usage": {f"u{n:03}": n}} for n in range(70)],
    "names at the end": [
        NAMED | {"at": BASE, "attributes": {f"\U0010ffff{n:03}": n for n in range(64)}},
        NAMED | {"at": BASE + 1, "attributes": {"\U0010ffff" * 200: 1}},
    ],
}


@pytest.mark.parametrize("told", TOO_MUCH)
@pytest.mark.parametrize("format", IMPORTERS)
def test_what_was_cut_is_still_said_to_have_been_cut(format, told, tmp_path, monkeypatch):
    for module in ("state", "difference", "whole"):
        monkeypatch.setattr(f"flowtrail.projection.{module}.MAX_EXECUTIONS", 3)
    records = canonical([*TOO_MUCH[told], *story(5, 3)])
    store = filled(records)
    wanted = _without_producers(seen(store))
    assert wanted["headers"][bytes.fromhex(CUT)].truncated

    for asked in ({}, {"q": CUT}):
        file = write_export(store, tmp_path / "log", format, **asked)
        again = filled(told_again := imported_records(format, file))
        if not asked:
            assert differences(_without_producers(seen(again)), wanted) == []
        assert seen(again)["states"][bytes.fromhex(CUT)] == wanted["states"][bytes.fromhex(CUT)]
        if format != "ndjson":
            assert write_export(again, tmp_path / "again", format, **asked).read_bytes() == file.read_bytes()
        assert differences(_without_producers(seen(filled([*records, *told_again]))), wanted) == []
        assert differences(_without_producers(seen(filled([*told_again[::-1], *records]))), wanted) == []


def test_exports_keep_the_rules_of_the_standards(store, tmp_path):
    states = [State.load(each.facts, each.pieces or ()) for each in store.transactions.iter_states()]
    executions = sum(len(state.executions) for state in states)

    ocel = valid_ocel(write_export(store, tmp_path / "log.json", "ocel2-json"))
    xes = valid_xes(write_export(store, tmp_path / "log.xes", "xes"))

    assert (len(ocel.objects), len(ocel.events)) == (len(states), executions)
    traces = xes.findall("trace")
    assert len(traces) == len(states)
    names = [each.find("string[@key='concept:name']").attrib["value"] for each in traces]
    assert len(set(names)) == len(names)
    over = {"complete", "ate_abort", "autoskip"}
    steps = Counter(
        each.attrib["value"] for each in xes.iterfind(".//event/string[@key='lifecycle:transition']")
    )
    final = [each for each in _executions(store) if each["status"] in {"succeeded", "failed", "skipped"}]
    assert sum(steps[step] for step in over) == len(final)
    assert steps["start"] == sum(each["started_at"] is not None for each in _executions(store))


def _executions(store):
    lines = exported(store, "ndjson", "transactions").splitlines()
    return [block for line in lines for block in json.loads(line)["blocks"]]


def test_objects_that_are_not_exported_are_not_referred_to(tmp_path):
    store = filled(canonical(story(11, 120)))
    links = seen(store)["links"]

    log = valid_ocel(write_export(store, tmp_path / "log.json", "ocel2-json", q="status:delivered"))

    ids = {bytes.fromhex(each.id) for each in log.objects}
    told = [
        (bytes.fromhex(o.id), bytes.fromhex(r.object_id), r.qualifier)
        for o in log.objects
        for r in o.relationships
    ]
    assert sorted(told) == sorted(
        (each.parent, each.child, each.relation) for each in links if {each.parent, each.child} <= ids
    )


def test_a_batch_of_many_comes_back_with_all_its_links(tmp_path):
    batch = transaction_id(1, 1)
    records = [
        {
            "kind": "transaction",
            "id": batch,
            "flow": "f",
            "object_type": "batch",
            "object_id": "1",
            "at": BASE,
        }
    ]
    records += [
        {"kind": "link", "parent": batch, "child": f"{number + 1:032x}", "relation": "split"}
        for number in range(20_000)
    ]
    store = filled(canonical(records))

    for each in IMPORTERS:
        again = filled(imported_records(each, write_export(store, tmp_path / "log", each, q="type:batch")))
        assert differences(seen(again), seen(store)) == []


def test_a_page_that_is_missing_is_not_passed_over():
    store = filled(canonical(story(8, 400)))
    pages = list(store.journal.iter_pages(store.journal.writers()[0].ordinal))
    store.journal.iter_pages = lambda *_: iter(pages[:1] + pages[2:])

    with pytest.raises(Damaged):
        exported(store, "ndjson")


def test_declarations_are_those_of_the_flows_concerned():
    store = filled(canonical([*EVERYTHING, *story(8, 5)]))

    some = [json.loads(line) for line in exported(store, "ndjson", q="flow:shop").splitlines()]

    assert {each["flow"] for each in some if each["kind"] == "flow"} == {"shop"}
    assert msgspec.json.decode(exported(store, "ocel2-json"))["flowtrail:statements"]


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(300))
@pytest.mark.parametrize("format", IMPORTERS)
def test_any_story_comes_back(format, seed, tmp_path):
    store = filled(canonical(story(seed, 20 + seed)))

    again = filled(imported_records(format, write_export(store, tmp_path / "log", format)))

    assert differences(_without_producers(seen(again)), _without_producers(seen(store))) == []
