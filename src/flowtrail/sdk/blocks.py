"""A block at work: what the host holds while it runs, and at the same time the item in the outbox.

It is put when it starts. While it waits there, whatever is said of it, its end included, is written on it and leaves
with it; once it was taken, the next word puts it again. Every statement repeats what was said before, which the fold
of the server makes nothing of.

The order of two steps carries this: here, write first and then look at `taken`; in `record`, set `taken` first and
then read. Both at once send a statement twice, which is harmless; neither loses one.
"""

import os
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from flowtrail.model import clock
from flowtrail.model.clock import MICROS
from flowtrail.model.ids import ExecutionNumbers
from flowtrail.model.limits import MAX_INTEGER, MAX_MAP_NAMES, MAX_REASON_CHARS
from flowtrail.sdk import marks
from flowtrail.sdk.context import current, current_entry, enter, innermost, leave, loops, this_thread
from flowtrail.sdk.endings import FINE, judge
from flowtrail.sdk.notices import warn_once
from flowtrail.sdk.outbox import TOLD
from flowtrail.sdk.plain import set_plainly
from flowtrail.sdk.producer import producer
from flowtrail.sdk.raised import Raised, take_down
from flowtrail.sdk.statements import STATEMENT_BYTES, Statement
from flowtrail.sdk.telling import read_usages, tell
from flowtrail.sdk.values import Frozen, freeze, freeze_name, freeze_text, freeze_value, keep_fitting

BLOCK_BYTES: Final = 1_024
"""What a block holds with its first details; checked against the interpreter's own count by a test."""
_FEW: Final = 5
"""Details that are part of BLOCK_BYTES when their values are small: numbers, and texts of at most 64 characters."""
_MOMENT_S: Final = 0.01
_USAGE_BYTES: Final = 100
_MERGED_BYTES: Final = 4_096
"""Details of one call that hold more leave as a record of their own: a block's statement is sent more than once."""
_LARGEST_BYTES: Final = 65_536
"""Beyond this a block takes no more details on itself, and each call is a record of its own."""
_LEAST: Final = -MAX_INTEGER - 1


_numbers: Final = ExecutionNumbers()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_numbers.renew)


class More(msgspec.Struct):
    """What most executions do not have: fewer fields make a block cheaper."""

    attempt: int = 1
    parent: str | None = None
    usages: dict[str, float] = {}
    skipped: dict[str, Any] | None = None
    exceptions: list[Raised] | None = None


