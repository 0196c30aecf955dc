"""The state of one transaction: what its records say, folded.

A state is three maps of pruned records (see `registers`): the transaction itself, its executions, its ends by
attempt. `State.add` folds records in, in any order and any number of times; what comes out depends on the set of
records alone. Stores keep a state as *facts* (the transaction's own records, in its header row) and *pieces*
(executions), each canonical msgpack; joining them again is `State.load`.
"""

from collections.abc import Iterable, Sequence

import msgspec

from flowtrail.model.limits import MAX_EXECUTIONS
from flowtrail.model.records import (
    BlockRecord,
    EndRecord,
    TransactionRecord,
    encode_record,
)
from flowtrail.projection.registers import is_among, join, says_the_same


class Facts(msgspec.Struct, array_like=True, gc=False):
    """What a transaction's header row carries: everything about it but its executions."""

    opened: list[TransactionRecord] = []
    ends: list[EndRecord] = []
    truncated: bool = False
    """Sticky: some map or the executions were cut to their smallest names."""
    cap: bytes | None = None
    """Once executions were cut: the greatest id that may still be kept, so that pieces need no rewriting."""


_decode_facts = msgspec.msgpack.Decoder(Facts).decode
_decode_piece = msgspec.msgpack.Decoder(list[BlockRecord]).decode


class State:
    """One transaction's records, folded. Mutable; owned by whoever made it.

    `executions` maps an execution's id to its single record, or to its pruned list when several statements about
    it are still alive: nearly always one, and a list per execution would double the memory of the projector.
    """

    __slots__ = ("ends", "executions", "opened", "truncated", "cap")

    def __init__(self) -> None:
        self.opened: list[TransactionRecord] = []
        self.executions: dict[bytes, BlockRecord | list[BlockRecord]] = {}
        self.ends: dict[int, list[EndRecord]] = {}
        self.truncated = False
        self.cap: bytes | None = None

    @classmethod
    def load(cls, facts: bytes | None, pieces: Iterable[bytes]) -> "State":
        """The join of what a store keeps of one transaction. Raises: msgspec.DecodeError on damaged bytes."""
        state = cls()
        if facts:
            held = _decode_facts(facts)
            state.truncated, state.cap = held.truncated, held.cap
            state.opened = held.opened
            for end in held.ends:
                state.ends.setdefault(end.attempt, []).append(end)
        for piece in pieces:
            for record in _decode_piece(piece):
                state.add_block(record)
        return state

    def add_transaction(self, record: TransactionRecord) -> bool:
        """Fold a transaction record in; whether anything changed."""
        before = self.opened
        if not before:
            self.opened = [record]
            return True
        if is_among(record, before):
            return False
        self.opened, cut = join([*before, record])
        return self._was_cut(cut) or not says_the_same(self.opened, before)

    def add_end(self, record: EndRecord) -> bool:
        """Fold an end in; whether anything changed."""
        before = self.ends.get(record.attempt)
        if before is None:
            self.ends[record.attempt] = [record]
            return True
        if record in before:  # all of an end are texts and integers: equal ones are the same
            return False
        after, _ = join([*before, record])
        self.ends[record.attempt] = after
        return after != before

    def add_block(self, record: BlockRecord) -> bool:
        """Fold a statement about an execution in; whether anything changed."""
        key = record.id
        before = self.executions.get(key)
        if before is None:
            if self.cap is not None and key > self.cap:
                return False
            self.executions[key] = record
            if len(self.executions) > MAX_EXECUTIONS:
                self._cut()
                return True
            return True
        statements = before if isinstance(before, list) else [before]
        if is_among(record, statements):
            return False
        after, cut = join([*statements, record])
        self.executions[key] = after[0] if len(after) == 1 else after
        return self._was_cut(cut) or not says_the_same(after, statements)

    def _was_cut(self, cut: bool) -> bool:
        """Remember whether a map was cut; whether that is news: it is, also where what was cut off is all that came."""
        news = cut and not self.truncated
        self.truncated = self.truncated or cut
        return news

    def _cut(self) -> None:
        del self.executions[max(self.executions)]
        self.truncated = True
        self.cap = max(self.executions)

    def statements(self, execution: bytes) -> Sequence[BlockRecord]:
        """An execution's pruned records, sorted by stamp; empty when it is unknown."""
        held = self.executions.get(execution)
        if held is None:
            return ()
        return held if isinstance(held, list) else (held,)

    def encode_facts(self) -> bytes:
        """The canonical bytes of everything but the executions."""
        ends = [record for attempt in sorted(self.ends) for record in self.ends[attempt]]
        return encode_record(Facts(self.opened, ends, self.truncated, self.cap))

    def encode_executions(self, only: Iterable[bytes] | None = None) -> bytes:
        """The canonical bytes of the executions, or of those named: sorted by id, then stamp."""
        executions = self.executions
        if only is None:
            held = [executions[key] for key in sorted(executions)]
            if list not in map(type, held):
                return encode_record(held)
        records: list[BlockRecord] = []
        for key in sorted(executions if only is None else only):
            records.extend(self.statements(key))
        return encode_record(records)

    def encode(self) -> bytes:
        """The canonical bytes of the whole state: equal exactly when two states are."""
        return encode_record([self.encode_facts(), self.encode_executions()])


def merge_pieces(pieces: Iterable[bytes]) -> bytes:
    """One piece that says what the given ones say together."""
    return State.load(None, pieces).encode_executions()
