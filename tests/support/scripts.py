"""A random script of a hostile server against a host in a process of its own: everything that must hold, checked."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from tests.support.ends import program
from tests.support.hostile import hostile, random_ways
from tests.support.hosts import Ran, is_counted_right, run

HOSTS = (
    "to the end",
    "sys.exit",
    "an exception nobody catches",
    "threads",
    "a thread that outlives main",
    "sys.exit in a thread",
    "hooks of its own that record",
    "asyncio",
    "Ctrl-C",
    "a fork that ends like a program",
    "daemon threads at work until the last moment",
)
MEMORY_MIB = 4
PEAK_KIB = 28 * 1024
"""What a host may hold more than without us: 4 MiB of records, an answer, and the modules that talk HTTP."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Figures of one script."""

    delay_s: float
    peak_kib: int
    accepted: int
    rejected: int
    dropped: int


@cache
def without_us(host: str) -> Ran:
    """The same host alone; what it shows follows from its program."""
    return run(program(host))


@cache
def modules_kib() -> int:
    """What a host holds that has us and says nothing."""
    with hostile(["good"]) as server:
        return int(run(program("nothing at all"), url=server.url).told[0]["peak_kib"])


def play(seed: int, also: Callable[[Ran], None] | None = None) -> Outcome:
    """Run one script; AssertionError names what did not hold."""
    rng = random.Random(seed)
    host, ways = rng.choice(HOSTS), random_ways(seed)
    with hostile(ways, seed) as server:
        ran = run(
            program(host),
            url=server.url,
            FLOWTRAIL_API_KEY="top-secret",
            FLOWTRAIL_MEMORY_MIB=str(MEMORY_MIB),
            FLOWTRAIL_OVERLOAD=rng.choice(["drop-newest", "drop-oldest"]),
            FLOWTRAIL_TIMEOUT_S=rng.choice(["0.2", "1", "10"]),
            FLOWTRAIL_BATCH_S=rng.choice(["0.001", "0.05", "0.2"]),
        )
        what = f"seed {seed}, {host!r}, {ways}: "
        assert ran.shown == without_us(host).shown, what + f"{ran.shown} instead of {without_us(host).shown}"
        assert ran.told, what + "nothing was told"
        assert server.elsewhere == [], what + "a redirect was followed"
        assert set(server.keys) <= {"Bearer top-secret"}, what + f"{server.keys}"
        accepted = rejected = dropped = 0
        for told in ran.told:
            lost = sum(told["dropped"].values())
            refused = sum(told["rejected"].values())
            assert told["produced"] == told["accepted"] + refused + lost + told["pending"], what + f"{told}"
            assert is_counted_right(told, 4 * ("daemon" in host)), what + f"{told}"
            assert told["pending"] == 0, what + f"{told}"
            assert told["tasks"] == max(told["threads"], 1), what + f"a thread is left: {told}"
            accepted += told["accepted"]
            rejected += refused
            dropped += lost
        assert accepted <= len(server.acknowledged), what + "more counted as accepted than was acknowledged"
        assert rejected <= len(server.refused), what + "more counted as rejected than was refused"
        peak = max(told["peak_kib"] for told in ran.told) - modules_kib()
        assert peak <= PEAK_KIB, what + f"{peak} KiB"
        if also is not None:
            also(ran)
    delay = max(told["delay_s"] or 0.0 for told in ran.told)
    return Outcome(delay, peak, accepted, rejected, dropped)
