"""Object-centric event logs as OCEL 2.0 JSON: every object is a transaction, every event one execution for each of its
objects, every relationship of objects a link.

As in `ocel_csv` an execution is queued at its object's previous event. The document is read twice, element by element:
first to learn of every object its type and its first event, then to say it all; events that are not in order of time
are sorted on disk. Of every object its type, its previous event and how often each activity ran are held, so memory
grows with the objects and not with the events.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any, Final

import msgspec

from flowtrail.intake.importers.carried import carried_statements
from flowtrail.intake.importers.elements import iter_elements
from flowtrail.intake.importers.files import ChunkReader, Source
from flowtrail.intake.importers.instants import instant_reader
from flowtrail.intake.importers.ocel2_shapes import Attribute, Event, Known, Object, Type
from flowtrail.intake.importers.ocel_words import ENDS, FAILED, singular, stage_of
from flowtrail.intake.importers.options import NAMING, OF_INSTANTS, ImportOptions
from flowtrail.intake.importers.outcomes import ending_activities, split_pairs
from flowtrail.intake.importers.problems import Problems, Unreadable, bounded
from flowtrail.intake.importers.sorting import Item, in_order
from flowtrail.intake.importers.statements import Announced, Ended, Executed, Linked, encode, execution_id
from flowtrail.model.exchange import STATEMENTS
from flowtrail.model.ids import derived_transaction_id
from flowtrail.model.limits import OLDEST_INSTANT_US
from flowtrail.model.statuses import RELATIONS
from flowtrail.storage.interface import DEFAULT_TENANT

FORMAT: Final = "ocel2"
USES: Final = NAMING | OF_INSTANTS | {"ends", "relation"}
MOST_RELATIONSHIPS: Final = 1_000
"""Qualifiers kept with an object; links have no such limit."""

_MEMBERS: Final = frozenset({"eventTypes", "objectTypes", "events", "objects", STATEMENTS})
_MARK: Final = STATEMENTS.encode()
_ALWAYS: Final = "1970-01-01"
"""How the instant begins that OCEL gives to first values."""
_decode_object: Final = msgspec.json.Decoder(Object).decode
_decode_event: Final = msgspec.json.Decoder(Event).decode
_decode_type: Final = msgspec.json.Decoder(Type).decode
"""Made once: each decodes thousands of elements."""


class _Way:
    """What is held of an object."""

    __slots__ = ("counts", "first", "instant", "kind", "last")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.first: int | None = None
        self.instant: int | None = None
        self.last = ""
        self.counts: dict[str, int] | None = None


class _Log:
    def __init__(self, source: Source, options: ImportOptions, problems: Problems) -> None:
        self.source = options.source or FORMAT
        self.flow, self.object_type = options.flow, options.object_type
        self.ends = ending_activities(options.ends) if options.ends else ENDS
        self.relations = dict(split_pairs(options.relation, "relation", RELATIONS))
        self.read_instant = instant_reader(options)
        self.known = Known(self.read_instant)
        self.problems, self.counts = problems, source.counts
        self.ways: dict[str, _Way] = {}
        self.first: int | None = None
        self.in_order = True
        self.events = 0

    # --- the first reading ---

    def learn(self, elements: Iterable[tuple[str, bytes]]) -> None:
        """Types, objects, and when each was first met. Raises: Unreadable (this is something else)."""
        first: dict[str, int] = {}
        latest = OLDEST_INSTANT_US
        strange, is_ours = "", False
        for member, element in elements:
            is_ours = is_ours or member in _MEMBERS
            strange = strange or ("" if member in _MEMBERS else member)
            try:
                if member in {"eventTypes", "objectTypes"}:
                    self.known.declare(member, _decoded(_decode_type, element, member))
                elif member == "objects":
                    told = _decoded(_decode_object, element, member)
                    if _MARK in element and _carried(told.attributes) is not None:
                        continue
                    if told.id in self.ways:
                        self.counts["objects told more than once"] += 1
                    self.ways[told.id] = _Way(told.type)
                elif member == "events":
                    event = _decoded(_decode_event, element, member)
                    if _MARK in element and _carried(event.attributes) is not None:
                        continue
                    instant = self.read_instant(str(event.time), "time")
                    self.in_order = self.in_order and instant >= latest
                    latest = max(instant, latest)
                    for each in event.relationships:
                        first[each.object_id] = min(instant, first.get(each.object_id, instant))
            except Unreadable:
                continue  # told when it is read again
        if strange and not is_ours:
            what = "OCEL 1.0" if strange.startswith("ocel:") else "no OCEL 2.0"
            raise Unreadable(None, f"this is {what}", strange, "an object with the arrays objects and events")
        self.first = min(first.values(), default=None)
        for name, instant in first.items():
            if name in self.ways:
                self.ways[name].first = instant

    # --- the second one ---

    def say(self, elements: Iterable[tuple[str, bytes]]) -> Iterator[tuple[int, bytes]]:
        """(number of the event, record) of everything."""
        if self.in_order:
            yield from self._said(elements)
            return
        self.counts["logs not in order of time, sorted"] += 1
        later: list[tuple[int, bytes]] = []
        for _, position, element in in_order(self._timed(elements, later)):
            yield from later
            later.clear()
            yield from self._guarded(position + 1, lambda: self._event(position, element))  # noqa: B023 -- called at once
        yield from later

    def _said(self, elements: Iterable[tuple[str, bytes]]) -> Iterator[tuple[int, bytes]]:
        for member, element in elements:
            if member == "events":
                position, self.events = self.events, self.events + 1
                yield from self._guarded(self.events, lambda: self._event(position, element))  # noqa: B023 -- called at once
            else:
                yield from self._other(member, element)

    def _timed(
        self, elements: Iterable[tuple[str, bytes]], others: list[tuple[int, bytes]]
    ) -> Iterator[Item]:
        """The events with their instants; what is not an event is said to `others`."""
        for member, element in elements:
            if member != "events":
                others.extend(self._other(member, element))
                continue
            position, self.events = self.events, self.events + 1
            try:
                instant = self.read_instant(str(_decoded(_decode_event, element, member).time), "time")
            except Unreadable as error:
                self.problems(error.at(self.events))
                continue
            yield instant, position, element

    def _other(self, member: str, element: bytes) -> Iterator[tuple[int, bytes]]:
        if member == "objects":
            yield from self._guarded(self.events, lambda: self._object(element))
        elif member == STATEMENTS:
            yield self.events, element.replace(b"\n", b" ").replace(b"\r", b" ")

    def _guarded(self, row: int, say: Callable[[], Iterator[bytes]]) -> Iterator[tuple[int, bytes]]:
        try:
            for line in say():
                yield row, line
        except Unreadable as error:
            self.problems(error.at(row or None))

    def _event(self, position: int, element: bytes) -> Iterator[bytes]:
        event = _decoded(_decode_event, element, "events")
        carried = _carried(event.attributes) if _MARK in element else None
        if carried is not None:
            yield from carried_statements(carried)
            return
        if not event.type:
            raise Unreadable("type", "the event has no type")
        instant = self.read_instant(str(event.time), "time")
        qualifiers: dict[str, list[str]] = {}
        for each in event.relationships:
            qualifiers.setdefault(each.object_id, []).append(each.qualifier)
        if not qualifiers:
            self.counts["events without objects, left out"] += 1
        facts = {
            each.name: value
            for each in event.attributes
            if (value := self.known.value("eventTypes", event.type, each)) is not None
        }
        unknown = [name for name in qualifiers if name not in self.ways]
        for name, told in qualifiers.items():
            if name in self.ways:
                details = {**facts, "ocel:event": event.id}
                if any(told):
                    details["ocel:qualifier"] = told[0] if len(told) == 1 else told
                yield encode(self._execution(position, event.type, instant, name, details))
        if unknown:
            allowed = "ids of the log's objects"
            raise Unreadable("objectId", "the log does not list this object", unknown[0], allowed)

    def _execution(
        self, position: int, activity: str, instant: int, name: str, details: dict[str, Any]
    ) -> Executed:
        way = self.ways[name]
        if way.counts is None:
            way.counts = {}
        attempt = way.counts[activity] = way.counts.get(activity, 0) + 1
        queued, way.instant, way.last = way.instant, instant, activity
        return Executed(
            self._id(name, way),
            execution_id(position),
            activity,
            "failed" if activity in FAILED else "succeeded",
            stage=stage_of(activity),
            attempt=attempt if attempt > 1 else None,
            queued_at=queued,
            started_at=instant,
            ended_at=instant,
            details=self._bounded(details, "details"),
        )

    def _object(self, element: bytes) -> Iterator[bytes]:
        told = _decoded(_decode_object, element, "objects")
        carried = _carried(told.attributes) if _MARK in element else None
        if carried is not None:
            yield from carried_statements(carried)
            return
        way = self.ways[told.id]
        changes = self._changes(told)
        opened = way.first if way.first is not None else min(filter(None, changes), default=self.first)
        if opened is None:
            self.counts["objects without any instant, left out"] += 1
            return
        key, kind = self._id(told.id, way), self._kind(way.kind)
        related = [{"object": each.object_id, "qualifier": each.qualifier} for each in told.relationships]
        if related:
            changes.setdefault(0, {})["ocel:relationships"] = related[:MOST_RELATIONSHIPS]
            if len(related) > MOST_RELATIONSHIPS:
                self.counts["qualifiers of relationships, left out"] += len(related) - MOST_RELATIONSHIPS
        # First values were there before any change of them.
        initial = min([opened, *filter(None, changes)])
        values = {initial: changes.pop(0, {})}
        for instant, changed in sorted(changes.items()):
            values.setdefault(instant, {}).update(changed)
        for instant, attributes in values.items():
            bounded = self._bounded(attributes, "attributes")
            created = opened if instant == initial else None
            yield encode(
                Announced(key, self.flow or kind, kind, told.id, instant, created, attributes=bounded)
            )
        yield from self._links(key, told)

    def _changes(self, told: Object) -> dict[int, dict[str, Any]]:
        """The object's values by the instant since when they are so, 0 for the first ones."""
        found: dict[int, dict[str, Any]] = {}
        for each in told.attributes:
            value = self.known.value("objectTypes", told.type, each)
            since = 0
            if each.time not in (None, 0) and not str(each.time).startswith(_ALWAYS):
                since = self.read_instant(str(each.time), f"{each.name}.time")
            if value is not None:
                found.setdefault(since, {})[each.name] = value
        return found

    def _links(self, key: str, told: Object) -> Iterator[bytes]:
        for each in told.relationships:
            other = self.ways.get(each.object_id)
            if other is None:
                self.counts["relationships to objects that the log does not list, left out"] += 1
                continue
            child = self._id(each.object_id, other)
            if child != key:
                relation = self.relations.get(each.qualifier) or _relation(each.qualifier)
                yield encode(Linked(key, child, relation))

    def _bounded(self, facts: dict[str, Any], what: str) -> dict[str, Any] | None:
        return bounded(facts, what, self.events or None, self.problems)

    def _kind(self, name: str) -> str:
        return self.object_type or singular(name)

    def _id(self, object_id: str, way: _Way) -> str:
        kind = self._kind(way.kind)
        return derived_transaction_id(
            DEFAULT_TENANT, self.source, object_id, self.flow or kind, kind, object_id
        ).hex()

    def endings(self) -> Iterator[tuple[int, bytes]]:
        """Only the end of the file tells which event of an object was its last."""
        for name, way in self.ways.items():
            outcome = self.ends.get(way.last)
            if outcome is not None and way.instant is not None:
                yield self.events, encode(Ended(self._id(name, way), outcome, way.instant))


