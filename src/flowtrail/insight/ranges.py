"""Any range of minutes as a few runs of cells: the widest that fit inside, and narrower ones at its edges.

A range of a month touches two cells of each width at most where it is not aligned, and one month where it is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from flowtrail.model.limits import NEWEST_INSTANT_US, OLDEST_INSTANT_US
from flowtrail.projection.cells import Width, end_of, start_of

MINUTE_US: Final = 60_000_000
_HOUR_US: Final = 3_600_000_000
_DAY_US: Final = 86_400_000_000
_WEEK_US: Final = 7 * _DAY_US
_FIRST_MONDAY: Final = 4 * _DAY_US
"""1970 began on a Thursday; weeks begin on Mondays."""

ALL_TIME: Final = (OLDEST_INSTANT_US, NEWEST_INSTANT_US)
"""No record speaks of an instant outside."""

MAX_BUCKETS: Final = 10_000
"""More points than any chart has pixels, and as much as one answer should carry."""
MAX_ENTRIES: Final = 100_000
"""Groups of all buckets together. Each costs 8 kB until it is told: by a key that every order has another of, a group
an order, they would take all the memory there is."""


_CALENDAR: Final[tuple[Width, ...]] = ("year", "month")


@dataclass(frozen=True, slots=True)
class Run:
    """Adjacent cells of one width: starts in [since, until)."""

    width: Width
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class Step:
    """The width of a bucket: so many microseconds, or one calendar month or year where `calendar` names it."""

    text: str
    us: int
    calendar: Width | None = None

    def start(self, instant: int) -> int:
        """Where the bucket that holds an instant begins: at multiples of the step since 1970, weeks on Mondays."""
        if self.calendar is not None:
            return start_of(self.calendar, instant)
        origin = _FIRST_MONDAY if self.us % _WEEK_US == 0 else 0
        return instant - (instant - origin) % self.us

    def end(self, start: int) -> int:
        """Where the bucket that begins there ends."""
        return start + self.us if self.calendar is None else end_of(self.calendar, start)


def minute_floor(instant: int) -> int:
    """The minute an instant lies in."""
    return instant - instant % MINUTE_US


def minute_ceiling(instant: int) -> int:
    """The first whole minute not before an instant."""
    return -(-instant // MINUTE_US) * MINUTE_US


def edges_of(since: int, until: int, step: Step | None) -> list[int] | None:
    """The edges of the buckets of [since, until), one more than there are buckets; the first and the last may be
    cut. Without a step one bucket. None: more than `MAX_BUCKETS`."""
    if since >= until:
        return [since, since]
    if step is None:
        return [since, until]
    edges = [since]
    edge = step.end(step.start(since))
    while edge < until:
        edges.append(edge)
        if len(edges) > MAX_BUCKETS:
            return None
        edge = step.end(edge)
    return [*edges, until]


def cover(since: int, until: int) -> list[Run]:
    """Runs that hold exactly the minutes of [since, until), the widest that fit.

    Raises: ValueError when an end is no whole minute.
    """
    if since % MINUTE_US or until % MINUTE_US:
        raise ValueError("ranges of cells begin and end with whole minutes")
    runs: list[Run] = []
    place = since
    while place < until:
        width = _widest(place, until)
        end = end_of(width, place)
        if runs and runs[-1].width == width and runs[-1].until == place:
            runs[-1] = Run(width, runs[-1].since, end)
        else:
            runs.append(Run(width, place, end))
        place = end
    return runs


def _widest(place: int, until: int) -> Width:
    # Multiples first: most buckets are hours, and asking the calendar costs ten times as much.
    if place % _HOUR_US or place + _HOUR_US > until:
        return "minute"
    if place % _DAY_US or place + _DAY_US > until:
        return "hour"
    for width in _CALENDAR:
        if start_of(width, place) == place and end_of(width, place) <= until:
            return width
    return "day"


def cover_buckets(edges: Sequence[int]) -> list[Run]:
    """Runs that hold exactly the minutes of the buckets; no cell of them lies in two buckets."""
    runs: list[Run] = []
    for since, until in pairwise(edges):
        runs.extend(cover(since, until))
    return _merged(runs)


def _merged(runs: Iterable[Run]) -> list[Run]:
    """Adjacent runs of one width read together."""
    by_width: dict[Width, list[Run]] = {}
    for run in runs:
        held = by_width.setdefault(run.width, [])
        if held and held[-1].until == run.since:
            held[-1] = Run(run.width, held[-1].since, run.until)
        else:
            held.append(run)
    return [run for held in by_width.values() for run in held]
