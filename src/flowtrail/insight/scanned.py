"""A table from rows: any grouping, any condition, any instant, exact percentiles, minimum and maximum.

What counts where is what `projection.tally` counts into cells. Rows are collected as integers and added up by column:
one at a time costs four times as much, and a day of a busy system has a million executions.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from flowtrail.insight.table import Group, Table
from flowtrail.model.records import BlockRecord
from flowtrail.projection import cells as code
from flowtrail.projection.derive import end_instant, executions
from flowtrail.projection.header import Header
from flowtrail.projection.state import State

WholeGroup = Callable[[Header, State], Group]
ExecutionGroup = Callable[[Group, BlockRecord], Group]
"""Makes an execution's group of its transaction's."""

Ints = npt.NDArray[np.int64]

_NONE: Final = -1
"""Instants are never negative, so this is absence."""
_COLUMNS: Final = 7
_ROWS_AT_ONCE: Final = 20_000
"""Enough for columns to pay, few enough to hold as Python's integers."""
_FAR: Final = np.iinfo(np.int64).max

_STATUS: Final[dict[str | None, int]] = {None: 0, "pending": 0, "running": 0, "in_transit": 0}
_STATUS.update(code.STATUS_CODES)
_WAIT: Final = (code.WAIT_N, code.WAIT_IN, code.WAIT_SKEWED)
_WORK: Final = (code.WORK_N, code.WORK_IN, code.WORK_SKEWED)


