"""What cells count: codes, time buckets and histogram buckets; and how a cell is read.

A cell is `dict[int | str, int]` without zeros: adding two cells adds their counters, so differences are exact and
any order of adding gives the same cell. Instants and durations are microseconds.
"""

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple

import msgspec

Width = Literal["minute", "hour", "day", "month", "year"]
WIDTHS: Final[tuple[Width, ...]] = ("minute", "hour", "day", "month", "year")
EVENTS: Final = "events"
EDGES: Final = "edges"
COHORT: Final = "cohort"

Cell = dict[int | str, int]
"""Counters by code; zeros left out."""


class CellKey(NamedTuple):
    """A cell's place. `kind` is "events", "edges" or "cohort"; `width` "minute", "hour", "day", "month", "year".

    `start` is the bucket's first instant in microseconds. `group` is, by kind: (flow, version, block, object type)
    with block "" for the transaction as a whole; (flow, version, from, to, object type); (flow, version, object
    type, status). An unknown flow, version or type is "".
    """

    tenant: str
    kind: str
    width: str
    start: int
    group: tuple[str, ...]


# Events of a block's executions, and (block "") of transactions as a whole.
ARRIVALS: Final = 1
"""At the earliest of queued, started, ended; of a transaction at its opened instant."""
STARTS: Final = 2
SUCCEEDED: Final = 3
FAILED: Final = 4
SKIPPED: Final = 5
DELIVERED: Final = 6
FILTERED: Final = 7
CANCELLED: Final = 8
RETRIES: Final = 9
"""Executions whose attempt is above 1, at their arrival; of a transaction its attempts beyond the first."""
WAIT_N: Final = 10
"""Complete, non-negative pairs of queued and started, at started."""
WAIT_SUM: Final = 11
WORK_N: Final = 12
"""Complete, non-negative pairs of started and ended, at ended; of a transaction, opened to its outcome."""
WORK_SUM: Final = 13
WAIT_SKEWED: Final = 14
"""Pairs whose end lies before their beginning, at the instant where the pair would have counted."""
WORK_SKEWED: Final = 15
# Intervals, for work in progress and busy time by prefix sums: how many opened and closed in the bucket, and the
# sum of their offsets from the bucket's start.
WAIT_IN: Final = 20
WAIT_IN_OFFSET: Final = 21
WAIT_OUT: Final = 22
WAIT_OUT_OFFSET: Final = 23
WORK_IN: Final = 24
WORK_IN_OFFSET: Final = 25
WORK_OUT: Final = 26
WORK_OUT_OFFSET: Final = 27
OFFSETS: Final = {
    WAIT_IN_OFFSET: WAIT_IN,
    WAIT_OUT_OFFSET: WAIT_OUT,
    WORK_IN_OFFSET: WORK_IN,
    WORK_OUT_OFFSET: WORK_OUT,
}
"""Offset sum -> its count: widening a bucket adds count times (the narrow start minus the wide start)."""

# Edges (time: previous execution's end to this one's start) and cohorts.
COUNT: Final = 1
TIME_N: Final = 12
TIME_SUM: Final = 13
TIME_SKEWED: Final = 15

WAIT_HISTOGRAM: Final = 1_000
WORK_HISTOGRAM: Final = 4_000
"""Also the times of edges and the durations of transactions. A code is this plus the bucket."""
HISTOGRAM_CODES: Final = 3_000

USAGE_PREFIX: Final = "u:"
"""`u:NAME` sums a usage in integer micro-units, `n:NAME` counts the executions that reported it."""
USAGE_COUNT_PREFIX: Final = "n:"

STATUS_CODES: Final = {
    "succeeded": SUCCEEDED,
    "failed": FAILED,
    "skipped": SKIPPED,
    "delivered": DELIVERED,
    "filtered": FILTERED,
    "cancelled": CANCELLED,
}

BOUNDS: Final = tuple(-(-(2 ** (i % 32 / 32) * 2 ** (i // 32)) // 1) for i in range(54 * 32))
"""OpenTelemetry's exponential histogram of scale 5, base 2^(2^-5): buckets 2.19 % wide.

The least integer of bucket i + 1, as floats that are exact integers up to 2^53; bucket 0 is for zero."""

_BOUNDS_INT: Final = tuple(int(bound) for bound in BOUNDS)


def bucket_of(value: int) -> int:
    """The histogram bucket of a duration in microseconds, 0 for zero. `value` is not negative."""
    return bisect_right(_BOUNDS_INT, value)


def bucket_value(bucket: int) -> int:
    """The duration that stands for a bucket: the middle of the integers it holds, at most 1.1 % off any of them."""
    if bucket == 0:
        return 0
    low = _BOUNDS_INT[bucket - 1]
    high = _BOUNDS_INT[bucket] - 1 if bucket < len(_BOUNDS_INT) else low
    return (low + high) // 2


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_STEPS: Final[dict[str, int]] = {"minute": 60_000_000, "hour": 3_600_000_000, "day": 86_400_000_000}


def start_of(width: str, instant: int) -> int:
    """The first instant of the bucket of that width that holds `instant` (UTC)."""
    step = _STEPS.get(width)
    if step:
        return instant - instant % step
    moment = _EPOCH + timedelta(microseconds=instant)
    first = moment.replace(
        month=1 if width == "year" else moment.month, day=1, hour=0, minute=0, second=0, microsecond=0
    )
    return (first - _EPOCH) // timedelta(microseconds=1)


def end_of(width: str, start: int) -> int:
    """The first instant after the bucket that begins at `start`."""
    step = _STEPS.get(width)
    if step:
        return start + step
    return start_of(width, start + (32 if width == "month" else 367) * _STEPS["day"])


def add_into(cell: Cell, other: Cell, sign: int = 1) -> None:
    """Add `other` (or take it away) counter by counter; counters that become zero go."""
    for code, amount in other.items():
        total = cell.get(code, 0) + sign * amount
        if total:
            cell[code] = total
        else:
            cell.pop(code, None)


def widened(cell: Cell, narrow_start: int, wide_start: int) -> Cell:
    """The same counts as seen from a wider bucket's start: only offsets differ."""
    shift = narrow_start - wide_start
    if not shift:
        return dict(cell)
    wide = dict(cell)
    for offset, count in OFFSETS.items():
        amount = cell.get(count)
        if amount:
            total = wide.get(offset, 0) + amount * shift
            if total:
                wide[offset] = total
            else:
                wide.pop(offset, None)
    return wide


_LEAST, _MOST = -(1 << 63), (1 << 64) - 1
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Cell).decode
_decode_wide = msgspec.msgpack.Decoder(dict[int | str, int | str]).decode


def encode_cell(cell: Cell) -> bytes:
    """A cell as stores keep it. Counters have no bound: the offsets of a year's executions alone pass 64 bits at
    some hundred thousand, and those that do stand as decimal text."""
    try:
        return _encode(cell)
    except OverflowError:
        return _encode({code: n if _LEAST <= n <= _MOST else str(n) for code, n in cell.items()})


def decode_cell(body: bytes) -> Cell:
    """What `encode_cell` was given. Raises: msgspec.DecodeError."""
    try:
        return _decode(body)
    except msgspec.ValidationError:
        return {code: int(n) for code, n in _decode_wide(body).items()}
