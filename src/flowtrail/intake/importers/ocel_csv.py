"""Object-centric event logs as CSV (OCEL 1): every object is a transaction, every event one execution for each of its
objects.

An object's execution is queued at the object's previous event, so waits are the times between its events. Of every
object only its previous event is held, so memory grows with the objects and not with the events.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from flowtrail.intake.importers.files import Source
from flowtrail.intake.importers.instants import instant_reader
from flowtrail.intake.importers.ocel_words import ENDS, FAILED, singular, stage_of
from flowtrail.intake.importers.options import NAMING, OF_INSTANTS, OF_TABLES, ImportOptions
from flowtrail.intake.importers.outcomes import ending_activities
from flowtrail.intake.importers.problems import Problems, Unreadable, bounded
from flowtrail.intake.importers.statements import Announced, Ended, Executed, Linked, encode, execution_id
from flowtrail.intake.importers.tables import Table, is_broken, number_or_text
from flowtrail.model.ids import derived_transaction_id
from flowtrail.storage.interface import DEFAULT_TENANT

FORMAT: Final = "ocel-csv"
USES: Final = NAMING | OF_TABLES | OF_INSTANTS | {"ends"}
RELATIONS: Final = (("orders", "items", "split"), ("items", "packages", "merge"))
"""Objects of the first type that share an event with one of the second are its parents."""

_TYPE: Final = "ocel:type:"
_ACTIVITY: Final = "ocel:activity"
_TIMESTAMP: Final = "ocel:timestamp"
_IDS: Final = re.compile(r"\[\s*(?:'[^'\\]*'\s*,\s*)*'[^'\\]*'\s*\]")
_ID: Final = re.compile(r"'([^']*)'")


class _Way:
    """What is held of an object between its events."""

    __slots__ = ("counts", "id", "instant", "last")

    def __init__(self, id: str) -> None:
        self.id = id
        self.instant: int | None = None
        self.last = ""
        self.counts: dict[str, int] = {}


class _Log:
    def __init__(
        self, table: Table, options: ImportOptions, counts: Counter[str], problems: Problems
    ) -> None:
        self.counts, self.problems = counts, problems
        self.source = options.source or FORMAT
        self.flow = options.flow
        self.object_type = options.object_type
        self.ends = ending_activities(options.ends) if options.ends else ENDS
        self.read_instant = instant_reader(options)
        self.activity = table.column(_ACTIVITY, FORMAT)
        self.timestamp = table.column(_TIMESTAMP, FORMAT)
        self.types = {
            name.removeprefix(_TYPE): index for name, index in table.columns.items() if name.startswith(_TYPE)
        }
        self.facts = {name: index for name, index in table.columns.items() if not name.startswith("ocel:")}
        table.check_names()
        self.ways: dict[tuple[str, str], _Way] = {}

    def event(self, position: int, cells: list[str]) -> Iterator[bytes]:
        """What one event says of its objects. Raises: Unreadable, before it said anything."""
        activity = cells[self.activity].strip()
        if not activity:
            raise Unreadable(_ACTIVITY, "the activity is missing")
        instant = self.read_instant(cells[self.timestamp].strip(), _TIMESTAMP)
        objects = {name: ids for name, index in self.types.items() if (ids := _ids(cells[index], name))}
        if not objects:
            self.counts["events without objects, left out"] += 1
        details = {
            name: number_or_text(text) for name, index in self.facts.items() if (text := cells[index].strip())
        }
        told = bounded(details, "details", position + 1, self.problems)
        for name, ids in objects.items():
            for object_id in ids:
                yield from self._execution(position, activity, instant, (name, object_id), objects, told)
        for parents, children, relation in RELATIONS:
            for parent in objects.get(parents, ()):
                for child in objects.get(children, ()):
                    yield encode(
                        Linked(self.ways[parents, parent].id, self.ways[children, child].id, relation)
                    )

    def _execution(
        self,
        position: int,
        activity: str,
        instant: int,
        known_as: tuple[str, str],
        objects: dict[str, list[str]],
        details: dict[str, Any] | None,
    ) -> Iterator[bytes]:
        way = self.ways.get(known_as)
        if way is None:
            way = self.ways[known_as] = _Way(self._id(*known_as))
            yield encode(self._announced(way, *known_as, instant, objects))
        attempt = way.counts[activity] = way.counts.get(activity, 0) + 1
        yield encode(
            Executed(
                way.id,
                execution_id(position),
                activity,
                "failed" if activity in FAILED else "succeeded",
                stage=stage_of(activity),
                attempt=attempt if attempt > 1 else None,
                queued_at=way.instant,
                started_at=instant,
                ended_at=instant,
                details=details,
            )
        )
        way.instant, way.last = instant, activity

    def _id(self, name: str, object_id: str) -> str:
        kind = self.object_type or singular(name)
        flow = self.flow or kind
        return derived_transaction_id(DEFAULT_TENANT, self.source, object_id, flow, kind, object_id).hex()

    def _announced(
        self, way: _Way, name: str, object_id: str, instant: int, objects: dict[str, list[str]]
    ) -> Announced:
        """An object at its first event; what it was split from is a key, to find it by."""
        kind = self.object_type or singular(name)
        keys = {
            singular(parents): objects[parents][0]
            for parents, children, relation in RELATIONS
            if children == name and relation == "split" and len(objects.get(parents, ())) == 1
        }
        return Announced(way.id, self.flow or kind, kind, object_id, created_at=instant, keys=keys or None)

    def endings(self) -> Iterator[bytes]:
        """Only the end of the file tells which event of an object was its last."""
        for way in self.ways.values():
            outcome = self.ends.get(way.last)
            if outcome is not None and way.instant is not None:
                yield encode(Ended(way.id, outcome, way.instant))


def read(source: Source, options: ImportOptions, problems: Problems) -> Iterator[tuple[int, bytes]]:
    """(row, record) of the whole log; ends come last, as of the last row. Raises: Refusal (columns are missing)."""
    table = Table(source, options, problems)
    if not table.is_read:
        return
    log = _Log(table, options, source.counts, problems)
    row = 0
    for row, cells in table:
        try:
            for line in log.event(row - 1, cells):
                yield row, line
        except Unreadable as error:
            problems(error.at(row))
    for line in log.endings():
        yield row, line


def _ids(text: str, field: str) -> list[str]:
    """The ids of a Python-style list, each once, in order."""
    text = text.strip()
    if not text or text in {"[]", "nan"}:
        return []
    if _IDS.fullmatch(text):
        found = _ID.findall(text)
    else:
        try:
            listed = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            listed = None
        if not isinstance(listed, list) or any(is_broken(str(each)) for each in listed):
            raise Unreadable(
                _TYPE + field, "this is no list of ids", text, "such as \"['990001', '990002']\""
            )
        found = [str(each) for each in listed]
    return list(dict.fromkeys(found))
