"""A clock that tests set: what is recorded while it runs bears its instants."""

from numbers import Real
from typing import Any, Final, Self

from flowtrail.model import clock
from flowtrail.model.clock import MICROS
from flowtrail.model.errors import Refusal
from flowtrail.model.instants import format_instant, parse_instant
from flowtrail.model.limits import NEWEST_INSTANT_US
from flowtrail.sdk.values import received

_START = "2026-11-23T10:00:00Z"
_WITHIN_MICROSECOND = 0.4
"""Added to whole microseconds, so that the way through a float of seconds and back ends in the same one."""
_ALLOWED: Final = "a number of seconds from 0 on, to an instant before 2200"


def later(us: int, seconds: Any, field: str) -> int:
    """The instant that many seconds later, in microseconds. Raises: Refusal (`wrong_type`, `out_of_range`), whose
    message names the argument, what came and what is allowed: a test shows nothing else of it."""
    # A boolean is a number to Python, and hardly a time to a test.
    is_number = not isinstance(seconds, bool) and isinstance(seconds, Real)
    # Not a number is neither above nor below anything.
    if is_number and 0 <= seconds < (NEWEST_INSTANT_US - us) / MICROS:
        return us + round(float(seconds) * MICROS)
    code = "out_of_range" if is_number else "wrong_type"
    came = received(seconds)
    raise Refusal(code, f"{field} cannot be {came}; allowed: {_ALLOWED}", field, came, _ALLOWED)


class FakeClock:
    """Stands in for the wall clock of everything Flowtrail records, from `install` or `with` until `restore`.

    It stands still until `advance` or `set` moves it. Time-outs and pauses go by the real time.
    """

    def __init__(self, at: str | int = _START) -> None:
        self._us = parse_instant(at, "at")
        self._real = (clock.now_s, clock.now_us)

    def install(self) -> Self:
        """From now on tell the time. What tells it already, as a fixture's clock in a `with`, goes on."""
        if clock.now_us == self.now_us:
            return self
        self._real = (clock.now_s, clock.now_us)
        clock.now_s, clock.now_us = self.now_s, self.now_us
        return self

    def restore(self) -> None:
        """From now on the wall clock tells the time."""
        clock.now_s, clock.now_us = self._real

    def __enter__(self) -> Self:
        return self.install()

    def __exit__(self, *raised: object) -> None:
        self.restore()

    def now_us(self) -> int:
        """The present instant in microseconds since the epoch."""
        return self._us

    def now_s(self) -> float:
        """The present instant in seconds since the epoch."""
        return (self._us + _WITHIN_MICROSECOND) / MICROS

    @property
    def now(self) -> str:
        """The present instant as answers show it."""
        return format_instant(self._us)

    def advance(self, seconds: float) -> None:
        """Let time pass: `seconds` from 0 on; `set` moves back. Raises: Refusal."""
        self._us = later(self._us, seconds, "seconds")

    def set(self, at: str | int) -> None:
        """Move to an instant, also back: RFC 3339, or microseconds since the epoch."""
        self._us = parse_instant(at, "at")
