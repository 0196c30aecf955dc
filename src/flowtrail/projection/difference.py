"""What one fold changes of a transaction, and how a transaction that nobody stored yet is folded as a whole."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Final

from flowtrail.model.limits import MAX_EXECUTIONS
from flowtrail.model.records import BlockRecord, EndRecord, TransactionRecord, encode_record
from flowtrail.projection.derive import current_block, execution_terms, facts_header, facts_terms
from flowtrail.projection.executions import arrival_at
from flowtrail.projection.header import Header
from flowtrail.projection.kept import merged
from flowtrail.projection.registers import join
from flowtrail.projection.state import State

Folded = TransactionRecord | BlockRecord | EndRecord

by_id: Final = attrgetter("id")


class Difference:
    """What one fold changed: facts and piece as bytes to store (None: not changed), terms, and the header before."""

    __slots__ = ("before", "facts", "piece", "terms_gone", "terms_new")

    def __init__(self, before: Header | None) -> None:
        self.before = before
        self.facts: bytes | None = None
        self.piece: bytes | None = None
        self.terms_gone: Sequence[str] = ()
        self.terms_new: Sequence[str] = ()


def add_record(state: State, record: Folded) -> bool:
    """Fold one record in; whether anything changed."""
    if type(record) is BlockRecord:
        return state.add_block(record)
    if type(record) is EndRecord:
        return state.add_end(record)
    return state.add_transaction(record)  # type: ignore[arg-type]


def fold_first(state: State, records: Sequence[Folded]) -> tuple[list[BlockRecord], bool]:
    """Fold records into an empty state; its executions, merged, and whether each was told by one record alone."""
    told = [record for record in records if type(record) is BlockRecord]
    executions = {record.id: record for record in told}
    if len(executions) == len(told) <= MAX_EXECUTIONS:
        state.executions.update(executions)
        for record in records:
            if type(record) is not BlockRecord:
                add_record(state, record)
        return told, True
    for record in records:
        add_record(state, record)
    return list(merged(state.executions)), False


def described(state: State, told: Sequence[BlockRecord]) -> tuple[Header, set[str], set[str]]:
    """Header, the terms of the facts, and all terms of a state, in one pass over its merged executions."""
    header = facts_header(state)
    terms = own = facts_terms(state)
    if not told:
        return header, own, terms
    header.updated_at = max(header.updated_at, *[record.at for record in told])
    if header.created_at is None:
        arrived = min([arrival_at(record) for record in told])
        header.opened_at = min(header.opened_at or arrived, arrived)
    for record in told:
        status = record.status
        if status == "succeeded" and record.worker is None:
            continue
        terms = terms.union(execution_terms(record))
        if status == "failed":
            header.has_failures = True
    if header.status == "in_transit":
        header.current_block = current_block(state)
    return header, own, terms


def piece_of(changed: Sequence[BlockRecord]) -> bytes:
    """The canonical bytes of what these statements say together."""
    if len(changed) == 1:
        return encode_record(changed)
    if len({record.id for record in changed}) == len(changed):
        return encode_record(sorted(changed, key=by_id))
    statements_by_id: dict[bytes, list[BlockRecord]] = {}
    for record in changed:
        statements_by_id.setdefault(record.id, []).append(record)
    found: list[BlockRecord] = []
    for _, statements in sorted(statements_by_id.items()):
        found.extend(statements if len(statements) == 1 else join(statements)[0])
    return encode_record(found)
