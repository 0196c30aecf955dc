"""Event logs as XES (IEEE 1849): a trace is a transaction, an activity that was scheduled, started and completed is
one execution.

Events of one activity in one trace are paired in the order of the file, oldest first (`lifecycles`). What finds no
partner stays as it is known, and is counted. Of a trace only its open executions and how often each activity ran are
held, so memory grows with neither traces nor events.
"""

from collections.abc import Iterator
from typing import Any, Final

from flowtrail.intake.importers.carried import carried_statements
from flowtrail.intake.importers.files import Source
from flowtrail.intake.importers.instants import instant_reader
from flowtrail.intake.importers.lifecycles import Lifecycles, Step
from flowtrail.intake.importers.markup import parse_elements
from flowtrail.intake.importers.options import NAMING, OF_INSTANTS, ImportOptions
from flowtrail.intake.importers.outcomes import ending_activities
from flowtrail.intake.importers.problems import Problem, Problems, Unreadable, bounded
from flowtrail.intake.importers.statements import Announced, Ended, Executed, encode
from flowtrail.intake.importers.xes_values import KINDS, Attribute
from flowtrail.model.exchange import EXECUTION, STATEMENTS
from flowtrail.model.ids import derived_transaction_id
from flowtrail.model.limits import MAX_MAP_NAMES
from flowtrail.storage.interface import DEFAULT_TENANT

FORMAT: Final = "xes"
USES: Final = NAMING | OF_INSTANTS | {"ends"}

NAME: Final = "concept:name"
TIME: Final = "time:timestamp"
TRANSITION: Final = "lifecycle:transition"
RESOURCE: Final = "org:resource"
IDENTITY: Final = "identity:id"

MOST_ATTRIBUTES: Final = 10_000
"""Held of one event or trace, nested ones counted: far more than a record may have."""

Attributes = dict[str, Attribute]


class _Trace:
    """What is held of a trace while it is read."""

    __slots__ = ("attributes", "id", "instant", "last", "lives", "ours", "told")

    def __init__(self, lives: Lifecycles) -> None:
        self.attributes: Attributes = {}
        self.lives = lives
        self.id: str | None = None
        self.ours = False
        self.told = 0
        """How many of the attributes were announced."""
        self.instant = 0
        self.last: tuple[int, int, str] | None = None


