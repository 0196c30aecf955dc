"""What may be asked of statistics, what answers it, and what the language can say of it."""

import pytest
from msgspec.structs import replace

from flowtrail.insight import scanned, table
from flowtrail.model.errors import Refusal
from flowtrail.model.instants import format_instant
from flowtrail.model.records import BlockRecord, EndRecord, TransactionRecord
from flowtrail.query import rows
from flowtrail.query.flows import get_flow
from flowtrail.query.parse import parse
from flowtrail.query.statistics import get_statistics
from flowtrail.query.transactions import list_transactions
from tests.support.reading import micros
from tests.support.records import BASE
from tests.support.stores import TENANT, store_of

T = BASE - BASE % 3_600_000_000
ID = bytes([7]) * 16


def order(number, *, customer="C-9", flow="shop", version="1", failed=False):
    key = bytes([number]) * 16
    at = T + number * 60_000_000
    return [
        TransactionRecord(
            id=key, at=at, flow=flow, version=version, object_type="order", object_id=str(number),
            keys={"customer": customer}, created_at=at,
        ),
        BlockRecord(
            transaction=key, at=at, id=key[:8], block="map", status="failed" if failed else "succeeded",
            queued_at=at, started_at=at + 1_000_000, ended_at=at + 3_000_000, worker=f"w{number % 2}",
            usage={"cpu_seconds": 0.5},
        ),
        EndRecord(transaction=key, at=at + 4_000_000, outcome="failed" if failed else "delivered", ended_at=at + 4_000_000),
    ]  # fmt: skip


ORDERS = [
    *order(1), *order(2, failed=True), *order(3, customer="C-8"), *order(4, flow="bill"), *order(5, version="2"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("q", "group_by", "source"),
    [
        ("", "", "cells"),
        ("flow:shop", "block", "cells"),
        ("flow:shop -version:2 type:order", "block", "cells"),
        ("-flow:bill", "status", "cells"),
        ("status:failed", "block", "scan"),
        ("flow:shop key.customer:C-9", "", "scan"),
        ("", "block,status", "scan"),
        ("", "key.customer", "scan"),
        ("", "worker", "scan"),
    ],
)
def test_cells_answer_what_they_know_and_rows_the_rest(q, group_by, source):
    answer = get_statistics(store_of(ORDERS), TENANT, q=q, group_by=group_by, now=T + 10**10)

    assert answer["source"] == source


def test_a_query_restricts_what_is_counted_whatever_the_source():
    store = store_of(ORDERS)
    asked = {"q": "flow:shop -version:2", "group_by": "block", "now": T + 10**10}

    for source in (None, "scan"):
        answer = get_statistics(store, TENANT, **asked, source=source)
        found = {bucket["group"]["block"]: bucket for bucket in answer["buckets"]}
        assert found["map"]["executions"]["arrivals"] == 3
        assert found["map"]["executions"]["queries"]["failed"] == "flow:shop -version:2 block:map/failed"
        assert found[None]["transactions"]["delivered"] == 2
        assert found["map"]["usage"] == {"cpu_seconds": {"n": 3, "sum": 1.5}}


def test_groups_by_a_key_list_exactly_their_transactions_those_without_it_too():
    bare = TransactionRecord(id=ID, at=T, flow="shop", object_type="order", object_id="7", created_at=T)
    store = store_of([*ORDERS, *order(6, customer=""), bare])

    answer = get_statistics(store, TENANT, group_by="key.customer", now=T + 10**10)

    found = {bucket["group"]["key.customer"]: bucket["transactions"] for bucket in answer["buckets"]}
    assert {value: told["arrivals"] for value, told in found.items()} == {
        "C-9": 4, "C-8": 1, "": 1, None: 1,
    }  # fmt: skip
    for told in found.values():
        page = list_transactions(store, TENANT, q=told["query"], now=T + 10**10)
        assert page["total"] == told["arrivals"], told["query"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a,b", 'key."a,b"'),
        (" a ", 'key." a "'),
        ("a, b", ' key."a, b" '),
        ('say "a"', 'key."say \\"a\\""'),
        ('"', 'key."\\""'),
        ("a\\b", "key.a\\b"),
        ("a\\b", 'key."a\\\\b"'),
        ("customer", 'key."customer"'),
        ("a\nb", 'key."a\nb"'),
    ],
)
def test_a_key_of_any_name_is_grouped_by_beside_others(name, said):
    named = TransactionRecord(
        id=ID, at=T, flow="shop", object_type="order", object_id="7", keys={name: "x"}, created_at=T
    )
    store = store_of([named])

    answer = get_statistics(store, TENANT, group_by=f"flow,{said},type", now=T + 10**10)

    assert answer["group_by"] == ["flow", f"key.{name}", "type"]
    [bucket] = answer["buckets"]
    assert bucket["group"] == {"flow": "shop", f"key.{name}": "x", "type": "order"}
    assert list_transactions(store, TENANT, q=bucket["transactions"]["query"], now=T + 10**10)["total"] == 1


