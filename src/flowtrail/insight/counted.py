"""A table from cells: counts and sums exact, percentiles within 2.2 %, at a cost that does not grow with the rows."""

from bisect import bisect_right
from collections.abc import Callable

from flowtrail.insight.ranges import ALL_TIME, cover, cover_buckets, minute_ceiling
from flowtrail.insight.table import Group, Table, Tallied
from flowtrail.projection.cells import (
    COHORT,
    EDGES,
    EVENTS,
    OFFSETS,
    WAIT_IN,
    WAIT_OUT,
    WORK_IN,
    WORK_OUT,
    Cell,
    CellKey,
    Width,
    add_into,
    end_of,
    start_of,
    widened,
)
from flowtrail.storage.cells import CellReader

GroupOf = Callable[[CellKey], Group | None]
"""Where a cell belongs; None: nowhere."""


def count_events(
    cells: CellReader,
    tenant: str,
    edges: list[int],
    group_of: GroupOf,
    flow: str | None = None,
    now: int | None = None,
) -> Table:
    """The events in each bucket, and what was open before the first; edges are whole minutes. Where `now` is given,
    time in progress is that until then, to the minute."""
    table = _count(cells, (tenant, EVENTS, flow), edges, group_of)
    for run in cover(ALL_TIME[0], edges[0]):
        for key, cell in cells.cells(tenant, EVENTS, run.width, run.since, run.until, flow):
            group = group_of(key)
            if group is not None:
                open_ = table.before.setdefault(group, [0, 0])
                open_[0] += cell.get(WAIT_IN, 0) - cell.get(WAIT_OUT, 0)
                open_[1] += cell.get(WORK_IN, 0) - cell.get(WORK_OUT, 0)
    if now is not None:
        _until(now, table, cells, (tenant, EVENTS, flow), group_of)
    return table


def _until(
    now: int, table: Table, cells: CellReader, what: tuple[str, str, str | None], group_of: GroupOf
) -> None:
    """Count what opens or closes ahead as if it did so now: of clocks that are fast, whose time has not passed yet.
    Else one that opens in an hour takes an hour from those that are open."""
    edges, first = table.edges, max(minute_ceiling(now), table.edges[0])
    tenant, kind, flow = what
    for run in cover_buckets([first, *(edge for edge in edges if edge > first)]):
        for key, cell in cells.cells(tenant, kind, run.width, run.since, run.until, flow):
            group = group_of(key)
            if group is None:
                continue
            bucket = bisect_right(edges, key.start) - 1
            passed = max(now - edges[bucket], 0)
            ahead = widened(cell, key.start, edges[bucket])
            shift: Cell = {
                at: ahead.get(number, 0) * passed - ahead.get(at, 0) for at, number in OFFSETS.items()
            }
            add_into(table.place(bucket, group).cell, shift)


def count_cohorts(
    cells: CellReader, tenant: str, edges: list[int], group_of: GroupOf, flow: str | None = None
) -> Table:
    """How many transactions that opened in each bucket have which status now."""
    return _count(cells, (tenant, COHORT, flow), edges, group_of)


def count_edges(
    cells: CellReader, tenant: str, flow: str, since: int, until: int
) -> dict[tuple[str, str], Cell]:
    """The edges of a flow in a range of whole minutes, by (from, to)."""
    found: dict[tuple[str, str], Cell] = {}
    for run in cover(since, until):
        for key, cell in cells.cells(tenant, EDGES, run.width, run.since, run.until, flow):
            add_into(found.setdefault((key.group[2], key.group[3]), {}), cell)
    return found


def extent(cells: CellReader, tenant: str, kind: str, finest: Width = "day") -> tuple[int, int] | None:
    """The range that holds every cell of a kind, in whole buckets of a width; None when there are none.

    Reads the cells of the years, and of the first and the last bucket of each narrower width.
    """
    first, last = ALL_TIME
    wider: Width = "year"
    for width in ("year", "month", "day", "hour", "minute"):
        early = _starts(cells, tenant, kind, width, first, last if width == "year" else end_of(wider, first))
        late = (
            early if width == "year" else _starts(cells, tenant, kind, width, start_of(wider, last - 1), last)
        )
        if not early or not late:
            return None
        first, last, wider = early[0], end_of(width, late[-1]), width
        if width == finest:
            break
    return first, last


def _starts(cells: CellReader, tenant: str, kind: str, width: Width, since: int, until: int) -> list[int]:
    return sorted({key.start for key, _ in cells.cells(tenant, kind, width, since, until)})


def _count(
    cells: CellReader, what: tuple[str, str, str | None], edges: list[int], group_of: GroupOf
) -> Table:
    table = Table(edges)
    tenant, kind, flow = what
    for run in cover_buckets(edges):
        for key, cell in cells.cells(tenant, kind, run.width, run.since, run.until, flow):
            group = group_of(key)
            if group is None:
                continue
            bucket = bisect_right(edges, key.start) - 1
            held = table.tallied.get((bucket, group))
            if held is None:
                table.tallied[bucket, group] = Tallied(widened(cell, key.start, edges[bucket]))
            else:
                add_into(held.cell, widened(cell, key.start, edges[bucket]))
    return table
