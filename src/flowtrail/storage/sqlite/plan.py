"""The cheapest way through a list: which part of which index to read, and what is left to ask of each candidate."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isqrt
from typing import Final

from flowtrail.model.conditions import AllOf, AnyOf, Between, BlockHas, Condition, IsLate, IsStuck, KeyStarts
from flowtrail.storage.cohorts import cohorts_of
from flowtrail.storage.interface import Selection
from flowtrail.storage.sqlite.compile import EVERY, Compiler, Sql, both, shortest_patience
from flowtrail.storage.sqlite.names import Cohort
from flowtrail.storage.sqlite.slices import Key, Way
from flowtrail.storage.sqlite.sources import MAX_MERGED, Cohorts, Opened, Range, Source, sources_of
from flowtrail.storage.sqlite.spans import Spans

SMALL: Final = 20
"""Candidates are fetched and sorted as a set when their number squared is below so many times all transactions: from
there on it is cheaper to walk another order and ask each (measured: 8 µs a member, 3 µs a candidate, pages of 50)."""
SMALL_WITHOUT_ORDER: Final = 320
"""The same where asking means joining a state."""
LARGEST_SET: Final = 8_000
PROBE: Final = 256
"""Entries of an index by which the densities of two are compared: the one that reaches further back is sparser."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a tenant has, as far as a plan depends on it."""

    connection: sqlite3.Connection
    tenant: int
    cohorts: Mapping[int, Cohort]
    totals: Mapping[int, int]
    spans: Spans


@dataclass(frozen=True, slots=True)
class _Offer:
    """Sources, and the conditions that are answered by being in them."""

    sources: Sequence[Source]
    answered: Sequence[Condition]

    @property
    def mergeable(self) -> bool:
        return (
            all(source.ordered for source in self.sources)
            and sum(len(source.ranges()) for source in self.sources) <= MAX_MERGED
        )


def plan(scene: Scene, selection: Selection, pinned: int | None, *, after: Key | None) -> Way:
    """The way to take from `after` on. Every page may take another: they all lead through the same list."""
    return _Planner(scene, selection, pinned).best(after)


def covering(scene: Scene, selection: Selection) -> Sequence[Way]:
    """Ways that together lead through every transaction of the opened range, cohort by cohort, where all that is asked
    stands in the index of cohorts; else none. For who counts: asking 100,000 rows for their duration took 60 ms."""
    return _Planner(scene, selection, None).covering()


