"""A clock that tests set: what is recorded while it runs bears its instants."""

from typing import Self

from flowtrail.model import clock
from flowtrail.model.clock import MICROS
from flowtrail.model.instants import format_instant, parse_instant

_START = "2026-11-23T10:00:00Z"
_WITHIN_MICROSECOND = 0.4
"""Added to whole microseconds, so that the way through a float of seconds and back ends in the same one."""


class FakeClock:
    """Stands in for the wall clock of everything Flowtrail records, from `install` or `with` until `restore`.

    It stands still until `advance` or `set` moves it. Time-outs and pauses go by the real time.
    """

    def __init__(self, at: str | int = _START) -> None:
        self._us = parse_instant(at, "at")
        self._real = (clock.now_s, clock.now_us)

    def install(self) -> Self:
        """From now on tell the time."""
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
        """Let time pass."""
        self._us += round(seconds * MICROS)

    def set(self, at: str | int) -> None:
        """Move to an instant: RFC 3339, or microseconds since the epoch."""
        self._us = parse_instant(at, "at")
