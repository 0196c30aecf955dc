"""Statistics equal a recount: counts and sums exactly, percentiles of cells within 2.2 %, and queries list them."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrail.insight.ranges import minute_floor
from flowtrail.model.instants import format_instant
from flowtrail.query.flows import get_flow
from flowtrail.query.statistics import get_statistics
from flowtrail.query.transactions import list_transactions
from tests.support.counting import Counted, all_facts, edges_of
from tests.support.reading import micros
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
        start, end = micros(bucket["from"]), micros(bucket["to"])
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
