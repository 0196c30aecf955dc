"""Instants, dates and durations inside a query: what range a value stands for.

A date stands for its whole day, a month or a year for all of it; an instant is a point. A range runs from where its
first end begins to where its last one ends; a point that ends a range is not part of it, so ranges of instants
meet without sharing anything. `-2h` is two hours before now.
"""

import re
from calendar import isleap, monthrange
from datetime import UTC, datetime
from typing import Final

from flowtrail.model.errors import Refusal
from flowtrail.model.instants import parse_duration, parse_instant
from flowtrail.query.terms import invalid

Bounds = tuple[int | None, int | None]

_DATE: Final = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?")
_FORMATS: Final = {4: "%Y", 7: "%Y-%m", 10: "%Y-%m-%d"}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_US: Final = 86_400_000_000
_OPERATOR: Final = re.compile(r">=|<=|>|<|")

ALLOWED_SPAN: Final = (
    "a date such as 2026-11-01, an instant such as 2026-11-01T10:00:00Z, -2h for two hours ago;"
    " alone, behind >, >=, < or <=, or FROM..TO with either end open"
)
ALLOWED_DURATION: Final = "a duration such as 2s, 1.5h or 250ms behind >, >=, < or <=, or FROM..TO"


def read_span(text: str, column: int, now: int) -> Bounds:
    """The half-open range [since, until) in microseconds; None is open. Raises: Refusal (`invalid_query`)."""
    if ".." in text:
        first, _, last = text.partition("..")
        since = _extent(first, column, now)[0] if first else None
        until = _range_end(last, column + len(first) + 2, now) if last else None
        if since is not None and since == until and _DATE.fullmatch(last):
            # A date holds something, so only one that comes before the beginning can end where that is.
            raise _reversed(text, column)
        return _ordered(since, until, text, column)
    operator, place = _operator(text)
    start, end = _extent(text[place:], column + place, now)
    return {"": (start, end), ">": (end, None), ">=": (start, None), "<": (None, start), "<=": (None, end)}[
        operator
    ]


def read_durations(text: str, column: int) -> Bounds:
    """The least and the most microseconds, both included; None is open. Raises: Refusal (`invalid_query`)."""
    if ".." in text:
        first, _, last = text.partition("..")
        least = _duration(first, column) if first else None
        most = _duration(last, column + len(first) + 2) if last else None
        return _ordered(least, most, text, column)
    operator, place = _operator(text)
    if not operator:
        raise invalid(column, "a duration alone is hardly ever met", text, ALLOWED_DURATION)
    value = _duration(text[place:], column + place)
    return {
        ">": (value + 1, None),
        ">=": (value, None),
        "<": (None, value - 1),
        "<=": (None, value),
    }[operator]


def _operator(text: str) -> tuple[str, int]:
    found = _OPERATOR.match(text)
    assert found is not None
    return found[0], found.end()


def _ordered(since: int | None, until: int | None, text: str, column: int) -> Bounds:
    if since is not None and until is not None and since > until:
        raise _reversed(text, column)
    return since, until


def _reversed(text: str, column: int) -> Refusal:
    return invalid(column, "the range ends before it begins", text)


def _range_end(text: str, column: int, now: int) -> int:
    start, end = _extent(text, column, now)
    return end if _DATE.fullmatch(text) else start


def _extent(text: str, column: int, now: int) -> tuple[int, int]:
    """Where what the text names begins, and the first instant after it."""
    if _DATE.fullmatch(text):
        try:
            moment = datetime.strptime(text, _FORMATS[len(text)]).replace(tzinfo=UTC)
        except ValueError:
            raise invalid(column, "there is no such date", text, ALLOWED_SPAN) from None
        start = round((moment - _EPOCH).total_seconds()) * 1_000_000
        return start, start + _days(moment, len(text)) * _DAY_US
    try:
        instant = now - parse_duration(text[1:], "q") if text.startswith("-") else parse_instant(text, "q")
    except Refusal as refusal:
        raise invalid(column, refusal.message, text, ALLOWED_SPAN) from None
    return instant, instant + 1


def _days(first: datetime, digits: int) -> int:
    """How many days a date of so many characters stands for. Its end may be no date any more: 9999 is a year too."""
    if digits == 10:
        return 1
    return 365 + isleap(first.year) if digits == 4 else monthrange(first.year, first.month)[1]


def _duration(text: str, column: int) -> int:
    try:
        return parse_duration(text, "q")
    except Refusal as refusal:
        raise invalid(column, refusal.message, text, ALLOWED_DURATION) from None
