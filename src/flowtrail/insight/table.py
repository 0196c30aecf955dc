"""What is counted in each bucket of time for each group, wherever it was counted from: cells or rows."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from flowtrail.insight.ranges import MAX_ENTRIES
from flowtrail.projection.cells import (
    WAIT_IN,
    WAIT_IN_OFFSET,
    WAIT_OUT,
    WAIT_OUT_OFFSET,
    WORK_IN,
    WORK_IN_OFFSET,
    WORK_OUT,
    WORK_OUT_OFFSET,
    Cell,
)

Group = tuple[str | None, ...]
"""The values of what is grouped by, in its order; None where it does not apply, "" where it is unknown."""

_WAIT: Final = (WAIT_IN, WAIT_IN_OFFSET, WAIT_OUT, WAIT_OUT_OFFSET)
_WORK: Final = (WORK_IN, WORK_IN_OFFSET, WORK_OUT, WORK_OUT_OFFSET)


@dataclass(slots=True)
class Tallied:
    """One bucket of one group. Offsets count from the bucket's start; raw values are there when rows were read."""

    cell: Cell = field(default_factory=dict)
    waits: "array[int] | None" = None
    works: "array[int] | None" = None


@dataclass(slots=True)
class Table:
    """`edges` are the buckets'; `before` is what was open in each group when the first began (waiting, working)."""

    edges: list[int]
    tallied: dict[tuple[int, Group], Tallied] = field(default_factory=dict)
    before: dict[Group, list[int]] = field(default_factory=dict)
    raw: bool = False
    """Whether rows were read, so that values are kept as they are."""

    def place(self, bucket: int, group: Group) -> Tallied:
        """Where that bucket of that group is counted."""
        held = self.tallied.get((bucket, group))
        if held is None:
            held = self.tallied[bucket, group] = self.nothing()
        return held

    def is_too_large(self) -> bool:
        """Whether it has more entries than an answer may hold; one that holds executions and transactions is one."""
        if len(self.tallied) <= MAX_ENTRIES:
            return False
        return self.is_far_too_large() or (
            len({(bucket, group[1:]) for bucket, group in self.tallied}) > MAX_ENTRIES
        )

    def is_far_too_large(self) -> bool:
        """Whether that is plain without looking at them."""
        return len(self.tallied) > 2 * MAX_ENTRIES

    def nothing(self) -> Tallied:
        """What a bucket without events is shown as."""
        return Tallied({}, array("q"), array("q")) if self.raw else Tallied()


class Level(NamedTuple):
    """How many were open at once during a bucket: at both its ends, and added up over its time in microseconds."""

    at_start: int
    at_end: int
    total_us: int


class Row(NamedTuple):
    """One bucket of one group with what was in progress."""

    bucket: int
    group: Group
    tallied: Tallied
    waiting: Level
    working: Level


def rows(table: Table, now: int) -> Iterator[Row]:
    """Every bucket in which something happened, in order of time and group.

    A group that was in progress when the range began has a row in the first bucket too. Between its rows nothing
    changed: what was in progress at the end of one stays so until the next. Time after `now` has not passed yet.
    """
    wanted = set(table.tallied)
    wanted.update((0, group) for group, open_ in table.before.items() if any(open_))
    reached: dict[Group, list[int]] = {group: list(open_) for group, open_ in table.before.items()}
    for bucket, group in sorted(wanted, key=_order):
        tallied = table.tallied.get((bucket, group)) or table.nothing()
        open_ = reached.setdefault(group, [0, 0])
        start = table.edges[bucket]
        length = max(min(table.edges[bucket + 1], now) - start, 0)
        waiting = _level(tallied.cell, _WAIT, open_[0], length)
        working = _level(tallied.cell, _WORK, open_[1], length)
        open_[0], open_[1] = waiting.at_end, working.at_end
        yield Row(bucket, group, tallied, waiting, working)


def _order(place: tuple[int, Group]) -> tuple[int, list[tuple[bool, str]]]:
    return place[0], [(value is not None, value or "") for value in place[1]]


def _level(cell: Cell, codes: tuple[int, int, int, int], at_start: int, length: int) -> Level:
    """An interval that opens at offset o within a bucket of length L adds L - o to its time, one that closes takes
    as much away."""
    came, came_offset, went, went_offset = (cell.get(code, 0) for code in codes)
    change = came - went
    total = (at_start + change) * length - (came_offset - went_offset)
    return Level(at_start, at_start + change, max(total, 0))
