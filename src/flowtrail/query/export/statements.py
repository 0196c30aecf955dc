"""A state as records that can be sent again and fold into that very state.

A state keeps pruned records: each without the fields that another one wins. Where such a field is required of a
record, the winner's value is put back: under its older stamp it loses once more, so the join is the same. A `truncated`
mark is not a record and is not said.
"""

from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec.structs import replace

from flowtrail.model.limits import MAX_RECORD_BYTES
from flowtrail.model.records import AnyRecord, BlockRecord, LinkRecord, TransactionRecord
from flowtrail.projection.registers import merged_block, merged_transaction
from flowtrail.projection.state import State
from flowtrail.query.records import wire_json
from flowtrail.storage.interface import LinkRow

_encode: Final = msgspec.json.Encoder().encode


def record_line(record: AnyRecord) -> bytes:
    """A record as it would be sent.

    Instants are text, but for a record that would be longer than what may be sent: it came in with integers.
    """
    line = _encode(wire_json(record))
    return line if len(line) <= MAX_RECORD_BYTES else _encode(wire_json(record, texts=False))


def transaction_statements(state: State) -> Iterator[AnyRecord]:
    """What is said of the transaction itself: announcements and ends."""
    if state.opened:
        whole = merged_transaction(state.opened)
        for record in state.opened:
            yield record if record.flow else _named(record, whole)
    for attempt in sorted(state.ends):
        yield from state.ends[attempt]


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
