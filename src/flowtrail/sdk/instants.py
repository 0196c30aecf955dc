"""Instants and durations as hosts have them, in microseconds since the epoch."""

import datetime as dt
from typing import Any, Final

from flowtrail.model import clock
from flowtrail.model.clock import MICROS
from flowtrail.model.errors import Refusal
from flowtrail.model.instants import parse_instant
from flowtrail.model.limits import NEWEST_INSTANT_US, OLDEST_INSTANT_US
from flowtrail.sdk import marks
from flowtrail.sdk.notices import warn_once
from flowtrail.sdk.values import received

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)
_PER_UNIT: Final = ((MICROS, 1), (1_000, 1), (1, 1), (1, 1_000))
"""Seconds, milliseconds, microseconds, nanoseconds: from 2000 to 2200 no number means an instant in two of them."""


def to_us(value: Any, what: str) -> int | None:
    """Microseconds since the epoch of an instant, or None, said once, where it is none.

    Takes a `datetime` (without a time zone it is local time), RFC 3339 text, or a number in seconds, milliseconds,
    microseconds or nanoseconds since 1970, which its size tells apart.
    """
    try:
        found = _read(value)
    except Exception:  # noqa: BLE001 -- a time zone may be anyone's code
        found = None
    if found is not None and OLDEST_INSTANT_US <= found < NEWEST_INSTANT_US:
        return found
    marks.count(marks.INVALID)
    warn_once(
        f"instant: {what}", "%s is no instant from 2000 to 2200, and is left out: %s", what, received(value)
    )
    return None


def _read(value: Any) -> int | None:
    if isinstance(value, dt.datetime):
        return (value.astimezone(dt.UTC) - _EPOCH) // _MICROSECOND
    if type(value) is int or type(value) is float:
        for factor, divisor in _PER_UNIT:
            if OLDEST_INSTANT_US <= (us := int(value * factor) // divisor) < NEWEST_INSTANT_US:
                return us
    if type(value) is str:
        try:
            return parse_instant(value, None)
        except Refusal:
            return None
    return None


def to_deadline_us(value: Any) -> int | None:
    """As `to_us`; a `timedelta`, or a number of seconds below 20 years, counts from now."""
    seconds = value.total_seconds() if type(value) is dt.timedelta else value
    if type(seconds) in {int, float} and 0 <= seconds < _LONGEST_S:
        return clock.now_us() + int(seconds * MICROS)
    return to_us(value, "deadline")


_LONGEST_S: Final = 20 * 365 * 86_400
"""Above any deadline, below any instant since 2000 in seconds."""
