"""A table from rows: any grouping, any condition, any instant, exact percentiles, minimum and maximum.

What counts where is what `projection.tally` counts into cells, asked of one transaction after the other.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable

from flowtrail.insight.table import Group, Table, Tallied
from flowtrail.model.records import BlockRecord
from flowtrail.projection import cells as code
from flowtrail.projection.derive import end_instant, executions
from flowtrail.projection.executions import FINAL, arrival_at, end_at
from flowtrail.projection.header import Header
from flowtrail.projection.state import State

WholeGroup = Callable[[Header, State], Group]
ExecutionGroup = Callable[[Group, BlockRecord], Group]
"""Makes an execution's group of its transaction's."""


class Scan:
    """Adds transactions up. `executions` false leaves their executions out."""

    def __init__(self, edges: list[int], whole_group: WholeGroup, execution_group: ExecutionGroup) -> None:
        self.table = Table(edges, raw=True)
        self.tried_again = False
        """Whether an end was counted that is not its transaction's outcome any more."""
        self._edges = edges
        self._last = len(edges) - 1
        self._whole_group, self._execution_group = whole_group, execution_group

    def add(self, header: Header, state: State) -> None:
        """Count one transaction and its executions."""
        group = self._whole_group(header, state)
        self._add_whole(group, header, state)
        for record in executions(state):
            self._add_execution(self._execution_group(group, record), record, header.ended_at)

    def _add_whole(self, group: Group, header: Header, state: State) -> None:
        opened, ended = header.opened_at, header.ended_at
        self._count(group, opened, code.ARRIVALS)
        if header.attempt > 1:
            self._count(group, opened, code.RETRIES, header.attempt - 1)
        for attempt, ends in state.ends.items():
            if attempt != header.attempt and self._count(
                group, end_instant(ends), code.STATUS_CODES[ends[-1].outcome]
            ):
                self.tried_again = True
        if ended is not None:
            self._count(group, ended, code.STATUS_CODES[header.status])
            if ended >= opened:
                self._time(group, ended, ended - opened, waiting=False)
        self._interval(group, opened, ended, waiting=False)

    def _add_execution(self, group: Group, record: BlockRecord, closed_at: int | None) -> None:
        queued, started, ended = record.queued_at, record.started_at, record.ended_at
        arrival = arrival_at(record)
        self._count(group, arrival, code.ARRIVALS)
        if (record.attempt or 1) > 1:
            self._count(group, arrival, code.RETRIES)
        final = record.status in FINAL
        over = end_at(record) if final else closed_at
        if final:
            self._count(group, end_at(record), code.STATUS_CODES[record.status or ""])
        if started is not None:
            self._count(group, started, code.STARTS)
            if queued is not None and started >= queued:
                self._time(group, started, started - queued, waiting=True)
            if final and ended is not None and ended >= started:
                self._time(group, ended, ended - started, waiting=False)
            self._interval(group, started, over, waiting=False)
        if queued is not None:
            self._interval(group, queued, over if started is None else started, waiting=True)
        if record.usage:
            self._usage(group, record)

    def _usage(self, group: Group, record: BlockRecord) -> None:
        known = (record.ended_at, record.started_at, record.queued_at)
        instant = next((each for each in known if each is not None), record.at)
        for name, amount in (record.usage or {}).items():
            self._count(group, instant, code.USAGE_PREFIX + name, round(amount * 1_000_000))
            self._count(group, instant, code.USAGE_COUNT_PREFIX + name)

    def _place(self, group: Group, instant: int) -> Tallied | None:
        """Where an instant counts; None outside the range."""
        bucket = bisect_right(self._edges, instant) - 1
        if not 0 <= bucket < self._last:
            return None
        return self.table.place(bucket, group)

    def _count(self, group: Group, instant: int, counter: int | str, amount: int = 1) -> bool:
        held = self._place(group, instant)
        if held is None:
            return False
        held.cell[counter] = held.cell.get(counter, 0) + amount
        return True

    def _time(self, group: Group, instant: int, value: int, *, waiting: bool) -> None:
        held = self._place(group, instant)
        if held is None:
            return
        number, total = (code.WAIT_N, code.WAIT_SUM) if waiting else (code.WORK_N, code.WORK_SUM)
        held.cell[number] = held.cell.get(number, 0) + 1
        held.cell[total] = held.cell.get(total, 0) + value
        values = held.waits if waiting else held.works
        assert values is not None
        values.append(value)

    def _interval(self, group: Group, since: int, until: int | None, *, waiting: bool) -> None:
        if until is not None and until < since:
            self._count(group, until, code.WAIT_SKEWED if waiting else code.WORK_SKEWED)
            return
        came, went = (code.WAIT_IN, code.WAIT_OUT) if waiting else (code.WORK_IN, code.WORK_OUT)
        self._edge(group, since, came, 0 if waiting else 1, 1)
        if until is not None:
            self._edge(group, until, went, 0 if waiting else 1, -1)

    def _edge(self, group: Group, instant: int, counter: int, what: int, sign: int) -> None:
        """One end of an interval: `counter` and, next to it, the offset from the bucket's start."""
        if instant < self._edges[0]:
            self.table.before.setdefault(group, [0, 0])[what] += sign
            return
        bucket = bisect_right(self._edges, instant) - 1
        if self._count(group, instant, counter):
            self._count(group, instant, counter + 1, instant - self._edges[bucket])


def scan(scanned: Scan, transactions: Iterable[tuple[Header, State]]) -> Scan:
    """Add all of them up."""
    for header, state in transactions:
        scanned.add(header, state)
    return scanned
