"""Rows of integers added up by column (numpy): who counts at one instant, in which minute, in which histogram bucket.

Counting a row at a time costs four times as much. Every function adds to cells of minutes by (group, minute).
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from flowtrail.projection import cells as code
from flowtrail.projection.cells import Cell

MINUTE: Final = 60_000_000
NONE: Final = -1
"""Instants are never negative, so this is absence."""
_EXACT_FLOAT: Final = 2**53
"""`bincount` adds floats: exact while no sum can pass this; beyond, integers of any size are used."""
_BOUNDS: Final = np.array([int(bound) for bound in code.BOUNDS], dtype=np.int64)

Ints = npt.NDArray[np.int64]
Minutes = dict[tuple[int, int], Cell]
"""Cells by (group number, minutes since the epoch)."""


class Places:
    """Rows that count at one instant: which (group, minute) each falls into."""

    def __init__(self, groups: Ints, instants: Ints) -> None:
        minutes = instants // MINUTE
        self.first = int(minutes.min())
        self.span = int(minutes.max()) - self.first + 1
        self.places = groups * self.span + (minutes - self.first)
        self.offsets = instants - minutes * MINUTE
        size = (int(groups.max()) + 1) * self.span
        # Counting over every place costs less than sorting until most places are empty.
        self.unique: Ints | None = None
        if size > 4 * len(instants) + 4_096:
            self.unique, self.places = np.unique(self.places, return_inverse=True)
            size = len(self.unique)
        self.size = size

    def add(self, minutes: Minutes, counter: int, amounts: Ints) -> None:
        """Add each row's amount to `counter` of its place."""
        if int(np.abs(amounts).max(initial=0)) * len(amounts) < _EXACT_FLOAT:
            sums: Any = np.bincount(self.places, weights=amounts, minlength=self.size)
        else:
            sums = np.zeros(self.size, dtype=object)
            np.add.at(sums, self.places, amounts.astype(object))
        for place in np.flatnonzero(sums).tolist():
            self._put(minutes, place, counter, int(sums[place]))

    def add_histogram(self, minutes: Minutes, base: int, values: Ints, signs: Ints) -> None:
        """Count each row's value in its bucket."""
        buckets = np.searchsorted(_BOUNDS, values, side="right")
        least = int(buckets.min())
        width = int(buckets.max()) - least + 1
        keys = self.places * width + (buckets - least)
        # As for places: counting over every bucket costs less than sorting until most are empty.
        if self.size * width <= 8 * len(keys) + 4_096:
            counts = np.bincount(keys, weights=signs)
            found = np.flatnonzero(counts)
            counts = counts[found]
        else:
            found, where = np.unique(keys, return_inverse=True)
            counts = np.bincount(where, weights=signs)
        for key, count in zip(found.tolist(), counts.tolist(), strict=True):
            if count:
                place, bucket = divmod(key, width)
                self._put(minutes, place, base + least + bucket, int(count))

    def _put(self, minutes: Minutes, place: int, counter: int, amount: int) -> None:
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


class Executions(NamedTuple):
    """Executions as columns: sign, group, and the instants of each, `NONE` where there is none.

    `status` is the counter of a final status, 0 for the others; `closed` is where the transaction's outcome ends
    what is still open; `retry` says whether the attempt is above 1.
    """

    sign: Ints
    group: Ints
    queued: Ints
    started: Ints
    ended: Ints
    status: Ints
    closed: Ints
    at: Ints
    retry: npt.NDArray[np.bool_]

    def end(self) -> Ints:
        """Where a final execution counts as ended: `executions.end_at`."""
        known = np.where(self.started >= 0, self.started, np.where(self.queued >= 0, self.queued, self.at))
        return np.where(self.ended >= 0, self.ended, known)


def count_executions(minutes: Minutes, columns: Executions) -> None:
    """Arrivals, starts, ends, waits and works, and the intervals of waiting and working."""
    sign, group, queued, started, ended, status, closed, at, retry = columns
    far = np.iinfo(np.int64).max
    arrival = np.minimum(
        np.where(queued < 0, far, queued),
        np.minimum(np.where(started < 0, far, started), np.where(ended < 0, far, ended)),
    )
    arrival = np.where(arrival == far, at, arrival)
    final = status > 0
    end = columns.end()

    places = Places(group, arrival)
    places.add(minutes, code.ARRIVALS, sign)
    if retry.any():
        places.add(minutes, code.RETRIES, np.where(retry, sign, 0))
    if rows := _some(started >= 0, group, started, sign):
        Places(rows[0], rows[1]).add(minutes, code.STARTS, rows[2])
    if rows := _some(final, group, end, sign, status):
        places = Places(rows[0], rows[1])
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


def count_transactions(minutes: Minutes, table: Ints) -> None:
    """Transactions as a whole; columns: sign, group, opened, ended, status, attempts beyond the first."""
    sign, group, opened, ended, status, retries = (table[:, i] for i in range(6))
    places = Places(group, opened)
    places.add(minutes, code.ARRIVALS, sign)
    if retries.any():
        places.add(minutes, code.RETRIES, sign * retries)
    if rows := _some(status > 0, group, ended, sign, status):
        places = Places(rows[0], rows[1])
        for each in (code.DELIVERED, code.FAILED, code.FILTERED, code.CANCELLED):
            places.add(minutes, each, np.where(rows[3] == each, rows[2], 0))
    if rows := _some((status > 0) & (ended >= opened), group, ended, sign, ended - opened):
        _count_times(minutes, rows, code.WORK_N, code.WORK_HISTOGRAM)
    _count_intervals(minutes, (group, sign, opened, ended), code.WORK_IN, code.WORK_SKEWED)


def _count_times(minutes: Minutes, rows: Sequence[Ints], counter: int, histogram: int) -> None:
    group, instant, sign, value = rows
    places = Places(group, instant)
    places.add(minutes, counter, sign)
    places.add(minutes, counter + 1, sign * value)
    places.add_histogram(minutes, histogram, value, sign)


def _count_intervals(minutes: Minutes, columns: Sequence[Ints], opens: int, skewed: int) -> None:
    """Count where intervals open and close, with their offsets; `opens` is the first of four adjacent counters."""
    group, sign, since, until = columns
    known = since >= 0
    if rows := _some(known & (until >= 0) & (until < since), group, until, sign):
        Places(rows[0], rows[1]).add(minutes, skewed, rows[2])
    counted = known & ((until < 0) | (until >= since))
    if rows := _some(counted, group, since, sign):
        places = Places(rows[0], rows[1])
        places.add(minutes, opens, rows[2])
        places.add(minutes, opens + 1, rows[2] * places.offsets)
    if rows := _some(counted & (until >= 0), group, until, sign):
        places = Places(rows[0], rows[1])
        places.add(minutes, opens + 2, rows[2])
        places.add(minutes, opens + 3, rows[2] * places.offsets)


def count_edges(minutes: Minutes, table: Ints) -> None:
    """Edges and their times; rows: sign, group, instant, time (negative when the two overlap)."""
    sign, group, instant, time = table
    Places(group, instant).add(minutes, code.COUNT, sign)
    if rows := _some(time < 0, group, instant, sign):
        Places(rows[0], rows[1]).add(minutes, code.TIME_SKEWED, rows[2])
    if rows := _some(time >= 0, group, instant, sign, time):
        _count_times(minutes, rows, code.TIME_N, code.WORK_HISTOGRAM)
