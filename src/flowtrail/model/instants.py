"""Instants and durations as text: RFC 3339 in and out, integer microseconds since the epoch inside.

This is the exact reading that every other one is held to; `intake` has a faster one for whole batches.
"""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from flowtrail.model.errors import Refusal
from flowtrail.model.limits import NEWEST_INSTANT_US, OLDEST_INSTANT_US

ALLOWED_INSTANT: Final = (
    "RFC 3339 with an offset, such as 2026-11-23T10:00:00.000120Z, or integer microseconds since 1970;"
    " from 2000 to before 2200"
)
ALLOWED_DURATION: Final = "a number with a unit: us, ms, s, m, h, d or w, such as 250ms, 1.5h or 1h30m"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 -- its text has no offset, which is written as Z
_MICROSECOND: Final = timedelta(microseconds=1)

_RFC3339: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?)([Zz]|[+-][0-9]{2}:[0-9]{2})?",
)
_MIDNIGHT: Final = "24:"
"""The next day's midnight in ISO 8601, and so to Python from 3.14 on; RFC 3339 knows no such hour."""
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# What an integer would be if it were in another unit, by how many of them make a microsecond.
_OTHER_UNITS: Final = (("seconds", 1_000_000, 1), ("milliseconds", 1_000, 1), ("nanoseconds", 1, 1_000))

_UNITS: Final = {
    "us": 1,
    "µs": 1,
    "μs": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "min": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 604_800_000_000,
}
_PART: Final = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,18})?)(us|µs|μs|ms|min|s|m|h|d|w)")
_LONGEST_US: Final = NEWEST_INSTANT_US - OLDEST_INSTANT_US


def format_instant(us: int) -> str:
    """An instant as RFC 3339 in UTC, always with six digits and Z, so that texts sort like instants."""
    return (_NAIVE_EPOCH + timedelta(microseconds=us)).isoformat(timespec="microseconds") + "Z"


def parse_instant(value: Any, field: str | None) -> int:
    """Microseconds since the epoch, of RFC 3339 text with an offset or of an integer that is this already.

    Digits beyond the sixth are dropped, never rounded up: an instant does not move past another one. `field` is
    what a refusal names. Raises: Refusal (`naive_instant`, `invalid_instant`, `instant_out_of_range`, `wrong_type`).
    """
    if isinstance(value, str):
        return _parse_text(value, field)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refusal("wrong_type", "an instant is text or an integer", field, value, ALLOWED_INSTANT)
    if OLDEST_INSTANT_US <= value < NEWEST_INSTANT_US:
        return value
    raise Refusal("instant_out_of_range", _absurd(value), field, value, ALLOWED_INSTANT)


def _absurd(value: int) -> str:
    for unit, factor, divisor in _OTHER_UNITS:
        if OLDEST_INSTANT_US <= value * factor // divisor < NEWEST_INSTANT_US:
            return f"the instant lies outside 2000 to 2200; it looks like {unit}, and must be microseconds"
    return "the instant lies outside 2000 to 2200"


def _parse_text(text: str, field: str | None) -> int:
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise Refusal("invalid_instant", _malformed(text), field, text, ALLOWED_INSTANT)
    date, time, offset = match.groups()
    if offset is None:
        raise Refusal(
            "naive_instant", "the instant has no offset; add Z if it is UTC", field, text, ALLOWED_INSTANT
        )
    us = None
    if not time.startswith(_MIDNIGHT):
        with suppress(ValueError, OverflowError):
            us = (datetime.fromisoformat(f"{date}T{time}{offset.upper()}") - _EPOCH) // _MICROSECOND
    if us is None:
        raise Refusal(
            "invalid_instant", "there is no such date, time or offset", field, text, ALLOWED_INSTANT
        )
    if OLDEST_INSTANT_US <= us < NEWEST_INSTANT_US:
        return us
    raise Refusal(
        "instant_out_of_range", "the instant lies outside 2000 to 2200", field, text, ALLOWED_INSTANT
    )


def _malformed(text: str) -> str:
    if text.isascii() and text.isdigit():
        return "an instant in microseconds is a number, without quotes"
    if _DATE.fullmatch(text):
        return "a date alone is not an instant; add a time with an offset"
    return "the text is not an RFC 3339 instant"


def parse_duration(text: str, field: str | None) -> int:
    """Microseconds of a duration such as `2s`, `1.5h`, `250ms`, `3d` or `1h30m`; parts of one are dropped.

    Raises: Refusal (`invalid_duration`), also for more than 200 years.
    """
    total, position = Decimal(0), 0
    while (match := _PART.match(text, position)) is not None:
        total += Decimal(match[1]) * _UNITS[match[2]]
        position = match.end()
    if position == 0 or position != len(text):
        raise Refusal("invalid_duration", "the text is not a duration", field, text, ALLOWED_DURATION)
    if total > _LONGEST_US:
        raise Refusal(
            "invalid_duration", "the duration is longer than 200 years", field, text, ALLOWED_DURATION
        )
    return int(total)