class Block(msgspec.Struct, gc=False, eq=False):
    """One execution of a block for one transaction, made by `Transaction.block`.

    Use it with `with` or `async with`, or call `start` and `end`. Nothing here raises, waits, or alters what is
    raised inside.
    """

    transaction: Any
    name: Any
    stage: Any = None
    worker: Any = None
    queued_at: Any = None
    number: int = 0
    started: Any = None
    ended: Any = None
    taken: Any = False
    cost: int = BLOCK_BYTES
    outer: Any = None
    details: Any = None
    more: Any = None

    # ------------------------------------------------------------------------------------- life

    def __enter__(self) -> Self:
        transaction = self.transaction
        if (
            transaction.thread != this_thread()
            or ((running := loops.running) is not None and running() is not None)
            or self.started is not None
        ):
            if not (transaction.is_plain and self._enter_plainly(transaction)):
                self._enter_slowly()
                return self
        else:
            if transaction.top is not None:
                self.outer = transaction.top
            transaction.top = self
        self.started = clock.now_s()
        # What `Outbox.put` does, without the call; what is said there of straight lines holds here.
        outbox = producer.outbox
        level = outbox.level + self.cost
        if level > outbox.bar:
            outbox.put_slowly(self)
            return self
        outbox.level = level
        outbox.queue.append(self)
        return self

    def __exit__(self, kind: object, raised: BaseException | None, trace: TracebackType | None) -> None:
        ended = clock.now_s()
        transaction = self.transaction
        if raised is not None or not transaction.is_plain:
            self._exit_slowly(ended, raised, trace)
            return
        if transaction.top is self:
            transaction.top = self.outer
        elif current_entry() is self:
            current.set(transaction if self.outer is None else self.outer)
        else:
            self._exit_slowly(ended, raised, trace)
            return
        self.ended = ended
        if self.taken and (self.taken is TOLD or ended - self.started > _MOMENT_S):  # as `_say_end`
            self._say()

    def _enter_plainly(self, transaction: Any) -> bool:
        """Become current in a task, or in another thread, where nothing is special about it. Whether that was so."""
        outer = current_entry()
        if outer is transaction:
            outer = transaction.top
        elif outer is None or outer.transaction is not transaction:
            return False
        if self.started is not None or (outer is not None and outer.ended):
            return False
        self.outer = outer
        current.set(self)
        return True

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: object, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, raised, trace)

    def start(self) -> Self:
        """Begin without becoming the current block: for what ends in another place."""
        if self._may_start():
            self.outer = innermost()
            self._begin()
        return self

    def end(self) -> None:
        """End what `start` began; it succeeded unless `fail` or `skip` said otherwise."""
        self._end(clock.now_s())

    def _enter_slowly(self) -> None:
        if self._may_start():
            self.outer = enter(self, self.transaction)
            self._begin()

    def _may_start(self) -> bool:
        if self.started:
            warn_once("enter", "block %r was entered or started twice", freeze_name(self.name))
        return not self.started

    def _begin(self) -> None:
        attempt = self.transaction.enter_block(freeze_name(self.name))
        if attempt > 1:
            self._more().attempt = attempt
        self.started = clock.now_s()
        if self.transaction.is_known:
            producer.put(self)
        else:
            self.taken = True

    def _exit_slowly(self, ended: float, raised: BaseException | None, trace: Any) -> None:
        leave(self, self.transaction)
        self._close(ended, raised, trace)

    def close(self, raised: BaseException | None) -> None:
        """End it with what was raised through it, if anything."""
        self._close(clock.now_s(), raised, None)

    def _close(self, ended: float, raised: BaseException | None, trace: Any) -> None:
        if raised is not None and not self.ended and judge(raised) != FINE:
            self._fail(take_down(raised, trace))
        self._end(ended)

    def _end(self, ended: float) -> None:
        if self.ended or not self.started:
            warn_once("end", "block %r was ended twice, or never started", freeze_name(self.name))
            return
        more = self.more or More()
        self.transaction.leave_block(freeze_name(self.name), more.attempt, failed=bool(more.exceptions))
        self.ended = ended
        self._say_end()

    def _say(self) -> None:
        if self.taken and self.transaction.is_known:
            self.taken = False
            producer.put(self)

    def _say_end(self) -> None:
        # Where the queue was full a moment ago it still is: that block is given up as a whole.
        if self.taken is TOLD or self.ended - self.started > _MOMENT_S:
            self._say()

    def _say_again(self) -> None:
        # One that was dropped waits for its end.
        if self.taken is TOLD:
            self._say()

    def _say_result_again(self) -> None:
        # Until the block has ended it has no result to tell.
        if self.ended:
            self._say_again()

    def _more(self) -> More:
        if self.more is None:
            self.more = More()
        more: More = self.more
        return more

    def _fail(self, exceptions: list[Raised]) -> None:
        more = self._more()
        more.exceptions, more.skipped = exceptions, None
        self._grow(sum([each.cost for each in exceptions]))

    def stay_inside(self, outer: "Block") -> None:
        """Remember what it began in, which ends before it and leaves the stack."""
        more = self._more()
        more.parent = more.parent or outer.id

    def _grow(self, size: int) -> None:
        if self.taken or not self.started:
            self.cost += size
        else:
            producer.sink.grow(self, size)

    # ------------------------------------------------------------------------------------- words

    def detail(self, named: Any = None, /, **details: Any) -> None:
        """State facts about this execution, by name: as arguments, or as a mapping where names are no identifiers.

        Values are copied now, within bounds; a name stated again is replaced.
        """
        for value in details.values():
            if (kind := type(value)) is int:
                # Literals below 2 ** 30, one at a time: CPython compares such integers in one step, but not in a chain.
                if (value < 1_000_000_000 and value > -1_000_000_000) or _LEAST <= value <= MAX_INTEGER:
                    continue
                break
            if kind is str:
                if len(value) <= 64:
                    continue
                break
            if kind is not float and kind is not bool and value is not None:
                break
        else:
            if named is None and len(details) <= _FEW:
                # No call stands between the two: one of two threads must not replace what the other set.
                if self.details is None:
                    self.details = details
                    if self.taken is TOLD:
                        self._say()
                    return
                if len(self.details) + len(details) <= _FEW:
                    self.details.update(details)
                    if self.taken is TOLD:
                        self._say()
                    return
        self._detail_slowly(named, details)

    def _detail_slowly(self, named: Any, details: dict[str, Any]) -> None:
        frozen = Frozen()
        values = freeze(details, frozen)
        if issubclass(type(named), dict):
            values.update(freeze(named, frozen))
        elif named is not None:
            marks.count(marks.INVALID)
            warn_once("detail", "a detail has a name; block %r was given one without", freeze_name(self.name))
        held = self.details or {}
        if (frozen.cost > _MERGED_BYTES or self.cost > _LARGEST_BYTES) and self.started:
            self._say_aside(values, held, frozen.cost)
            return
        keep_fitting(values, held)
        if self.details is None:
            self.details = values
        else:
            self.details.update(values)
        self._grow(frozen.cost)
        if self.taken:
            self._say_again()

    def hold(self, name: str, frozen: Any, size: int) -> None:
        """Keep a value that nobody changes any more as this detail, in place of what stood there; it holds `size`
        bytes more than that. For integrations that add to a detail; hosts say `detail`."""
        self._grow(size)
        if self.details is None:
            self.details = {name: frozen}
        else:
            self.details[name] = frozen
        if self.taken:
            self._say_again()

    def _say_aside(self, values: dict[str, Any], held: dict[str, Any], cost: int) -> None:
        """State these in a record of their own."""
        for name in values:
            # The block repeats what it holds, and later than this: an older value would come back.
            held.pop(name, None)
        if len(values) > MAX_MAP_NAMES:
            keep_fitting(values, {})
        if self.transaction.is_known:
            producer.put(self._aside(values, cost))

    def _aside(self, values: dict[str, Any], cost: int) -> Statement:
        fields = {
            "kind": "block",
            "at": int((self.ended or clock.now_s()) * MICROS),
            "transaction": self.transaction.id,
            "id": self.id,
            "block": freeze_name(self.name),
            "details": values,
        }
        return Statement(fields, self.transaction.identity, STATEMENT_BYTES + cost)

    def skip(self, predicate: Any, reason: Any = None, *, expected: Any = None, actual: Any = None) -> None:
        """This block does not do its work, and why: never a failure. The code after it runs on."""
        frozen = Frozen()
        skip = {"predicate": freeze_name(predicate)}
        if reason is not None:
            skip["reason"] = freeze_text(reason, MAX_REASON_CHARS)
        if expected is not None:
            skip["expected"] = freeze_value(expected, frozen)
        if actual is not None:
            skip["actual"] = freeze_value(actual, frozen)
        more = self._more()
        more.skipped, more.exceptions = skip, None
        self._grow(frozen.cost)
        self._say_result_again()

    def fail(self, why: Any = "failed") -> None:
        """This block failed, although nothing is raised through it: `why` is an exception, or a reason as text."""
        if issubclass(type(why), BaseException):
            self._fail(take_down(why))
        else:
            self._fail([Raised("Failure", None, freeze_text(why, MAX_REASON_CHARS), [], 0)])
        if self.started:
            # Counted at once: the short way out of a block looks at nothing but its end.
            self.transaction.leave_block(freeze_name(self.name), self._more().attempt, failed=True)
        self._say_result_again()

    def usage(self, **totals: Any) -> None:
        """State what this execution consumed in all, with the unit in the name: `cpu_seconds=0.31`."""
        held = self._more().usages
        kept = read_usages(totals, self.name, held)
        held.update(kept)
        self._grow(_USAGE_BYTES * len(kept))
        if self.taken:
            self._say_again()

    # ------------------------------------------------------------------------------------- told

    @property
    def id(self) -> str:
        """The execution's id in hex."""
        if not self.number:
            number = _numbers.next()
            # No call stands between the two: host and delivery thread may both be first to ask.
            if not self.number:
                self.number = number
        return f"{self.number:016x}"

    def __repr__(self) -> str:
        return f"<Block {freeze_name(self.name)!r} of {self.transaction!r}>"

    def record(self) -> dict[str, Any]:
        """The record as it leaves, on the delivery thread. Never raises."""
        self.taken = TOLD
        return tell(self)


set_plainly(Block(None, None))
