"""Statistics equal a recount: counts and sums exactly, percentiles of cells within 2.2 %, and queries list them."""

import math
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrail.insight.ranges import minute_floor
from flowtrail.model.errors import Refusal
from flowtrail.model.instants import format_instant
from flowtrail.model.records import BlockRecord, EndRecord, TransactionRecord
from flowtrail.query.flows import get_flow
from flowtrail.query.statistics import get_statistics
from flowtrail.query.transactions import list_transactions
from tests.support.counting import Counted, all_facts, edges_of
from tests.support.records import BASE, records
from tests.support.stores import TENANT, store_of

FEWER = settings(max_examples=settings().max_examples // 2)
"""Every example asks dozens of queries."""

INSTANTS = ("at", "created_at", "deadline_at", "queued_at", "started_at", "ended_at")
SPAN = 12 * 17_000_000
COUNTS = {
    "executions": ("arrivals", "succeeded", "failed", "skipped", "retries"),
    "transactions": ("arrivals", "delivered", "failed", "filtered", "cancelled", "retries"),
}
TIMES = {"executions": {"wait_s": "wait", "work_s": "work"}, "transactions": {"duration_s": "work"}}
LEVELS = {"executions": {"waiting": "wait", "working": "work"}, "transactions": {"in_transit": "work"}}

# The records' instants lie within 204 s; stretched by these, within minutes, hours, days, months or years.
STEPS = {
    1: ["1m", "2m", "1h"],
    60: ["7m", "1h"],
    2_000: ["90m", "6h", "1d"],
    40_000: ["1d", "1w", "1mo"],
    300_000: ["1mo", "1y"],
}


def stretched(record, factor):
    for name in INSTANTS:
        value = getattr(record, name, None)
        if value is not None:
            setattr(record, name, BASE + (value - BASE) * factor)
    return record


@st.composite
def questions(draw):
    factor = draw(st.sampled_from(list(STEPS)))
    told = [stretched(record, factor) for record in draw(st.lists(records(), min_size=1, max_size=12))]
    minute = 60_000_000
    ends = st.none() | st.integers(-2, SPAN * factor // minute + 2).map(
        lambda n: (BASE // minute + n) * minute
    )
    since, until = draw(ends), draw(ends)
    if since is not None and until is not None and since > until:
        since, until = until, since
    group_by = draw(st.lists(st.sampled_from(["flow", "version", "block", "type"]), unique=True, max_size=3))
    return told, factor, since, until, draw(st.none() | st.sampled_from(STEPS[factor])), group_by


PASSED = st.integers(-1, 4)
"""How much of the records' time has passed when it is asked, in quarters: clocks may be fast by any amount."""


def us(text):
    return round(datetime.fromisoformat(text).timestamp() * 1e6)


def said(instant):
    return None if instant is None else format_instant(instant)


def nearest_rank(ordered, percent):
    return ordered[max(math.ceil(percent * len(ordered) / 100), 1) - 1] if ordered else None


def hold_to_recount(store, answer, since, until, now):
    """Every bucket of the answer against the recount, and that nothing was left out."""
    facts = list(all_facts(store, answer["group_by"]))
    groups = {}
    for unit, each in facts:
        groups.setdefault((unit, each.group), []).append(each)
    seen = {}
    for bucket in answer["buckets"]:
        group = tuple(bucket["group"].values())
        start, end = us(bucket["from"]), us(bucket["to"])
        if answer["step"] is None:
            # Where the range is open, so is the one bucket.
            start, end = since if since is not None else 0, until if until is not None else 1 << 61
        for unit, names in COUNTS.items():
            if unit in bucket:
                counted = Counted(groups.get((unit, group), []), start, end, now)
                hold_bucket(store, bucket, unit, counted, exact=answer["source"] == "scan")
                for name in names:
                    seen[unit, name] = seen.get((unit, name), 0) + counted.count(name)
    for unit, names in COUNTS.items():
        everything = [each for held, each in facts if held == unit]
        whole = Counted(everything, since or 0, until or 1 << 61, now)
        assert {name: seen.get((unit, name), 0) for name in names} == {
            name: whole.count(name) for name in names
        }


def hold_bucket(store, bucket, unit, counted, *, exact):
    told = bucket[unit]
    assert {name: told[name] for name in COUNTS[unit]} == {name: counted.count(name) for name in COUNTS[unit]}
    for name, query in {"arrivals": told["query"], **told["queries"]}.items():
        page = list_transactions(store, TENANT, q=query, page_size="1000", now=counted.now)
        assert {item["id"] for item in page["transactions"]} == counted.who(name), query
    assert set(told["queries"]) == {
        name for name in COUNTS[unit] if name not in {"arrivals", "retries"} and told[name]
    }
    for member, name in TIMES[unit].items():
        hold_times(bucket[member], counted.values(name), counted.skewed(name), exact=exact)
    for member, name in LEVELS[unit].items():
        level, expected = bucket[member], counted.level(name)
        assert (level["at_start"], level["at_end"]) == (expected["at_start"], expected["at_end"])
        assert level["total_s"] == pytest.approx(expected["total_s"], abs=1e-6, rel=1e-12)


def hold_times(told, values, skewed, *, exact):
    assert (told["n"], round(told["sum"] * 1e6), told["skewed"]) == (len(values), sum(values), skewed)
    if exact:
        assert told["min"] == (values[0] / 1e6 if values else None)
        assert told["max"] == (values[-1] / 1e6 if values else None)
    for percent in (50, 95, 99):
        expected = nearest_rank(values, percent)
        if expected is None:
            assert told[f"p{percent}"] is None
        else:
            tolerance = 0 if exact else 0.022
            assert told[f"p{percent}"] * 1e6 == pytest.approx(expected, rel=tolerance, abs=1e-3)


@FEWER
@given(questions(), PASSED)
def test_statistics_from_cells_equal_a_recount_of_the_rows(question, passed):
    told, factor, since, until, step, group_by = question
    store, now = store_of(told), minute_floor(BASE + SPAN * factor * passed // 4) + 3_600_000_000

    answer = get_statistics(
        store, TENANT, from_=said(since), to=said(until), step=step, group_by=",".join(group_by), now=now
    )

    assert (answer["source"], answer["complete"]) == ("cells", True)
    hold_to_recount(store, answer, since, until, now)


@FEWER
@given(questions(), PASSED, st.sampled_from([0, 1, 17_000_000, 29_999_999]), st.booleans())
def test_statistics_from_rows_equal_a_recount_to_the_microsecond(question, passed, shift, by_status):
    told, factor, since, until, step, group_by = question
    store, now = store_of(told), BASE + SPAN * factor * passed // 4 + 3_600_000_000
    since, until = (None if end is None else end + shift for end in (since, until))
    group_by += ["status"] if by_status else []

    answer = get_statistics(
        store,
        TENANT,
        from_=said(since),
        to=said(until),
        step=step,
        group_by=",".join(group_by),
        source="scan",
        now=now,
    )

    assert (answer["source"], answer["complete"]) == ("scan", True)
    hold_to_recount(store, answer, since, until, now)


@FEWER
@given(questions())
def test_edges_from_cells_equal_a_recount_of_the_rows(question):
    told, _, since, until, _, _ = question
    store = store_of(told)
    flows = {stored.header.flow for stored in store.transactions.iter_states()} - {""}

    for flow in flows:
        shown = get_flow(store, TENANT, flow, said(since), said(until))["edges"]
        expected = edges_of(store, flow, since or 0, until or 1 << 61)
        assert {(edge["from"], edge["to"]): edge["count"] for edge in shown} == {
            edge: len(times) for edge, times in expected.items()
        }
        for edge in shown:
            times = expected[edge["from"], edge["to"]]
            hold_times(
                edge["time_s"],
                sorted(time for time in times if time >= 0),
                sum(time < 0 for time in times),
                exact=False,
            )


@FEWER
@given(questions())
def test_statuses_from_cells_equal_those_from_rows(question):
    told, factor, since, until, step, _ = question
    store, now = store_of(told), BASE + SPAN * factor + 3_600_000_000
    asked = {"from_": said(since), "to": said(until), "step": step, "group_by": "status,type", "now": now}

    counted = get_statistics(store, TENANT, **asked)
    scanned = get_statistics(store, TENANT, **asked, source="scan")

    def arrivals(answer):
        return {
            (bucket["from"], *bucket["group"].values()): bucket["transactions"]["arrivals"]
            for bucket in answer["buckets"]
            if bucket.get("transactions", {}).get("arrivals")
        }

    assert counted["source"] == "cells"
    assert arrivals(counted) == arrivals(scanned)
    for bucket in counted["buckets"]:
        query = bucket["transactions"]["query"]
        page = list_transactions(store, TENANT, q=query, now=now)
        assert page["total"] == bucket["transactions"]["arrivals"], query


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


def test_groups_the_language_cannot_say_have_no_query():
    answer = get_statistics(store_of(ORDERS), TENANT, group_by="worker", now=T + 10**10)

    workers = {bucket["group"]["worker"]: bucket for bucket in answer["buckets"]}
    assert workers["w1"]["executions"]["arrivals"] == 3
    assert workers["w1"]["executions"]["query"] is None
    assert workers[None]["transactions"]["query"] == ""


def test_ends_of_the_range_that_are_no_whole_minutes_are_widened_and_the_answer_says_so():
    asked = {
        "from_": format_instant(T + 61_000_000),
        "to": format_instant(T + 130_000_000),
        "now": T + 10**10,
    }
    store = store_of(ORDERS)

    counted = get_statistics(store, TENANT, **asked)
    scanned = get_statistics(store, TENANT, **asked, source="scan")

    assert (us(counted["from"]), us(counted["to"])) == (T + 60_000_000, T + 180_000_000)
    assert counted["buckets"][0]["transactions"]["arrivals"] == 2
    assert (us(scanned["from"]), us(scanned["to"])) == (T + 61_000_000, T + 130_000_000)
    assert scanned["buckets"][0]["transactions"]["arrivals"] == 1


def test_an_end_before_everything_is_told_as_it_was_asked_for():
    store, before = store_of(ORDERS), format_instant(T - 30 * 86_400_000_000)

    for answer in (
        get_statistics(store, TENANT, to=before, now=T + 10**10),
        get_statistics(store, TENANT, to=before, now=T + 10**10, source="scan"),
        get_flow(store, TENANT, "shop", to=before, now=T + 10**10),
    ):
        assert (answer["from"], answer["to"]) == (before, before)


def test_buckets_stand_at_multiples_of_the_step_and_the_outer_ones_are_cut():
    answer = get_statistics(
        store_of(ORDERS), TENANT, from_=format_instant(T + 60_000_000), to=format_instant(T + 300_000_000),
        step="2m", now=T + 10**10,
    )  # fmt: skip

    spans = [
        ((us(each["from"]) - T) // 60_000_000, (us(each["to"]) - T) // 60_000_000)
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
