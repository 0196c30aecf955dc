"""The one door for time, so that everything above it can be replayed and simulated."""

import time
from collections.abc import Callable
from typing import Final

MICROS: Final = 1_000_000

Clock = Callable[[], int]
"""Returns the present instant as integer microseconds since the epoch, UTC."""


now_s = time.time
"""The wall clock in seconds, as one call in C: for the SDK, which asks twice per block on its host's thread. A float
tells a quarter of a microsecond apart, and costs a third less than an integer of nanoseconds."""


def now_us() -> int:
    """The wall clock in microseconds since the epoch; may step backwards when the machine's clock is set."""
    return time.time_ns() // 1_000


def monotonic_s() -> float:
    """Seconds since an arbitrary start; never steps backwards. For time-outs and budgets only."""
    return time.monotonic()


def sleep_s(seconds: float) -> None:
    """Block the calling thread."""
    time.sleep(seconds)