def read(source: Source, options: ImportOptions, problems: Problems) -> Iterator[tuple[int, bytes]]:
    """(number of the event, record) of the whole log; ends come last. Raises: Refusal (an option that cannot be
    meant)."""
    log = _Log(source, options, problems)
    source.is_read_first = True
    try:
        again = _twice(source)
        log.learn(iter_elements(again()))
        yield from log.say(iter_elements(again()))
    except Unreadable as error:
        problems(error.at(None))
    yield from log.endings()


def _twice(source: Source) -> Callable[[], Iterable[bytes]]:
    """Gives the file's bytes from the beginning, twice; what is no file is kept in a file of its own."""
    if source.is_regular:
        source.readings = 2
        return source.chunks
    kept: IO[bytes] = tempfile.TemporaryFile(prefix="flowtrail-")  # noqa: SIM115 -- goes with the iterators
    shutil.copyfileobj(ChunkReader(source.chunks()), kept)

    def again() -> Iterator[bytes]:
        kept.seek(0)
        while chunk := kept.read(1 << 16):
            yield chunk

    return again


def _decoded(decode: Callable[[bytes], Any], element: bytes, member: str) -> Any:
    try:
        return decode(element)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(member, f"this is none of an OCEL log's {member}: {error}", element[:200]) from None


def _carried(attributes: list[Attribute]) -> str | None:
    return next((str(each.value) for each in attributes if each.name == STATEMENTS), None)


def _relation(qualifier: str) -> str:
    """A qualifier that is called like a relation of ours is that one; of any other we know that one comes from the
    other."""
    named = qualifier.strip().casefold()
    return named if named in RELATIONS else "derive"
