"""Instants as foreign logs write them, as microseconds since the epoch."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flowtrail.intake.importers.options import ImportOptions
from flowtrail.intake.importers.problems import Unreadable
from flowtrail.model.errors import Refusal
from flowtrail.model.limits import NEWEST_INSTANT_US, OLDEST_INSTANT_US

_UNITS: Final = {"s": Decimal(1_000_000), "ms": Decimal(1_000), "us": Decimal(1), "ns": Decimal("0.001")}
_DIGITS: Final = 20
"""More than any instant has in microseconds."""
_DIRECTIVE: Final = re.compile(r"%(.?)", re.DOTALL)
_DIRECTIVES: Final = frozenset("aAbBcdfGHIjmMpSuUVwWxXyYz%")
"""Those of `strptime`, which takes the others for a text that does not match; but for %Z, which reads a zone's name
and passes it over."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_ALLOWED: Final = "an instant between 2000 and 2200"

ReadInstant = Callable[[str, str], int]
"""(text, field) -> microseconds since the epoch. Raises: Unreadable."""


def instant_reader(options: ImportOptions) -> ReadInstant:
    """How this log's instants are read. Raises: Refusal (an unknown zone or unit)."""
    if options.time_unit is not None:
        return _numbers(options.time_unit)
    zone = _zone(options.timezone)
    pattern = options.time_format
    if pattern is not None:
        _check_pattern(pattern)

    def read(text: str, field: str) -> int:
        try:
            moment = datetime.strptime(text, pattern) if pattern else datetime.fromisoformat(text)  # noqa: DTZ007 -- the zone is asked for below
        except ValueError:
            allowed = f"instants as {pattern}" if pattern else "ISO 8601, such as 2026-11-23T10:00:00Z"
            hint = "" if pattern or not text.lstrip("-").isdigit() else "; for numbers say --time-unit"
            raise Unreadable(field, f"this is no instant{hint}", text, allowed) from None
        if moment.tzinfo is None:
            if zone is None:
                raise Unreadable(
                    field,
                    "the instant has no offset; say --timezone, such as --timezone UTC",
                    text,
                    "an offset",
                )
            moment = moment.replace(tzinfo=zone)
        return _within((moment - _EPOCH) // _MICROSECOND, text, field)

    return read


def _check_pattern(pattern: str) -> None:
    """Raises: Refusal (a directive that stands twice, or is none)."""
    for found in _DIRECTIVE.findall(pattern):
        if found == "Z":
            raise Refusal(
                "invalid_option",
                f"no instant can be read as {pattern!r}: %Z reads the name of a zone, but not which it is;"
                " write the name as it stands, and say --timezone",
                "time_format",
                pattern,
            )
        if found not in _DIRECTIVES:
            raise Refusal(
                "invalid_option",
                f"no instant can be read as {pattern!r}: there is no directive {f'%{found}'!r};"
                " allowed: such as %d.%m.%Y %H:%M:%S",
                "time_format",
                pattern,
            )
    try:
        datetime.strptime("", pattern)  # noqa: DTZ007 -- only to see whether it can be asked
    except re.error:  # strptime makes a regular expression of it, and lets its errors through
        raise Refusal(
            "invalid_option",
            f"no instant can be read as {pattern!r}: a directive stands in it twice",
            "time_format",
            pattern,
        ) from None
    except ValueError:
        pass  # as every text but the right one


def _numbers(unit: str) -> ReadInstant:
    if unit not in _UNITS:
        raise Refusal(
            "invalid_option", f"there is no time unit {unit!r}; allowed: s, ms, us, ns", "time_unit", unit
        )
    factor = _UNITS[unit]

    def read(text: str, field: str) -> int:
        try:
            number = Decimal(text) * factor
            # One as 1e999990 would be written out, which takes half a minute.
            return _within(int(number) if number.adjusted() < _DIGITS else NEWEST_INSTANT_US, text, field)
        except (ArithmeticError, ValueError):
            raise Unreadable(field, "this is no number", text, f"a number of {unit} since 1970") from None

    return read


def _within(instant: int, text: str, field: str) -> int:
    if not OLDEST_INSTANT_US <= instant < NEWEST_INSTANT_US:
        raise Unreadable(field, "the instant lies out of range", text, _ALLOWED)
    return instant


def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    try:
        return UTC if name.upper() in {"UTC", "Z"} else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise Refusal(
            "invalid_option",
            f"there is no time zone {name!r}; allowed: a name such as Europe/Berlin",
            "timezone",
            name,
        ) from error