@pytest.mark.parametrize(
    "said",
    [
        'key."a',
        'key."a"b',
        'key."a\\n"',
        'key.""',
        "key.",
        "key.a\0",
        'key."a\0b"',
        "flow,",
        ",",
        'key.a,key."a"',
    ],
)
def test_what_is_nothing_to_group_by_is_refused_with_what_is_allowed(said):
    with pytest.raises(Refusal) as refused:
        get_statistics(store_of(ORDERS), TENANT, group_by=said, now=T)

    assert (refused.value.code, refused.value.field) == ("out_of_range", "group_by")


@pytest.mark.parametrize("source", ["cells", "scan"])
@pytest.mark.parametrize(
    ("q", "counted"), [("", {None: 2, "1": 1}), ('version:""', {None: 2}), ('-version:""', {"1": 1})]
)
def test_an_empty_version_is_none_for_counts_and_lists_alike(source, q, counted):
    store = store_of([*order(1), *order(2, version=""), *order(3, version=None)])

    answer = get_statistics(store, TENANT, q=q, group_by="version", source=source, now=T + 10**10)

    told = {bucket["group"]["version"]: bucket["transactions"] for bucket in answer["buckets"]}
    assert {version: each["arrivals"] for version, each in told.items()} == counted
    for each in told.values():
        assert list_transactions(store, TENANT, q=each["query"], now=T + 10**10)["total"] == each["arrivals"]


@pytest.mark.parametrize("source", ["cells", "scan"])
def test_groups_and_buckets_are_refused_where_they_are_too_many(source, monkeypatch):
    asked = {"group_by": "flow,block", "step": "1m", "source": source, "now": T + 10**10}
    store = store_of(ORDERS)
    entries = len(get_statistics(store, TENANT, **asked)["buckets"])

    monkeypatch.setattr(table, "MAX_ENTRIES", entries)
    assert len(get_statistics(store, TENANT, **asked)["buckets"]) == entries
    monkeypatch.setattr(table, "MAX_ENTRIES", entries - 1)
    with pytest.raises(Refusal) as refused:
        get_statistics(store, TENANT, **asked)

    assert (refused.value.code, refused.value.field) == ("too_many_buckets", "group_by")
    assert refused.value.received == "flow,block"


def test_counting_ends_once_groups_are_too_many(monkeypatch):
    monkeypatch.setattr(table, "MAX_ENTRIES", 10)
    monkeypatch.setattr(scanned, "_ROWS_AT_ONCE", 1)
    store = store_of([record for number in range(1, 250) for record in order(number, customer=f"C-{number}")])
    met = []
    monkeypatch.setattr(rows, "matches", lambda *arguments: met.append(arguments) or True)

    with pytest.raises(Refusal, match="too many groups"):
        get_statistics(store, TENANT, group_by="key.customer", now=T + 10**11)

    assert len(met) < 100


def test_groups_the_language_cannot_say_have_no_query():
    answer = get_statistics(store_of(ORDERS), TENANT, group_by="worker", now=T + 10**10)

    workers = {bucket["group"]["worker"]: bucket for bucket in answer["buckets"]}
    assert workers["w1"]["executions"]["arrivals"] == 3
    assert workers["w1"]["executions"]["query"] is None
    assert workers[None]["transactions"]["query"] == ""


@pytest.mark.parametrize("group_by", ["", "type", "block", "key.customer"])
@pytest.mark.parametrize("from_", [None, format_instant(T)])
@pytest.mark.parametrize(
    "questions",
    [
        [f'-"{"x" * size}"' for size in range(3_940, 4_094)],
        ["-" + ",".join(f"x{number}" for number in range(values)) for values in range(92, 101)],
    ],
    ids=["characters", "values"],
)
def test_no_query_is_told_that_the_list_would_refuse(questions, from_, group_by):
    store = store_of(ORDERS)
    told, refused = set(), 0
    for q in questions:
        answer = get_statistics(store, TENANT, q=q, group_by=group_by, from_=from_, now=T + 10**10)
        for bucket in answer["buckets"]:
            for counted in (bucket.get("transactions"), bucket.get("executions")):
                links = [counted["query"], *counted["queries"].values()] if counted else []
                told.update(link for link in links if link)
                refused += None in links

    assert refused
    for query in told:
        parse(query, T)
    assert max(map(len, told)) == 4_096 or max(query.count(",") for query in told) > 90


def test_ends_of_the_range_that_are_no_whole_minutes_are_widened_and_the_answer_says_so():
    asked = {
        "from_": format_instant(T + 61_000_000),
        "to": format_instant(T + 130_000_000),
        "now": T + 10**10,
    }
    store = store_of(ORDERS)

    counted = get_statistics(store, TENANT, **asked)
    scanned = get_statistics(store, TENANT, **asked, source="scan")

    assert (micros(counted["from"]), micros(counted["to"])) == (T + 60_000_000, T + 180_000_000)
    assert counted["buckets"][0]["transactions"]["arrivals"] == 2
    assert (micros(scanned["from"]), micros(scanned["to"])) == (T + 61_000_000, T + 130_000_000)
    assert scanned["buckets"][0]["transactions"]["arrivals"] == 1


