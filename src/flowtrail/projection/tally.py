"""Adds up what transactions contribute to cells: signed rows in, one cell per minute and group out, then widened.

Rows are collected as integers and counted by column (numpy): counting a row at a time costs four times as much.
A tally is a sum: the order of rows does not matter, and a row with sign -1 takes its twin back exactly.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from flowtrail.model.records import BlockRecord
from flowtrail.projection import cells as code
from flowtrail.projection.cells import Cell, CellKey, add_into, start_of, widened

_MINUTE: Final = 60_000_000
_NONE: Final = -1
"""Instants are never negative, so this is absence."""
_COLUMNS: Final = 8
_EXACT_FLOAT: Final = 2**53
"""`bincount` adds floats: exact while no sum can pass this; beyond, integers of any size are used."""

_STATUS: Final[dict[str | None, int]] = {None: 0, "pending": 0, "running": 0, "in_transit": 0}
_STATUS.update(code.STATUS_CODES)
_BOUNDS: Final = np.array([int(bound) for bound in code.BOUNDS], dtype=np.int64)

Ints = npt.NDArray[np.int64]
Group = tuple[str, ...]


class Scope:
    """The groups of one (tenant, flow, version, object type): numbers for its blocks and edges, given once."""

    __slots__ = ("_cohorts", "_edges", "_tally", "blocks", "flow", "object_type", "tenant", "version")

    def __init__(self, tally: "Tally", tenant: str, flow: str, version: str, object_type: str) -> None:
        self._tally = tally
        self.tenant, self.flow, self.version, self.object_type = tenant, flow, version, object_type
        self.blocks: dict[str, int] = {}
        self._edges: dict[tuple[str, str], int] = {}
        self._cohorts: dict[str, int] = {}

    def block(self, block: str) -> int:
        """The group number of a block's events; "" is the transaction as a whole."""
        number = self.blocks.get(block)
        if number is None:
            group = (self.flow, self.version, block, self.object_type)
            number = self.blocks[block] = self._tally.group(self.tenant, code.EVENTS, group)
        return number

    def edge(self, sign: int, source: str, target: str, instant: int, time: int) -> None:
        """Count an edge; `time` is negative when the two overlap."""
        number = self._edges.get((source, target))
        if number is None:
            group = (self.flow, self.version, source, target, self.object_type)
            number = self._tally.group(self.tenant, code.EDGES, group)
            self._edges[source, target] = number
        self._tally.edges.extend((sign, number, instant, time))

    def cohort(self, sign: int, opened_at: int, status: str) -> None:
        """Count a transaction by its opened instant and present status."""
        number = self._cohorts.get(status)
        if number is None:
            group = (self.flow, self.version, self.object_type, status)
            number = self._cohorts[status] = self._tally.group(self.tenant, code.COHORT, group)
        self._tally.cohorts.extend((sign, number, opened_at))

    def transaction(self, sign: int, opened_at: int, ended_at: int | None, status: str, attempt: int) -> None:
        """Count a transaction as a whole, with its present outcome."""
        ended = _NONE if ended_at is None else ended_at
        self._tally.wholes.extend((sign, self.block(""), opened_at, ended, _STATUS[status], attempt - 1))

    def earlier_end(self, sign: int, ended_at: int, outcome: str) -> None:
        """Count the end of an attempt that was tried again since."""
        self._tally.point(sign, self.block(""), ended_at, _STATUS[outcome], 1)

    def execution(self, sign: int, record: BlockRecord, closed_at: int | None) -> None:
        """Count a merged execution; `closed_at` is where the transaction's outcome ends what is still open."""
        number = self.blocks.get(record.block)
        if number is None:
            number = self.block(record.block)
        queued, started, ended = record.queued_at, record.started_at, record.ended_at
        attempt = record.attempt
        self._tally.rows.extend(
            (
                sign,
                number,
                _NONE if queued is None else queued,
                _NONE if started is None else started,
                _NONE if ended is None else ended,
                _STATUS[record.status],
                _NONE if closed_at is None else closed_at,
                record.at if attempt is None or attempt < 2 else -record.at,
            )
        )
        if record.usage:
            self._tally.usage(sign, number, record)


