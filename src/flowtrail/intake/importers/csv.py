"""Any event log as CSV: columns are named by options, or found by the names that logs usually give them.

A case is a transaction, a row one execution. A case opens at the earliest instant known of it, wherever in the file
that stands; nothing needs to be sorted. Of every case its id, what was last told of it, column by column, and its last
event are held.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from flowtrail.intake.importers.files import Source
from flowtrail.intake.importers.instants import instant_reader
from flowtrail.intake.importers.latest import Latest
from flowtrail.intake.importers.options import NAMING, OF_INSTANTS, OF_TABLES, ImportOptions
from flowtrail.intake.importers.outcomes import StatusWords, ending_activities
from flowtrail.intake.importers.problems import Problems, Unreadable
from flowtrail.intake.importers.statements import Announced, Ended, Executed, encode, execution_id
from flowtrail.intake.importers.tables import Table, number_or_text
from flowtrail.model.ids import derived_transaction_id
from flowtrail.storage.interface import DEFAULT_TENANT

FORMAT: Final = "csv"
USES: Final = (
    NAMING
    | OF_TABLES
    | OF_INSTANTS
    | {
        "case",
        "activity",
        "start",
        "end",
        "queued",
        "status",
        "status_word",
        "attribute",
        "detail",
        "key",
        "ends",
    }
)

USUAL: Final = {
    "case": ("case:concept:name", "case", "case_id", "caseid", "case id", "trace"),
    "activity": ("concept:name", "activity", "event", "task", "step"),
    "start": ("start_timestamp", "start", "started_at", "start_time", "time:timestamp", "timestamp", "time"),
    "end": ("end_timestamp", "end", "ended_at", "end_time", "complete_timestamp"),
    "status": ("status",),
}
"""Names of columns by what they hold, as process-mining tools write them; the first that is there is taken."""


class _Case:
    __slots__ = ("counts", "id", "last", "latest")

    def __init__(self, id: str) -> None:
        self.id = id
        self.latest: Latest | None = None
        """None until it was announced."""
        self.last: tuple[int, int, str] | None = None
        self.counts: dict[str, int] = {}


class _Mapping:
    """Where in a row what stands."""

    def __init__(self, table: Table, options: ImportOptions) -> None:
        self.names: dict[str, str] = {}
        self.case = self._found(table, "case", options.case)
        self.activity = self._found(table, "activity", options.activity)
        self.start = self._maybe(table, "start", options.start)
        self.end = self._maybe(table, "end", options.end)
        if self.start is None and self.end is None:
            self._found(table, "start", None)
        self.status = self._maybe(table, "status", options.status)
        self.queued = None if options.queued is None else self._found(table, "queued", options.queued)
        self.attributes = {name: table.column(name, "--attribute") for name in options.attribute}
        self.details = {name: table.column(name, "--detail") for name in options.detail}
        self.keys = {name: table.column(name, "--key") for name in options.key}

    def _maybe(self, table: Table, what: str, wanted: str | None) -> int | None:
        if wanted is not None:
            self.names[what] = wanted
            return table.column(wanted, f"--{what}")
        by_name = {name.casefold(): name for name in table.columns}
        for usual in USUAL.get(what, ()):
            if usual in by_name:
                self.names[what] = by_name[usual]
                return table.columns[by_name[usual]]
        return None

    def _found(self, table: Table, what: str, wanted: str | None) -> int:
        found = self._maybe(table, what, wanted)
        if found is None:
            raise table.missing(f"say which column is the {what}: --{what} COLUMN", what)
        return found


class _Log:
    def __init__(self, table: Table, options: ImportOptions) -> None:
        self.mapping = _Mapping(table, options)
        self.source = options.source or FORMAT
        self.flow = options.flow or FORMAT
        self.object_type = options.object_type or "case"
        self.ends = ending_activities(options.ends)
        self.words = StatusWords(options.status_word)
        self.read_instant = instant_reader(options)
        self.cases: dict[str, _Case] = {}
        self.told = (*self.mapping.keys.values(), *self.mapping.attributes.values())
        """Where in a row stands what is told about the object."""

    def event(self, position: int, cells: list[str]) -> Iterator[bytes]:
        """What one row says. Raises: Unreadable, before it said anything."""
        mapping = self.mapping
        name, activity = (
            self._text("case", mapping.case, cells),
            self._text("activity", mapping.activity, cells),
        )
        started, ended = (
            self._instant("start", mapping.start, cells),
            self._instant("end", mapping.end, cells),
        )
        queued = self._instant("queued", mapping.queued, cells)
        if started is None and ended is None and queued is None:
            raise Unreadable(mapping.names.get("start", mapping.names.get("end")), "the row has no instant")
        if mapping.end is None:
            ended = started
        word = "" if mapping.status is None else cells[mapping.status].strip()
        status = self._status(word, started, ended)
        queued, started, ended = _as_it_stands(status, queued, started, ended)
        case = self.cases.get(name)
        if case is None:
            key = derived_transaction_id(
                DEFAULT_TENANT, self.source, name, self.flow, self.object_type, name
            ).hex()
            case = self.cases[name] = _Case(key)
        instant = max(each for each in (queued, started, ended) if each is not None)
        yield from self._announced(case, name, instant, cells)
        attempt = case.counts[activity] = case.counts.get(activity, 0) + 1
        yield encode(
            Executed(
                case.id,
                execution_id(position),
                activity,
                status,
                attempt=attempt if attempt > 1 else None,
                queued_at=queued,
                started_at=started,
                ended_at=ended,
                details=_facts((each, cells[index].strip()) for each, index in mapping.details.items()),
                skip={"predicate": word} if status == "skipped" else None,
            )
        )
        case.last = max(case.last or (0, 0, ""), (instant, position, activity))

    def _announced(self, case: _Case, name: str, instant: int, cells: list[str]) -> Iterator[bytes]:
        """The case itself, when it is new or something else is said of it than before."""
        if case.latest is not None and not self.told:
            return
        told = [cells[index].strip() for index in self.told]
        if case.latest is None:
            case.latest = Latest(len(told))
            if not any(told):
                yield self._announcement(case, name, instant, told)
        for at, texts in case.latest.told(instant, told):
            yield self._announcement(case, name, at, texts)

    def _announcement(self, case: _Case, name: str, at: int, told: Sequence[str]) -> bytes:
        keys, attributes = self.mapping.keys, self.mapping.attributes
        return encode(
            Announced(
                case.id,
                self.flow,
                self.object_type,
                name,
                at=at,
                keys={key: text for key, text in zip(keys, told, strict=False) if text} or None,
                attributes=_facts(zip(attributes, told[len(keys) :], strict=True)),
            )
        )

    def _text(self, what: str, index: int, cells: list[str]) -> str:
        text = cells[index].strip()
        if not text:
            raise Unreadable(self.mapping.names[what], f"the {what} is missing")
        return text

    def _instant(self, what: str, index: int | None, cells: list[str]) -> int | None:
        if index is None or not (text := cells[index].strip()):
            return None
        return self.read_instant(text, self.mapping.names[what])

    def _status(self, word: str, started: int | None, ended: int | None) -> str:
        if word:
            return self.words.status(word, self.mapping.names["status"])
        if ended is not None:
            return "succeeded"
        return "pending" if started is None else "running"

    def endings(self) -> Iterator[bytes]:
        """The outcomes of cases whose latest event is one that ends them."""
        for case in self.cases.values():
            if case.last is not None and (outcome := self.ends.get(case.last[2])) is not None:
                yield encode(Ended(case.id, outcome, case.last[0]))


def read(source: Source, options: ImportOptions, problems: Problems) -> Iterator[tuple[int, bytes]]:
    """(row, record) of the whole log; ends come last. Raises: Refusal (a column or word that cannot be meant)."""
    table = Table(source, options, problems)
    if not table.is_read:
        return
    log = _Log(table, options)
    row = 0
    for row, cells in table:
        try:
            for line in log.event(row - 1, cells):
                yield row, line
        except Unreadable as error:
            problems(error.at(row))
    for line in log.endings():
        yield row, line


def _as_it_stands(
    status: str, queued: int | None, started: int | None, ended: int | None
) -> tuple[int | None, int | None, int | None]:
    """The instants of an execution of that status: what waits has not begun, what runs has not ended. Where a row has
    another instant alone, it is of when that was so."""
    known = next(each for each in (queued, started, ended) if each is not None)
    if status == "pending":
        return known, None, None
    if status == "running":
        return queued, known if started is None and queued is None else started, None
    return queued, started, ended


def _facts(told: Iterable[tuple[str, str]]) -> dict[str, Any] | None:
    return {name: number_or_text(text) for name, text in told if text} or None
