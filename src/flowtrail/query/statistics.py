"""Statistics: counts, rates, percentiles and what was in progress, by bucket of time and by group.

Cells answer where they know what is asked; everything else is computed from the rows, and says so. Both count the
same events at the same instants, so they differ only in percentiles and in what they cost.
"""

from dataclasses import dataclass
from typing import Final

from flowtrail.insight.counted import count_cohorts, count_events, extent
from flowtrail.insight.ranges import ALL_TIME, MAX_ENTRIES, Step, edges_of, minute_ceiling, minute_floor
from flowtrail.insight.summary import (
    EXECUTION_COUNTS,
    MICROS,
    TRANSACTION_COUNTS,
    counts,
    level,
    usage,
    waits,
    works,
)
from flowtrail.insight.table import Row, Table, rows
from flowtrail.model.conditions import Condition
from flowtrail.model.errors import Refusal
from flowtrail.model.instants import format_instant
from flowtrail.projection.cells import EVENTS, Width
from flowtrail.query.grouping import (
    EXECUTIONS,
    KEY_PREFIX,
    cell_filter,
    of_cohorts,
    of_events,
    only_flow,
    read_group_by,
)
from flowtrail.query.items import Json
from flowtrail.query.listings import Listings, span_text
from flowtrail.query.moments import moment_of
from flowtrail.query.parameters import read_range
from flowtrail.query.parse import parse
from flowtrail.query.rows import scan_rows
from flowtrail.query.steps import read_step
from flowtrail.query.tries import ever_tried_again
from flowtrail.storage.interface import Store

_FINER: Final[tuple[Width, ...]] = ("year", "month", "day", "hour", "minute")


@dataclass(frozen=True, slots=True)
class _Asked:
    """The question, read. `since` and `until` are None where all time is meant."""

    q: str
    condition: Condition
    group_by: tuple[str, ...]
    step: Step | None
    since: int | None
    until: int | None
    now: int


def get_statistics(
    store: Store,
    tenant: str,
    *,
    from_: str | None = None,
    to: str | None = None,
    step: str | None = None,
    group_by: str | None = None,
    q: str | None = None,
    now: int,
    source: str | None = None,
) -> Json:
    """Buckets of time and groups with what happened in them; those in which nothing did are left out.

    `source` "scan" computes from rows what cells could answer too: exact percentiles, minimum and maximum, and ends
    of the range to the microsecond, where cells take whole minutes. "cells" refuses what only rows can answer.
    Raises: Refusal (400).
    """
    if source not in {None, "cells", "scan"}:
        raise Refusal("out_of_range", "source is cells or scan", "source", source, "cells, scan")
    since, until = read_range(from_, to)
    condition = parse(q or "", now)
    asked = _Asked(q or "", condition, read_group_by(group_by), read_step(step), since, until, now)
    counted = None if source == "scan" else _from_cells(store, tenant, asked)
    if counted is None and source == "cells":
        raise Refusal(
            "needs_scan",
            "cells cannot answer this; without source it is computed from the rows",
            "source",
            source,
            "q of flow:, type: and version: alone; group_by of flow, version, block and type, or status without block",
        )
    return counted or _from_rows(store, tenant, asked)


def _from_cells(store: Store, tenant: str, asked: _Asked) -> Json | None:
    """The answer from cells; None when they do not know what is asked."""
    wanted = cell_filter(asked.condition)
    if wanted is None:
        return None
    cohorts, events = of_cohorts(asked.group_by, wanted), of_events(asked.group_by, wanted)
    if cohorts is None and events is None:
        return None
    since = None if asked.since is None else minute_floor(asked.since)
    until = None if asked.until is None else minute_ceiling(asked.until)
    flow = only_flow(asked.condition)
    edges = _edges(store, tenant, asked, since, until)
    if cohorts is not None:
        table = count_cohorts(store.cells, tenant, edges, cohorts, flow)
    else:
        assert events is not None
        table = count_events(store.cells, tenant, edges, events, flow, asked.now)
    tried = ever_tried_again(store, tenant)
    listings = Listings(asked.q, asked.group_by, tried_again=tried)
    shown = _shown(store, tenant, asked, since, until)
    answer = _answer(asked, table, listings, shown, statuses_only=cohorts is not None)
    return {**answer, "source": "cells", "complete": True}


def _from_rows(store: Store, tenant: str, asked: _Asked) -> Json:
    edges = _edges(store, tenant, asked, asked.since, asked.until)
    moment = moment_of(store, tenant, asked.condition, asked.now)
    scanned, complete = scan_rows(store, tenant, asked.condition, moment, edges, asked.group_by)
    listings = Listings(asked.q, asked.group_by, tried_again=scanned.tried_again)
    shown = _shown(store, tenant, asked, asked.since, asked.until)
    answer = _answer(asked, scanned.finish(), listings, shown, statuses_only=False)
    return {**answer, "source": "scan", "complete": complete}