class Tally:
    """Collects rows; `cells` adds them up. Owned by one thread."""

    __slots__ = ("_groups", "_points", "_scopes", "cohorts", "edges", "names", "rows", "wholes")

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.wholes: list[int] = []
        self.edges: list[int] = []
        self.cohorts: list[int] = []
        self.names: list[tuple[str, str, Group]] = []
        self._groups: dict[tuple[str, str, Group], int] = {}
        self._scopes: dict[tuple[str, str, str, str], Scope] = {}
        self._points: dict[tuple[int, int], Cell] = {}

    def scope(self, tenant: str, flow: str, version: str | None, object_type: str) -> Scope:
        """Where a transaction of that flow counts."""
        key = (tenant, flow, version or "", object_type)
        scope = self._scopes.get(key)
        if scope is None:
            scope = self._scopes[key] = Scope(self, *key)
        return scope

    def group(self, tenant: str, kind: str, group: Group) -> int:
        """The number of a group in this tally."""
        key = (tenant, kind, group)
        number = self._groups.get(key)
        if number is None:
            number = self._groups[key] = len(self.names)
            self.names.append(key)
        return number

    def point(self, sign: int, group: int, instant: int, counter: int | str, amount: int) -> None:
        """Add to one counter at one instant."""
        cell = self._points.setdefault((group, instant // _MINUTE), {})
        cell[counter] = cell.get(counter, 0) + sign * amount

    def usage(self, sign: int, group: int, record: BlockRecord) -> None:
        """Add an execution's usage, in micro-units, where it ended or was last heard of."""
        known = (record.ended_at, record.started_at, record.queued_at)
        instant = next((each for each in known if each is not None), record.at)
        for name, amount in (record.usage or {}).items():
            self.point(sign, group, instant, code.USAGE_PREFIX + name, round(amount * 1_000_000))
            self.point(sign, group, instant, code.USAGE_COUNT_PREFIX + name, 1)

    def cells(self) -> dict[CellKey, Cell]:
        """The sum of all rows, at every width; cells without counters are left out."""
        minutes: dict[tuple[int, int], Cell] = {}
        for key, cell in self._points.items():
            add_into(minutes.setdefault(key, {}), cell)
        if self.rows:
            _count_executions(minutes, np.array(self.rows, dtype=np.int64).reshape(-1, _COLUMNS))
        if self.wholes:
            _count_transactions(minutes, np.array(self.wholes, dtype=np.int64).reshape(-1, 6))
        if self.edges:
            _count_edges(minutes, np.array(self.edges, dtype=np.int64).reshape(-1, 4))
        if self.cohorts:
            sign, group, opened = np.array(self.cohorts, dtype=np.int64).reshape(-1, 3).T
            _Places(group, opened).add(minutes, code.COUNT, sign)
        return self._widen(minutes)

    def _widen(self, minutes: dict[tuple[int, int], Cell]) -> dict[CellKey, Cell]:
        found: dict[CellKey, Cell] = {}
        narrow = {(group, minute * _MINUTE): cell for (group, minute), cell in minutes.items() if cell}
        for width in code.WIDTHS:
            wide: dict[tuple[int, int], Cell] = {}
            starts: dict[int, int] = {}
            for (group, start), cell in narrow.items():
                first = starts.get(start)
                if first is None:
                    first = starts[start] = start_of(width, start)
                held = wide.get((group, first))
                if held is None:
                    wide[group, first] = widened(cell, start, first)
                else:
                    add_into(held, widened(cell, start, first) if first != start else cell)
            for (group, start), cell in wide.items():
                if cell:
                    tenant, kind, name = self.names[group]
                    found[CellKey(tenant, kind, width, start, name)] = cell
            narrow = wide
        return found


class _Places:
    """Rows that count at one instant: which (group, minute) each falls into."""

    def __init__(self, groups: Ints, instants: Ints) -> None:
        minutes = instants // _MINUTE
        self.first = int(minutes.min())
        self.span = int(minutes.max()) - self.first + 1
        self.places = groups * self.span + (minutes - self.first)
        self.offsets = instants - minutes * _MINUTE
        size = (int(groups.max()) + 1) * self.span
        # Counting over every place costs less than sorting until most places are empty.
        self.unique: Ints | None = None
        if size > 4 * len(instants) + 4_096:
            self.unique, self.places = np.unique(self.places, return_inverse=True)
            size = len(self.unique)
        self.size = size

    def add(self, minutes: dict[tuple[int, int], Cell], counter: int, amounts: Ints) -> None:
        """Add each row's amount to `counter` of its place."""
        if int(np.abs(amounts).max(initial=0)) * len(amounts) < _EXACT_FLOAT:
            sums: Any = np.bincount(self.places, weights=amounts, minlength=self.size)
        else:
            sums = np.zeros(self.size, dtype=object)
            np.add.at(sums, self.places, amounts.astype(object))
        for place in np.flatnonzero(sums).tolist():
            self._put(minutes, place, counter, int(sums[place]))

    def add_histogram(
        self, minutes: dict[tuple[int, int], Cell], base: int, values: Ints, signs: Ints
    ) -> None:
        """Count each row's value in its bucket."""
        buckets = np.searchsorted(_BOUNDS, values, side="right")
        keys, where = np.unique(self.places * code.HISTOGRAM_CODES + buckets, return_inverse=True)
        counts = np.bincount(where, weights=signs)
        for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
            if count:
                place, bucket = divmod(key, code.HISTOGRAM_CODES)
                self._put(minutes, place, base + bucket, int(count))

    def _put(self, minutes: dict[tuple[int, int], Cell], place: int, counter: int, amount: int) -> None:
        key = int(self.unique[place]) if self.unique is not None else place
        group, minute = divmod(key, self.span)
        cell = minutes.setdefault((group, minute + self.first), {})
        total = cell.get(counter, 0) + amount
        if total:
            cell[counter] = total
        else:
            del cell[counter]


def _some(mask: npt.NDArray[np.bool_], *columns: Ints) -> Sequence[Ints] | None:
    if not mask.any():
        return None
    return columns if mask.all() else [column[mask] for column in columns]


def _count_executions(minutes: dict[tuple[int, int], Cell], table: Ints) -> None:
    sign, group, queued, started, ended, status, closed, stated = (table[:, i] for i in range(_COLUMNS))
    retry = stated < 0
    at = np.abs(stated)
    far = np.iinfo(np.int64).max
    arrival = np.minimum(
        np.where(queued < 0, far, queued),
        np.minimum(np.where(started < 0, far, started), np.where(ended < 0, far, ended)),
    )
    arrival = np.where(arrival == far, at, arrival)
    final = status > 0
    end = np.where(ended >= 0, ended, np.where(started >= 0, started, np.where(queued >= 0, queued, at)))

    places = _Places(group, arrival)
    places.add(minutes, code.ARRIVALS, sign)
    if retry.any():
        places.add(minutes, code.RETRIES, np.where(retry, sign, 0))
    if rows := _some(started >= 0, group, started, sign):
        _Places(rows[0], rows[1]).add(minutes, code.STARTS, rows[2])
    if rows := _some(final, group, end, sign, status):
        places = _Places(rows[0], rows[1])
        for each in (code.SUCCEEDED, code.FAILED, code.SKIPPED):
            places.add(minutes, each, np.where(rows[3] == each, rows[2], 0))
    if rows := _some((queued >= 0) & (started >= queued), group, started, sign, started - queued):
        _count_times(minutes, rows, code.WAIT_N, code.WAIT_HISTOGRAM)
    if rows := _some(final & (started >= 0) & (ended >= started), group, ended, sign, ended - started):
        _count_times(minutes, rows, code.WORK_N, code.WORK_HISTOGRAM)

    over = np.where(final, end, closed)
    wait_over = np.where(started >= 0, started, over)
    _count_intervals(minutes, (group, sign, queued, wait_over), code.WAIT_IN, code.WAIT_SKEWED)
    _count_intervals(minutes, (group, sign, started, over), code.WORK_IN, code.WORK_SKEWED)


def _count_transactions(minutes: dict[tuple[int, int], Cell], table: Ints) -> None:
    sign, group, opened, ended, status, retries = (table[:, i] for i in range(6))
    places = _Places(group, opened)
    places.add(minutes, code.ARRIVALS, sign)
    if retries.any():
        places.add(minutes, code.RETRIES, sign * retries)
    if rows := _some(status > 0, group, ended, sign, status):
        places = _Places(rows[0], rows[1])
        for each in (code.DELIVERED, code.FAILED, code.FILTERED, code.CANCELLED):
            places.add(minutes, each, np.where(rows[3] == each, rows[2], 0))
    if rows := _some((status > 0) & (ended >= opened), group, ended, sign, ended - opened):
        _count_times(minutes, rows, code.WORK_N, code.WORK_HISTOGRAM)
    _count_intervals(minutes, (group, sign, opened, ended), code.WORK_IN, code.WORK_SKEWED)


def _count_times(
    minutes: dict[tuple[int, int], Cell], rows: Sequence[Ints], counter: int, histogram: int
) -> None:
    group, instant, sign, value = rows
    places = _Places(group, instant)
    places.add(minutes, counter, sign)
    places.add(minutes, counter + 1, sign * value)
    places.add_histogram(minutes, histogram, value, sign)


def _count_intervals(
    minutes: dict[tuple[int, int], Cell], columns: Sequence[Ints], opens: int, skewed: int
) -> None:
    """Count where intervals open and close, with their offsets; `opens` is the first of four adjacent counters."""
    group, sign, since, until = columns
    known = since >= 0
    if rows := _some(known & (until >= 0) & (until < since), group, until, sign):
        _Places(rows[0], rows[1]).add(minutes, skewed, rows[2])
    counted = known & ((until < 0) | (until >= since))
    if rows := _some(counted, group, since, sign):
        places = _Places(rows[0], rows[1])
        places.add(minutes, opens, rows[2])
        places.add(minutes, opens + 1, rows[2] * places.offsets)
    if rows := _some(counted & (until >= 0), group, until, sign):
        places = _Places(rows[0], rows[1])
        places.add(minutes, opens + 2, rows[2])
        places.add(minutes, opens + 3, rows[2] * places.offsets)


def _count_edges(minutes: dict[tuple[int, int], Cell], table: Ints) -> None:
    sign, group, instant, time = (table[:, i] for i in range(4))
    _Places(group, instant).add(minutes, code.COUNT, sign)
    if rows := _some(time < 0, group, instant, sign):
        _Places(rows[0], rows[1]).add(minutes, code.TIME_SKEWED, rows[2])
    if rows := _some(time >= 0, group, instant, sign, time):
        _count_times(minutes, rows, code.TIME_N, code.WORK_HISTOGRAM)