class Scan:
    """Adds transactions up; `finish` gives the table. Time in progress is that until `now`. Owned by one thread."""

    def __init__(
        self, edges: list[int], whole_group: WholeGroup, execution_group: ExecutionGroup, now: int
    ) -> None:
        self.tried_again = False
        """Whether an end was counted that is not its transaction's outcome any more."""
        self._table = Table(edges, raw=True)
        self._edges = np.array(edges, dtype=np.int64)
        self._now = now
        self._whole_group, self._execution_group = whole_group, execution_group
        self._groups: dict[Group, int] = {}
        self._names: list[Group] = []
        self._wholes: list[int] = []
        self._executions: list[int] = []

    def add(self, header: Header, state: State) -> None:
        """Count one transaction and its executions."""
        group = self._whole_group(header, state)
        ended = _NONE if header.ended_at is None else header.ended_at
        # A transaction is work from its opening to its outcome that never waited.
        self._wholes += (
            self._number(group), _NONE, header.opened_at, ended, _STATUS[header.status], _NONE, header.attempt - 1,
        )  # fmt: skip
        if state.ends:
            self._add_earlier_ends(group, header, state)
        for record in executions(state):
            self._add_execution(self._execution_group(group, record), record, ended)
        if len(self._executions) + len(self._wholes) > _COLUMNS * _ROWS_AT_ONCE:
            self._flush()

    def is_far_too_large(self) -> bool:
        """Whether what was added up until now makes more entries than an answer may hold."""
        return self._table.is_far_too_large()

    def finish(self) -> Table:
        """Everything that was added."""
        self._flush()
        return self._table

    def _number(self, group: Group) -> int:
        number = self._groups.get(group)
        if number is None:
            number = self._groups[group] = len(self._names)
            self._names.append(group)
        return number

    def _add_execution(self, group: Group, record: BlockRecord, closed: int) -> None:
        queued, started, ended = record.queued_at, record.started_at, record.ended_at
        attempt = record.attempt
        self._executions += (
            self._number(group),
            _NONE if queued is None else queued,
            _NONE if started is None else started,
            _NONE if ended is None else ended,
            _STATUS[record.status],
            closed,
            record.at if attempt is None or attempt < 2 else -record.at,
        )
        if record.usage:
            known = (ended, started, queued)
            instant = next((each for each in known if each is not None), record.at)
            for name, amount in record.usage.items():
                self._point(group, instant, code.USAGE_PREFIX + name, round(amount * 1_000_000))
                self._point(group, instant, code.USAGE_COUNT_PREFIX + name, 1)

    def _add_earlier_ends(self, group: Group, header: Header, state: State) -> None:
        for attempt, ends in state.ends.items():
            if attempt != header.attempt:
                counter = code.STATUS_CODES[ends[-1].outcome]
                self.tried_again = self._point(group, end_instant(ends), counter, 1) or self.tried_again

    def _point(self, group: Group, instant: int, counter: int | str, amount: int) -> bool:
        bucket = bisect_right(self._table.edges, instant) - 1
        if not 0 <= bucket < len(self._table.edges) - 1:
            return False
        cell = self._table.place(bucket, group).cell
        cell[counter] = cell.get(counter, 0) + amount
        return True

    # --- by column ----------------------------------------------------------------------------------------

    def _flush(self) -> None:
        if self._wholes:
            self._count_wholes(np.array(self._wholes, dtype=np.int64).reshape(-1, _COLUMNS))
        if self._executions:
            self._count_executions(np.array(self._executions, dtype=np.int64).reshape(-1, _COLUMNS))
        self._wholes, self._executions = [], []

    def _count_wholes(self, table: Ints) -> None:
        group, _, opened, ended, status, _, retries = table.T
        self._count(group, opened, code.ARRIVALS)
        self._count(group, opened, code.RETRIES, retries)
        over = status > 0
        self._statuses(group[over], ended[over], status[over])
        self._times(group, opened, ended, over & (ended >= opened), _WORK)
        self._intervals(group, opened, ended, _WORK)

    def _count_executions(self, table: Ints) -> None:
        group, queued, started, ended, status, closed, stated = table.T
        at = np.abs(stated)
        first = [np.where(instant < 0, _FAR, instant) for instant in (queued, started, ended)]
        arrival = np.minimum(np.minimum(first[0], first[1]), first[2])
        arrival = np.where(arrival == _FAR, at, arrival)
        known = [ended, started, queued]
        end = np.select([instant >= 0 for instant in known], known, at)
        final = status > 0
        self._count(group, arrival, code.ARRIVALS)
        self._count(group, arrival, code.RETRIES, (stated < 0).astype(np.int64))
        self._statuses(group[final], end[final], status[final])
        self._times(group, queued, started, (queued >= 0) & (started >= queued), _WAIT)
        self._times(group, started, ended, final & (started >= 0) & (ended >= started), _WORK)
        over = np.where(final, end, closed)
        self._intervals(group, queued, np.where(started >= 0, started, over), _WAIT)
        self._intervals(group, started, over, _WORK)

    def _statuses(self, group: Ints, instant: Ints, status: Ints) -> None:
        for counter in set(status.tolist()):
            self._count(group[status == counter], instant[status == counter], counter)

    def _times(
        self,
        group: Ints,
        since: Ints,
        until: Ints,
        counted: npt.NDArray[np.bool_],
        codes: tuple[int, int, int],
    ) -> None:
        """Complete pairs, at their end: how many, their sum, and each value as it is."""
        group, instant, value = group[counted], until[counted], (until - since)[counted]
        for bucket, name, values in self._places(group, instant, value):
            held = self._table.place(bucket, name)
            held.cell[codes[0]] = held.cell.get(codes[0], 0) + len(values)
            held.cell[codes[0] + 1] = held.cell.get(codes[0] + 1, 0) + _total(values)
            kept: array[int] | None = held.waits if codes is _WAIT else held.works
            assert kept is not None
            kept.frombytes(values.tobytes())

    def _intervals(self, group: Ints, since: Ints, until: Ints, codes: tuple[int, int, int]) -> None:
        began, ended = since >= 0, until >= 0
        skewed = began & ended & (until < since)
        self._count(group[skewed], until[skewed], codes[2])
        came = began & ~skewed
        self._ends(group[came], since[came], codes, 1)
        went = came & ended
        self._ends(group[went], until[went], codes, -1)

    def _ends(self, group: Ints, instant: Ints, codes: tuple[int, int, int], sign: int) -> None:
        """Where intervals open (1) or close (-1), with their offsets in the bucket; or that they did before the first."""
        counter = codes[1] if sign > 0 else codes[1] + 2
        self._count(group, instant, counter)
        bucket = np.clip(np.searchsorted(self._edges, instant, side="right") - 1, 0, None)
        # What lies ahead, of a clock that is fast, counts as if it were now: its time has not passed yet.
        offset = np.maximum(np.minimum(instant, self._now) - self._edges[bucket], 0)
        self._count(group, instant, counter + 1, offset)
        early = np.bincount(group[instant < self._edges[0]], minlength=len(self._names))
        for number in np.flatnonzero(early).tolist():
            open_ = self._table.before.setdefault(self._names[number], [0, 0])
            open_[0 if codes is _WAIT else 1] += sign * int(early[number])

    def _count(self, group: Ints, instant: Ints, counter: int, amount: Ints | None = None) -> None:
        for bucket, name, amounts in self._places(
            group, instant, np.ones_like(group) if amount is None else amount
        ):
            total = _total(amounts)
            if total:
                cell = self._table.place(bucket, name).cell
                cell[counter] = cell.get(counter, 0) + total

    def _places(self, group: Ints, instant: Ints, value: Ints) -> Iterator[tuple[int, Group, Ints]]:
        """Values by bucket and group; those outside the range are left out."""
        last = len(self._edges) - 1
        bucket = np.searchsorted(self._edges, instant, side="right") - 1
        within = (bucket >= 0) & (bucket < last)
        place, value = (group * last + bucket)[within], value[within]
        if not len(place):
            return
        order = np.argsort(place, kind="stable")
        place, value = place[order], value[order]
        starts = np.flatnonzero(np.diff(place, prepend=place[0] - 1))
        for key, part in zip(place[starts].tolist(), np.split(value, starts[1:]), strict=True):
            number, at = divmod(key, last)
            yield at, self._names[number], part


def _total(amounts: Ints) -> int:
    """Their sum. In all of time an offset is decades: some ten thousand of them pass 64 bits, where numpy would begin
    at the other end without a word."""
    return sum(amounts.tolist())
