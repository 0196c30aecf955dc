"""How long a transaction is normally silent at a block: what stuck is measured against.

Silence at a block is its wait, its work, or the way to the next block. Normal is twice the longest of the three 99th
percentiles of the last days, and at least a minute; a block seen too seldom has no normal.
"""

from typing import Final

from flowtrail.insight.histogram import percentiles_of_cell
from flowtrail.projection.cells import (
    EDGES,
    EVENTS,
    TIME_N,
    WAIT_HISTOGRAM,
    WAIT_N,
    WORK_HISTOGRAM,
    WORK_N,
    Cell,
    add_into,
    start_of,
)
from flowtrail.storage.cells import CellReader

DAYS: Final = 7
_DAY: Final = 86_400_000_000
FACTOR: Final = 2
"""One in a hundred is slower than the 99th percentile: twice that is rare."""
LEAST_US: Final = 60_000_000
"""Clocks of producers differ and records travel: nobody is stuck within a minute."""
LEAST_SEEN: Final = 20
"""Fewer observations say nothing about a tail."""

Place = tuple[str, str]
"""Flow and block."""


def normal_silence(cells: CellReader, tenant: str, now: int) -> dict[Place, int]:
    """The silence in microseconds that is normal, by flow and block, from the cells of the last days."""
    since = start_of("day", now) - (DAYS - 1) * _DAY
    works: dict[Place, Cell] = {}
    for key, cell in cells.cells(tenant, EVENTS, "day", since, None):
        if key.group[2]:
            add_into(works.setdefault((key.group[0], key.group[2]), {}), cell)
    ways: dict[Place, Cell] = {}
    for key, cell in cells.cells(tenant, EDGES, "day", since, None):
        add_into(ways.setdefault((key.group[0], key.group[2]), {}), cell)
    found: dict[Place, int] = {}
    for place in works.keys() | ways.keys():
        work, way = works.get(place, {}), ways.get(place, {})
        longest = max(
            _p99(work, WAIT_N, WAIT_HISTOGRAM),
            _p99(work, WORK_N, WORK_HISTOGRAM),
            _p99(way, TIME_N, WORK_HISTOGRAM),
        )
        if longest >= 0:
            found[place] = max(FACTOR * longest, LEAST_US)
    return found


def _p99(cell: Cell, counter: int, histogram: int) -> int:
    return percentiles_of_cell(cell, histogram)[99] if cell.get(counter, 0) >= LEAST_SEEN else -1