def test_an_end_before_everything_is_told_as_it_was_asked_for():
    store, before = store_of(ORDERS), format_instant(T - 30 * 86_400_000_000)

    for answer in (
        get_statistics(store, TENANT, to=before, now=T + 10**10),
        get_statistics(store, TENANT, to=before, now=T + 10**10, source="scan"),
        get_flow(store, TENANT, "shop", to=before, now=T + 10**10),
    ):
        assert (answer["from"], answer["to"]) == (before, before)


@pytest.mark.parametrize("asked", [{}, {"source": "scan"}, {"step": "1h"}, {"from_": format_instant(T)}])
def test_an_open_range_is_told_to_hold_all_that_is_counted_in_it(asked):
    opened, work, end = order(1)
    days = 4 * 86_400_000_000
    late = [
        replace(work, queued_at=None, started_at=work.started_at + days, ended_at=work.ended_at + days),
        replace(end, ended_at=end.ended_at + days),
    ]
    store = store_of([opened, *late])

    answer = get_statistics(store, TENANT, now=T + 3 * days, **asked)
    flow = get_flow(store, TENANT, "shop", from_=asked.get("from_"), now=T + 3 * days)

    assert sum(bucket["transactions"]["delivered"] for bucket in answer["buckets"]) == 1
    for told in (answer, flow):
        assert micros(told["from"]) <= T
        assert micros(told["to"]) > late[1].ended_at
    assert all(micros(bucket["to"]) <= micros(answer["to"]) for bucket in answer["buckets"])


def test_buckets_stand_at_multiples_of_the_step_and_the_outer_ones_are_cut():
    answer = get_statistics(
        store_of(ORDERS), TENANT, from_=format_instant(T + 60_000_000), to=format_instant(T + 300_000_000),
        step="2m", now=T + 10**10,
    )  # fmt: skip

    spans = [
        ((micros(each["from"]) - T) // 60_000_000, (micros(each["to"]) - T) // 60_000_000)
        for each in answer["buckets"]
    ]
    assert spans == [(1, 2), (2, 4), (4, 5)]


def test_a_step_of_decades_begins_where_queries_can_say_it():
    answer = get_statistics(store_of(ORDERS), TENANT, step="1500w", now=T + 10**10)

    (bucket,) = answer["buckets"]
    assert bucket["from"] == "2000-01-01T00:00:00.000000Z"
    page = list_transactions(store_of(ORDERS), TENANT, q=bucket["transactions"]["query"], now=T + 10**10)
    assert page["total"] == bucket["transactions"]["arrivals"] == 5


def test_one_that_is_under_way_for_days_is_never_more_than_one_on_average():
    waiting = TransactionRecord(
        id=b"\7" * 16, at=T, flow="shop", object_type="order", object_id="7", created_at=T
    )

    answer = get_statistics(store_of([waiting]), TENANT, now=T + 36 * 3_600_000_000)

    level = answer["buckets"][0]["in_transit"]
    assert level["total_s"] == 36 * 3_600
    assert level["average"] <= 1


@pytest.mark.parametrize("source", ["cells", "scan"])
def test_a_fast_clock_takes_no_time_from_what_is_under_way(source):
    hour = 3_600_000_000
    now = T + 10 * hour
    opened = {7: now - hour, 8: now + 2 * hour}
    told = [
        TransactionRecord(
            id=bytes([number]) * 16, at=at, flow="shop", object_type="order", object_id="7", created_at=at
        )
        for number, at in opened.items()
    ]

    answer = get_statistics(store_of(told), TENANT, source=source, now=now)

    assert answer["buckets"][0]["in_transit"]["total_s"] == 3_600


def test_a_store_without_anything_has_no_buckets():
    answer = get_statistics(store_of([]), TENANT, step="1h", group_by="block", now=T)

    assert answer["buckets"] == []
    assert (answer["from"], answer["to"]) == (None, None)


@pytest.mark.parametrize(
    ("parameters", "code", "field"),
    [
        ({"step": "90s"}, "invalid_step", "step"),
        ({"step": "0m"}, "invalid_step", "step"),
        ({"step": "2mo"}, "invalid_step", "step"),
        ({"step": "often"}, "invalid_step", "step"),
        ({"step": "1m", "from_": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z"}, "too_many_buckets", "step"),
        ({"group_by": "colour"}, "out_of_range", "group_by"),
        ({"group_by": "flow,flow"}, "out_of_range", "group_by"),
        ({"group_by": "key."}, "out_of_range", "group_by"),
        ({"source": "guess"}, "out_of_range", "source"),
        ({"source": "cells", "q": "status:failed"}, "needs_scan", "source"),
        ({"from_": "2026-01-01T00:00:00"}, "naive_instant", "from"),
        ({"from_": "1767225600"}, "instant_out_of_range", "from"),
        ({"from_": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "invalid_range", "to"),
        ({"q": "statsu:failed"}, "invalid_query", "q"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_with_its_parameter(parameters, code, field):
    with pytest.raises(Refusal) as refused:
        get_statistics(store_of([]), TENANT, **parameters, now=T)

    assert (refused.value.code, refused.value.field, refused.value.status) == (code, field, 400)