def _edges(store: Store, tenant: str, asked: _Asked, since: int | None, until: int | None) -> list[int]:
    """The buckets. Where an end is open, with a step, they begin or end where anything is known.

    Raises: Refusal (400 `too_many_buckets`).
    """
    step = asked.step
    if step is None:
        return [ALL_TIME[0] if since is None else since, ALL_TIME[1] if until is None else until]
    if since is not None and until is not None:
        edges = edges_of(since, until, step)
    else:
        edges = None
        for width in _FINER:
            first, last = extent(store.cells, tenant, EVENTS, width) or (asked.now, asked.now)
            # A step of decades may begin before the first instant that a query can name.
            first = max(step.start(minute_floor(first)), ALL_TIME[0]) if since is None else since
            last = minute_ceiling(max(last, first)) if until is None else until
            edges = edges_of(first, last, step)
            if edges is not None:
                break
    if edges is None:
        raise Refusal(
            "too_many_buckets",
            "so short a step makes too many buckets of this range",
            "step",
            step.text,
            "at most 10,000 buckets: a longer step, or from and to closer together",
        )
    return edges


def _shown(
    store: Store, tenant: str, asked: _Asked, since: int | None, until: int | None
) -> tuple[int, int] | None:
    """The range as the answer names it; open ends are where the days of anything that is known begin and end."""
    if since is not None and until is not None:
        return since, until
    known = extent(store.cells, tenant, EVENTS)
    if known is None:
        return None if since is None and until is None else (since or until or 0, until or since or 0)
    first = known[0] if since is None else since
    last = known[1] if until is None else until
    if until is None and last > asked.now:
        last = max(minute_ceiling(asked.now), first)
    # Nothing happened before an end that lies before everything; it is still the end that was asked for.
    return (min(first, last), last) if since is None else (first, max(first, last))


class _Buckets:
    """The buckets as the answer tells them: their ends, their time that has passed, and their range in queries."""

    def __init__(self, asked: _Asked, table: Table, shown: tuple[int, int] | None) -> None:
        self._asked, self._edges, self._shown = asked, table.edges, shown
        self._known: dict[int, tuple[str, str, float, str]] = {}

    def lasted(self, bucket: int) -> float:
        """The seconds over which what is under way was added up: where the end is open that goes on until now, however
        long ago the last transaction came."""
        if self._asked.step is not None or self._edges[bucket + 1] != ALL_TIME[1] or self._shown is None:
            return self[bucket][2]
        return max(self._asked.now - self._shown[0], 0) / MICROS

    def __getitem__(self, bucket: int) -> tuple[str, str, float, str]:
        """Two instants, seconds, and the range as text; where the range is open, so is the text."""
        known = self._known.get(bucket)
        if known is None:
            since, until = self._edges[bucket], self._edges[bucket + 1]
            span = span_text(None if since == ALL_TIME[0] else since, None if until == ALL_TIME[1] else until)
            if self._asked.step is None and self._shown is not None:
                since, until = self._shown
            seconds = max(min(until, self._asked.now) - since, 0) / MICROS
            known = self._known[bucket] = (format_instant(since), format_instant(until), seconds, span)
        return known


def _answer(
    asked: _Asked, table: Table, listings: Listings, shown: tuple[int, int] | None, *, statuses_only: bool
) -> Json:
    if table.is_too_large():
        raise Refusal(
            "too_many_buckets",
            "this makes too many groups and buckets for one answer",
            "group_by",
            ",".join(asked.group_by),
            f"at most {MAX_ENTRIES:,} in all: other groupings, a longer step, a shorter range or a narrower q",
        )
    entries: dict[tuple[int, tuple[str | None, ...]], Json] = {}
    buckets = _Buckets(asked, table, shown)
    measures = _statuses if statuses_only else _measures
    for row in rows(table, asked.now):
        since, until, seconds, span = buckets[row.bucket]
        values = row.group[1:]
        entry = entries.get((row.bucket, values))
        if entry is None:
            group = {
                name: value if name.startswith(KEY_PREFIX) else value or None
                for name, value in zip(asked.group_by, values, strict=True)
            }
            entry = entries[row.bucket, values] = {"from": since, "to": until, "group": group}
        entry.update(measures(row, listings, seconds, buckets.lasted(row.bucket), span))
    return {
        "from": None if shown is None else format_instant(shown[0]),
        "to": None if shown is None else format_instant(shown[1]),
        "step": None if asked.step is None else asked.step.text,
        "group_by": list(asked.group_by),
        "buckets": list(entries.values()),
    }


def _measures(row: Row, listings: Listings, seconds: float, lasted: float, span: str) -> Json:
    cell = row.tallied.cell
    if row.group[0] == EXECUTIONS:
        told = counts(cell, EXECUTION_COUNTS, seconds)
        return {
            "executions": {**told, **listings.executions(told, row.group, span)},
            "wait_s": waits(row.tallied),
            "work_s": works(row.tallied),
            "waiting": level(row.waiting, lasted),
            "working": level(row.working, lasted),
            "usage": usage(cell),
        }
    told = counts(cell, TRANSACTION_COUNTS, seconds)
    return {
        "transactions": {**told, **listings.transactions(told, row.group, span)},
        "duration_s": works(row.tallied),
        "in_transit": level(row.working, lasted),
    }


def _statuses(row: Row, listings: Listings, seconds: float, _: float, span: str) -> Json:
    told = counts(row.tallied.cell, {"arrivals": TRANSACTION_COUNTS["arrivals"]}, seconds)
    return {"transactions": {**told, **listings.transactions(told, row.group, span)}}
