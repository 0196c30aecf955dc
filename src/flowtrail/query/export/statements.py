"""A state as records that can be sent again and fold into that very state.

A state keeps pruned records: each without the fields that another one wins. Where such a field is required of a
record, the winner's value is put back: under its older stamp it loses once more, so the join is the same. What was cut at
a limit is not known any more, but that something was is said by a statement that is cut at the same limit again.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from flowtrail.model.ids import EXECUTION_ID_BYTES
from flowtrail.model.limits import MAX_MAP_NAMES, MAX_NAME_CHARS, MAX_RECORD_BYTES
from flowtrail.model.records import AnyRecord, BlockRecord, LinkRecord, TransactionRecord
from flowtrail.projection.registers import merged_block, merged_transaction
from flowtrail.projection.state import State
from flowtrail.query.records import wire_json
from flowtrail.storage.interface import LinkRow

BEYOND_IDS: Final = b"\xff" * EXECUTION_ID_BYTES
BEYOND_NAMES: Final = "\U0010ffff" * MAX_NAME_CHARS
"""None is greater, and what is cut was greater than something: so neither is ever kept."""
_encode: Final = msgspec.json.Encoder().encode


def record_line(record: AnyRecord) -> bytes:
    """A record as it would be sent.

    Instants are text, but for a record that would be longer than what may be sent: it came in with integers.
    """
    line = _encode(wire_json(record))
    return line if len(line) <= MAX_RECORD_BYTES else _encode(wire_json(record, texts=False))


def transaction_statements(state: State) -> Iterator[AnyRecord]:
    """What is said of the transaction itself: announcements and ends, and that there was more than is kept."""
    if state.opened:
        whole = merged_transaction(state.opened)
        for record in state.opened:
            yield record if record.flow else _named(record, whole)
    for attempt in sorted(state.ends):
        yield from state.ends[attempt]
    if state.truncated:
        yield from _more(state)


def execution_statements(held: BlockRecord | list[BlockRecord]) -> list[BlockRecord]:
    """What is said of one execution."""
    if isinstance(held, BlockRecord):
        return [held]
    block = merged_block(held).block
    return [record if record.block else replace(record, block=block) for record in held]


def link_statement(link: LinkRow) -> LinkRecord:
    """A link; who stated it when is not kept."""
    return LinkRecord(link.parent, link.child, link.relation)


def _named(record: TransactionRecord, whole: TransactionRecord) -> TransactionRecord:
    return replace(record, flow=whole.flow, object_type=whole.object_type, object_id=whole.object_id)


def _more(state: State) -> Iterator[AnyRecord]:
    """One statement beyond the last of what was cut: of ids and names the smallest are kept, as many as may be."""
    if state.cap is not None:
        last = merged_block(state.executions[max(state.executions)])
        yield BlockRecord(transaction=last.transaction, at=last.at, id=BEYOND_IDS, block=last.block)
        return
    if state.opened:
        whole = merged_transaction(state.opened)
        # Of the instant that told its object, without producer: so it loses to what told it, or says the same.
        again = TransactionRecord(whole.id, next(record.at for record in state.opened if record.flow))
        if _is_full(whole.attributes):
            yield replace(_named(again, whole), attributes={BEYOND_NAMES: None})
            return
        if _is_full(whole.keys):
            yield replace(_named(again, whole), keys={BEYOND_NAMES: BEYOND_NAMES})
            return
    for key, held in state.executions.items():
        block = merged_block(held)
        if _is_full(block.details) or _is_full(block.usage):
            at = next(record.at for record in state.statements(key) if record.block)
            told = BlockRecord(transaction=block.transaction, at=at, id=key, block=block.block)
            if _is_full(block.usage):
                yield replace(told, usage={BEYOND_NAMES: 0.0})
            else:
                yield replace(told, details={BEYOND_NAMES: None})
            return


def _is_full(names: Mapping[str, object] | None) -> bool:
    return names is not None and len(names) >= MAX_MAP_NAMES