class _Planner:
    def __init__(self, scene: Scene, selection: Selection, pinned: int | None) -> None:
        if selection.sort == "ended":
            ended = {
                number: cohort for number, cohort in scene.cohorts.items() if cohort.status != "in_transit"
            }
            scene = replace(scene, cohorts=ended)
        self._scene = scene
        self._selection = selection
        self._pinned = pinned
        self._opened, self._within, self._parts = _bounds(selection, scene.spans)

    def best(self, after: Key | None) -> Way:
        offers = list(self._offers())
        if self._selection.sort != "opened":
            return self._smallest_set(offers, SMALL) or self._way(_Offer((), ()), whole=False)
        ordered = [self._way(offer, whole=False) for offer in offers if offer.mergeable]
        probed = sorted(((self._density(way, after), way) for way in ordered), key=lambda entry: entry[0])
        if probed and probed[0][0][0] == 0:
            return probed[0][1]
        for way in ordered:
            if way.rest.exact and way.rest.text == EVERY.text:
                return way
        unordered = [offer for offer in offers if not offer.mergeable]
        return self._smallest_set(unordered, SMALL_WITHOUT_ORDER) or probed[0][1]

    def covering(self) -> list[Way]:
        found = []
        for number, total in self._scene.totals.items():
            way = self._way(_Offer([Cohorts((number,), total)], ()), whole=False)
            if way.rest.reads_row or not way.rest.exact:
                return []
            found.append(way)
        return found

    def _offers(self) -> Iterator[_Offer]:
        scene = self._scene
        counted = [part for part in self._parts if cohorts_of(part, scene.cohorts) is not None]
        for part in self._parts:
            found = None if part in counted else sources_of(part, scene.tenant, scene.cohorts, scene.totals)
            if found is not None:
                yield _Offer(found, (part,) if _says_all(part) else ())
        if counted:
            cohorts = sources_of(AllOf(tuple(counted)), scene.tenant, scene.cohorts, scene.totals)
            yield _Offer(cohorts or (), counted)
        yield _Offer((Opened(scene.tenant),), ())

    def _density(self, way: Way, after: Key | None) -> tuple[int, int]:
        """Less is sparser: (0, how many are left), or (1, how far back so many reach)."""
        if way.empty:
            return (0, 0)
        part = way.slice(after, PROBE)
        count, instant = self._scene.connection.execute(
            f"SELECT count(*), min(instant) FROM ({part.text})", part.values
        ).fetchone()
        return (0, count) if count < PROBE else (1, instant)

    def _smallest_set(self, offers: Sequence[_Offer], factor: int) -> Way | None:
        most = min(LARGEST_SET, isqrt(factor * sum(self._scene.totals.values())))
        smallest: tuple[int, _Offer] | None = None
        for offer in offers:
            size = 0
            for source in offer.sources:
                size += source.size(self._scene.connection, self._opened, most)
                if size > most:
                    break
            if size <= most and (smallest is None or size < smallest[0]):
                smallest = (size, offer)
        return None if smallest is None else self._way(smallest[1], whole=True)

    def _way(self, offer: _Offer, *, whole: bool) -> Way:
        scene, sort = self._scene, self._selection.sort
        in_order = sort == "opened" and not whole
        covered = (
            in_order and bool(offer.sources) and all(isinstance(each, Cohorts) for each in offer.sources)
        )
        compiler = Compiler(
            scene.tenant, scene.cohorts, self._selection.moment, in_order=in_order, covered=covered
        )
        rest = compiler.sql(AllOf(tuple(part for part in self._parts if part not in offer.answered)))
        if sort != "opened":
            if not self._opened.open:
                rest = both(
                    rest, Sql("t.opened >= ? AND t.opened < ?", (self._opened.since, self._opened.until))
                )
            if self._pinned is not None:
                rest = both(rest, Sql("t.revision <= ?", (self._pinned,)))
        within = self._opened if sort == "opened" else self._within
        return Way(scene.tenant, sort, offer.sources, within, self._opened, rest, whole, covered)


def _bounds(selection: Selection, spans: Spans) -> tuple[Range, Range, list[Condition]]:
    """The range of opened instants, the range of the sort's, and the conditions that are left.

    Who ended or was updated in a range was opened in one, a span before it; and the other way round.
    """
    condition = selection.condition
    opened = Range().narrowed(selection.since, selection.until)
    within = Range()
    kept: list[Condition] = []
    for part in condition.parts if isinstance(condition, AllOf) else (condition,):
        if isinstance(part, Between) and part.instant == "opened":
            opened = opened.narrowed(part.since, part.until)
            continue
        if isinstance(part, Between):
            opened = opened.narrowed(*spans.opened_of(part.instant, part.since, part.until))
            if part.instant == selection.sort:
                within = within.narrowed(part.since, part.until)
                continue
        if isinstance(part, IsStuck):
            until = selection.moment.now - shortest_patience(selection.moment)
            opened = opened.narrowed(*spans.opened_of("updated", None, until))
        kept.append(part)
    if selection.sort != "opened" and not opened.open:
        within = within.narrowed(*spans.instant_of(selection.sort, opened.since, opened.until))
    return opened, within, kept


def _says_all(part: Condition) -> bool:
    """Whether being in its sources is all the part asks for."""
    if isinstance(part, AnyOf):
        return all(_says_all(inner) for inner in part.parts)
    if isinstance(part, BlockHas):
        return part.since is None and part.until is None
    return not isinstance(part, AllOf | IsLate | IsStuck | KeyStarts)
