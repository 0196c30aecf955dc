"""One object's way through a flow, as the host tells it: announced when it is entered, ended when it is left."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self

from flowtrail.model import clock
from flowtrail.model.clock import MICROS
from flowtrail.model.limits import MAX_REASON_CHARS
from flowtrail.model.statuses import RELATIONS
from flowtrail.sdk import announcing, marks
from flowtrail.sdk.blocks import Block
from flowtrail.sdk.carriers import Setter
from flowtrail.sdk.context import (
    NO_THREAD,
    Pause,
    enter,
    innermost,
    leave,
    living,
    own_thread,
    part_chain,
    this_thread,
)
from flowtrail.sdk.endings import CANCELLED, FAILED, FINE, judge
from flowtrail.sdk.handing import hand_on
from flowtrail.sdk.identity import Identity, Outcome
from flowtrail.sdk.looks import class_name
from flowtrail.sdk.notices import warn_once
from flowtrail.sdk.producer import producer
from flowtrail.sdk.raised import message_of
from flowtrail.sdk.statements import STATEMENT_BYTES, Statement
from flowtrail.sdk.values import Frozen, cut_text, freeze_name, freeze_text, received

_MOST_FAILURES: Final = 1_000
"""Names of blocks whose failures are remembered, to count attempts by."""
_KEYS_BYTES: Final = 2_000


class Transaction:
    """An object under way, made by `flowtrail.transaction` or `flowtrail.resume`.

    Use it with `with` or `async with`, or call `start` and `end`. Leaving ends it, unless it was handed over: failed
    when something is raised through it, else what `filter`, `cancel` or `fail` said, else delivered.
    Nothing here raises, waits, or alters what is raised inside.
    """

    __slots__ = (
        "__weakref__",
        "_ends_here",
        "_extra",
        "_failures",
        "_outcome",
        "_paused",
        "ended",
        "home",
        "identity",
        "is_plain",
        "outer",
        "started",
        "thread",
        "top",
    )

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.started = self.ended = 0.0
        self.outer: Any = None
        # What `context` keeps here: the innermost block; the thread that entered it; that thread again while its
        # blocks may take the shortest way; whether blocks elsewhere may take a short one.
        self.top: Any = None
        self.thread = self.home = NO_THREAD
        self.is_plain = False
        self._paused: Sequence[Pause] = ()
        self._ends_here = identity.ends_here
        self._outcome = Outcome()
        self._failures: dict[str, int] = {}
        self._extra: list[tuple[dict[str, Any], int]] = []

    # ------------------------------------------------------------------------------------- life

    def __enter__(self) -> Self:
        if self.started:
            warn_once("enter transaction", "%r was entered twice", self)
            return self
        # What nobody knows takes the long way, where nothing is recorded of it.
        self.home = own_thread() if self.identity.is_known else NO_THREAD
        self.outer = enter(self, self)
        # As `pauses`, of one entry.
        if self.outer is not None and self.outer.transaction.home == this_thread():
            self._paused = (Pause(self.outer.transaction),)
        self._begin()
        return self

    def __exit__(self, kind: object, raised: BaseException | None, trace: TracebackType | None) -> None:
        leave(self, self)
        for pause in self._paused:
            pause.end()
        self.close(raised)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: object, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, raised, trace)

    def start(self) -> Self:
        """Begin without becoming the current transaction: for what ends in another place."""
        if not self.started:
            self.outer = innermost()
            self._begin()
        return self

    def _begin(self) -> None:
        self.started = clock.now_s()
        self.thread = self.home
        identity = self.identity
        self.is_plain = identity.is_known
        created_at = int(self.started * MICROS)
        if not identity.is_announced:
            self._announce({**identity.facts, "created_at": created_at}, identity.facts_cost)
        for facts, cost in self._extra:
            # At the same instant, so that of two values of a name the one that was said later counts.
            self._announce({**facts, "at": created_at}, cost)

    def _announce(self, facts: dict[str, Any], cost: int) -> None:
        identity = self.identity
        if identity.object_type is None or identity.object_id is None:
            warn_once("identity", "%r does not know its object, so nothing can be added to it here", self)
            return
        fields = {
            "kind": "transaction",
            "id": identity.id,
            "flow": identity.flow,
            "version": identity.version,
            "object_type": identity.object_type,
            "object_id": identity.object_id,
            "attempt": identity.attempt if identity.attempt > 1 else None,
            "trace": identity.trace,
            **facts,
        }
        self._put(fields, cost)

    def _put(self, fields: dict[str, Any], cost: int = 0) -> None:
        if self.identity.is_known:
            producer.put(Statement(fields, self.identity, STATEMENT_BYTES + cost))

    def end(self) -> None:
        """End it as leaving `with` does."""
        if self.ended or not self.started:
            warn_once("end transaction", "%r was ended twice, or never started", self)
            return
        self.ended = clock.now_s()
        self.thread, self.is_plain = NO_THREAD, False
        if self.top is not None:
            # Blocks that are never left name this transaction: a circle that no collector would look at.
            part_chain(self.top)
            self.top = None
        if self.outer is not None and self.outer.transaction.ended:
            # Where each begins the next before it ends, they would all be held by the last one.
            self.outer = living(self.outer)
        if self._ends_here:
            outcome = self._outcome
            fields = {
                "kind": "end",
                "transaction": self.identity.id,
                "outcome": outcome.name or "delivered",
                "ended_at": int(self.ended * MICROS),
                "attempt": self.identity.attempt,
                "reason": outcome.reason,
                "predicate": outcome.predicate,
            }
            self._put(fields)

    def close(self, raised: BaseException | None) -> None:
        """End it with what was raised through it, if anything."""
        verdict = FINE if raised is None else judge(raised)
        if verdict == FAILED:
            self._outcome = Outcome("failed", _told(raised))
        elif verdict == CANCELLED and self._outcome.name is None:
            self._outcome = Outcome("cancelled", _told(raised))
        self.end()

    # ------------------------------------------------------------------------------------- who

    @property
    def id(self) -> str:
        """Its id in hex."""
        return self.identity.id

    @property
    def flow(self) -> str:
        """The flow it is in."""
        return self.identity.flow

    @property
    def object_type(self) -> str | None:
        """What kind of thing it is; None where headers did not say."""
        return self.identity.object_type

    @property
    def object_id(self) -> str | None:
        """Its business key; None where headers did not say."""
        return self.identity.object_id

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        return self.identity.attempt

    @property
    def trace(self) -> str | None:
        """The trace it belongs to."""
        return self.identity.trace

    @property
    def is_known(self) -> bool:
        """False where `resume` found no transaction: then nothing is recorded."""
        return self.identity.is_known

    @property
    def transaction(self) -> Self:
        """Itself, so that whatever is current has one."""
        return self

    def __repr__(self) -> str:
        return f"<Transaction {self.id} of {self.object_type} {self.object_id}>"

    # ------------------------------------------------------------------------------------- blocks

    def block(
        self, name: str, stage: str | None = None, worker: str | None = None, queued_at: Any = None
    ) -> Block:
        """One execution of a block, to be used with `with`: `order.block("map", stage="processing")`. `queued_at` is
        when it began to wait."""
        return Block(self, name, stage, worker, queued_at)

    def enter_block(self, name: str) -> int:
        """A block of that name begins; the number of its attempt."""
        if not self.started:
            self.start()
        elif self.ended:
            warn_once("late block", "block %r began after %r had ended", name, self)
        return self._failures.get(name, 0) + 1

    def leave_block(self, name: str, attempt: int, *, failed: bool) -> None:
        """A block of that name is over."""
        if not failed:
            self._failures.pop(name, None)
        elif len(self._failures) < _MOST_FAILURES:
            self._failures[name] = attempt
        self.is_plain = self.identity.is_known and not (self._failures or self.ended)
        self.thread = self.home if self.is_plain else NO_THREAD

    # ------------------------------------------------------------------------------------- outcomes

    def filter(self, predicate: Any, reason: Any = None) -> None:
        """It is sorted out on purpose, by this condition; leaving ends it as filtered."""
        self._decide("filtered", reason, predicate)

    def cancel(self, reason: Any = None, *, predicate: Any = None) -> None:
        """It is called off; leaving ends it as cancelled."""
        self._decide("cancelled", reason, predicate)

    def fail(self, why: Any = None, *, predicate: Any = None) -> None:
        """It failed, although nothing is raised through it: `why` is an exception, or a reason as text."""
        reason = _told(why) if issubclass(type(why), BaseException) else why
        self._decide("failed", reason, predicate)

    def _decide(self, outcome: str, reason: Any, predicate: Any) -> None:
        if self.ended:
            warn_once("late outcome", "%r has ended; that it was %s comes too late", self, outcome)
            return
        told = None if reason is None else freeze_text(reason, MAX_REASON_CHARS) or None
        self._outcome = Outcome(outcome, told, announcing.name_or_none(predicate))

    # ------------------------------------------------------------------------------------- words

    def key(self, named: Any = None, /, **keys: Any) -> None:
        """Add names by which it is searched: as arguments, or as a mapping."""
        found = announcing.keys(_both(named, keys))
        if found:
            self._add({"keys": found}, _KEYS_BYTES)

    def attribute(self, named: Any = None, /, **attributes: Any) -> None:
        """State facts that are shown with it, by name: as arguments, or as a mapping."""
        frozen = Frozen()
        found = announcing.attributes(_both(named, attributes), frozen)
        if found:
            self._add({"attributes": found}, frozen.cost)

    def _add(self, facts: dict[str, Any], cost: int) -> None:
        facts["at"] = clock.now_us()
        if self.started:
            self._announce(facts, cost)
        else:
            self._extra.append((facts, cost))

    def inject(self, carrier: Any = None, *, handover: bool = False, set: Setter | None = None) -> Any:
        """Write into a carrier of headers what `flowtrail.resume` reads elsewhere. Returns the carrier: the one
        given, or a new map.

        With `handover`, whoever resumes it ends it, and leaving here no longer does. `set(carrier, name, value)`
        writes where the carrier is neither a map nor a list of pairs.
        """
        carrier = {} if carrier is None else carrier
        if handover and self.ended:
            warn_once("late handover", "%r has ended; that it is handed over comes too late", self)
        if hand_on(self, carrier, handover=handover, set=set) and handover:
            self._ends_here = False
            producer.on_handover(self.id)
        return carrier

    def link(self, relation: Any, child: Any = None, *, parent: Any = None) -> None:
        """Relate it to another transaction, or to one's id: `link("split", child=line)`, `link("merge", parent=other)`."""
        other = announcing.known_id(child if child is not None else parent)
        told = freeze_name(relation)
        if told not in RELATIONS or other is None or other == self.id:
            marks.count(marks.INVALID)
            warn_once(
                "link",
                "link %s to %s is left out: it takes one of %s, and another transaction or its id",
                received(relation),
                received(child if child is not None else parent),
                ", ".join(RELATIONS),
            )
            return
        ends = (self.id, other) if child is not None else (other, self.id)
        self._put(
            {"kind": "link", "parent": ends[0], "child": ends[1], "relation": told, "at": clock.now_us()}
        )


def _both(named: Any, given: dict[str, Any]) -> Any:
    if named is None:
        return given
    if not given or not issubclass(type(named), dict):
        return named
    return {freeze_name(name): value for name, value in list(dict.items(named))} | given


def _told(raised: Any) -> str:
    message = message_of(raised)
    name = class_name(type(raised))
    return cut_text(f"{name}: {message}" if message else name, MAX_REASON_CHARS)