class _Log:
    def __init__(self, source: Source, options: ImportOptions, problems: Problems) -> None:
        self.source = options.source or FORMAT
        self.flow = options.flow or FORMAT
        self.object_type = options.object_type or "case"
        self.ends = ending_activities(options.ends)
        self.read_instant = instant_reader(options)
        self.problems = problems
        self.counts = source.counts
        self.out: list[tuple[int, bytes]] = []
        self.traces = self.events = 0
        self._trace: _Trace | None = None
        self._event: Attributes | None = None
        self._under_way: list[Attribute] = []
        self._held = 0
        self._in_global = self._is_log = False

    # --- what the file says ---

    def start(self, name: str, given: dict[str, str]) -> None:
        """An element begins. Raises: Unreadable (no log of events at all)."""
        if name in KINDS or self._under_way:
            attribute = Attribute(name, given)
            self._held += 1
            if self._under_way and self._held <= MOST_ATTRIBUTES:
                self._under_way[-1].nested.append(attribute)
            self._under_way.append(attribute)
        elif name == "event":
            self.events += 1
            self._event, self._held = {}, 0
        elif name == "trace":
            self.traces += 1
            self._trace, self._held = _Trace(Lifecycles(self.counts)), 0
        elif name == "global":
            self._in_global = True
        elif name == "log":
            self._is_log = True
        elif not self._is_log:
            raise Unreadable(name[:100], "this is no XES: the outermost element must be log", name, "log")

    def end(self, name: str) -> None:
        """An element is over."""
        if self._under_way:
            attribute = self._under_way.pop()
            if not self._under_way and not self._in_global and attribute.key:
                self._attribute(attribute)
            if self._held > MOST_ATTRIBUTES:
                self.counts[f"attributes beyond {MOST_ATTRIBUTES} of one element, left out"] += 1
        elif name == "event":
            event, self._event = self._event or {}, None
            self._guarded(self._event_over, event)
        elif name == "trace":
            trace, self._trace = self._trace, None
            if trace is not None:
                self._trace_over(trace)
        elif name == "global":
            self._in_global = False

    def _attribute(self, attribute: Attribute) -> None:
        if self._held > MOST_ATTRIBUTES:
            return
        if self._event is not None:
            self._event[attribute.key] = attribute
        elif self._trace is not None:
            self._trace.attributes[attribute.key] = attribute
        elif attribute.key == STATEMENTS:
            self._guarded(self._say_carried, attribute.raw)

    def _guarded(self, call: Any, told: Any) -> None:
        try:
            call(told)
        except Unreadable as error:
            self.problems(error.at(self.events or None))

    # --- what it means ---

    def _say(self, line: bytes) -> None:
        self.out.append((self.events, line))

    def _say_execution(self, execution: Executed) -> None:
        # Its steps may have told more together than a record holds.
        execution.details = bounded(execution.details or {}, "details", self.events or None, self.problems)
        self._say(encode(execution))

    def _say_carried(self, text: str) -> None:
        for line in carried_statements(text):
            self._say(line)

    def _event_over(self, event: Attributes) -> None:
        trace = self._trace
        if trace is None:
            raise Unreadable("event", "the event stands in no trace", None, "events inside of traces")
        if trace.id is None:
            self._identify(trace)
        if STATEMENTS in event:
            self._say_carried(event[STATEMENTS].raw)
            return
        if EXECUTION in event:
            return
        activity = event.pop(NAME).raw.strip() if NAME in event else ""
        if not activity:
            raise Unreadable(NAME, "the event has no name")
        if TIME not in event:
            raise Unreadable(TIME, "the event has no instant")
        instant = self.read_instant(event.pop(TIME).raw, TIME)
        transition = event.pop(TRANSITION).raw.strip().casefold() if TRANSITION in event else ""
        worker = event.pop(RESOURCE).raw.strip() if RESOURCE in event else ""
        details = {key: each.value(self.read_instant) for key, each in event.items()}
        if not trace.told and not trace.ours:
            self._announce(trace, instant)
        trace.instant = max(trace.instant, instant)
        trace.last = max(trace.last or (0, 0, ""), (instant, self.events, activity))
        assert trace.id is not None
        step = Step(self.events - 1, activity, transition, instant, worker or None, details)
        for execution in trace.lives.step(trace.id, step):
            self._say_execution(execution)
        if transition == "pi_abort":
            self._say(encode(Ended(trace.id, "cancelled", instant)))

    def _identify(self, trace: _Trace) -> None:
        """From the first event on, the trace's name stands."""
        if STATEMENTS in trace.attributes:
            trace.ours = True
            # A UUID is written with hyphens.
            trace.id = (
                trace.attributes[IDENTITY].raw.replace("-", "") if IDENTITY in trace.attributes else "0" * 32
            )
            self._say_carried(trace.attributes[STATEMENTS].raw)
            return
        if NAME not in trace.attributes:
            self.counts["traces without a name, called by their number"] += 1
        name = self._name(trace)
        trace.id = derived_transaction_id(
            DEFAULT_TENANT, self.source, name, self.flow, self.object_type, name
        ).hex()

    def _name(self, trace: _Trace) -> str:
        given = trace.attributes[NAME].raw if NAME in trace.attributes else ""
        return given.strip() or f"trace {self.traces}"

    def _announce(self, trace: _Trace, instant: int) -> None:
        """The trace as far as it is known; opened at the earliest instant known of it."""
        trace.told = max(len(trace.attributes), 1)
        facts = [(key, each) for key, each in trace.attributes.items() if key != NAME]
        if len(facts) > MAX_MAP_NAMES:
            self.problems(
                Problem(
                    self.events or None,
                    "trace",
                    f"{len(facts)} attributes",
                    f"at most {MAX_MAP_NAMES}",
                    "attributes of the trace are left out",
                )
            )
        told = {key: each.value(self.read_instant) for key, each in facts[:MAX_MAP_NAMES]}
        assert trace.id is not None
        name = self._name(trace)
        self._say(
            encode(
                Announced(trace.id, self.flow, self.object_type, name, at=instant, attributes=told or None)
            )
        )

    def _trace_over(self, trace: _Trace) -> None:
        if trace.id is None:
            if STATEMENTS in trace.attributes:
                self._guarded(self._say_carried, trace.attributes[STATEMENTS].raw)
            else:
                self.counts["traces without events, left out"] += 1
            return
        if trace.ours:
            return
        if trace.told and len(trace.attributes) > trace.told:
            self._announce(trace, trace.instant)
        for execution in trace.lives.unfinished():
            self._say_execution(execution)
        outcome = self.ends.get(trace.last[2]) if trace.last else None
        if trace.last is not None and outcome is not None:
            self._say(encode(Ended(trace.id, outcome, trace.last[0])))


def read(source: Source, options: ImportOptions, problems: Problems) -> Iterator[tuple[int, bytes]]:
    """(number of the event, record) of the whole log. Raises: Refusal (an option that cannot be meant)."""
    log = _Log(source, options, problems)
    try:
        for _ in parse_elements(source.chunks(), log.start, log.end):
            yield from log.out
            log.out.clear()
    except Unreadable as error:
        yield from log.out
        problems(error.at(None))
