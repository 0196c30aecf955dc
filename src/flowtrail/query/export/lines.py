"""NDJSON: records as they were accepted, or transactions as the API shows them."""

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from flowtrail.ledger.pages import read_records
from flowtrail.model.errors import Damaged
from flowtrail.model.pages import page_number
from flowtrail.model.records import AnyRecord, BlockRecord, EndRecord, TransactionRecord
from flowtrail.query.export.asking import Asked
from flowtrail.query.export.parts import Pieces, in_parts
from flowtrail.query.export.statements import link_statement, record_line
from flowtrail.query.items import execution_item, ordered_executions, state_of, transaction_item
from flowtrail.query.progress import block_progress, block_standings, progress
from flowtrail.storage.interface import Stored

TOGETHER: Final = 2_000
"""Transactions whose records are looked up together: neighbours in the list mostly stand in the same pages."""
PAGES_TOGETHER: Final = 20_000
"""The numbers of pages held for them, however many a transaction names."""

_encode: Final = msgspec.json.Encoder().encode


@in_parts
def record_lines(asked: Asked) -> Pieces:
    """Records as accepted, one a line.

    Of everything: the whole journal as it was durable when the export began, reports and declarations among it. Of a
    query: the records of its transactions, their links, and the declarations of their flows; no reports, which
    belong to producers. Erased records are gone.
    """
    return _journal(asked) if asked.whole else _selected(asked)


def _journal(asked: Asked) -> Iterator[bytes]:
    journal = asked.store.journal
    heads = [head for head in journal.heads() if head.writer.tenant == asked.tenant]
    for head in heads:
        ordinal, last = head.writer.ordinal, page_number(head.writer.ordinal, head.sequence)
        following = page_number(ordinal, 1)
        for page in journal.iter_pages(ordinal):
            if page.number > last:
                break
            if page.number != following:
                raise Damaged(f"page {following} is missing")
            following += 1
            for record in read_records(page):
                if record is not None:
                    yield record_line(record) + b"\n"
            yield b""
        if following <= last:
            raise Damaged(f"page {following} is missing")


class _Place(NamedTuple):
    """What is held of a transaction until its records are looked up."""

    flow: str
    pages: list[int]


def _selected(asked: Asked) -> Iterator[bytes]:
    together: dict[bytes, _Place] = {}
    pages = 0
    # Whole, since only then it is known which pages its executions stand in.
    for row in asked.states():
        if row is None:
            yield b""
            continue
        together[row.id] = _Place(row.header.flow, row.pages)
        pages += len(row.pages)
        if len(together) == TOGETHER or pages > PAGES_TOGETHER:
            yield from _records_of(asked, together)
            together, pages = {}, 0
    yield from _records_of(asked, together)


def _records_of(asked: Asked, places: dict[bytes, _Place]) -> Iterator[bytes]:
    for number in sorted({number for place in places.values() for number in place.pages}):
        page = asked.store.journal.page(number)
        if page is None:
            raise Damaged(f"page {number} is missing")
        for record in read_records(page):
            if record is not None and _transaction_of(record) in places:
                yield record_line(record) + b"\n"
        yield b""
    for key, links in asked.links(list(places)):
        flow = places[key].flow
        for link in links:
            yield record_line(link_statement(link)) + b"\n"
        for declared in asked.declarations(flow) if flow else ():
            yield record_line(declared) + b"\n"


def _transaction_of(record: AnyRecord) -> bytes | None:
    if isinstance(record, BlockRecord | EndRecord):
        return record.transaction
    return record.id if isinstance(record, TransactionRecord) else None


@in_parts
def transaction_lines(asked: Asked) -> Pieces:
    """Transactions as the API shows them, with all their executions, one a line."""
    for stored in asked.states():
        yield b"" if stored is None else _encode(_whole(asked, stored)) + b"\n"


def _whole(asked: Asked, stored: Stored) -> dict[str, object]:
    state, header = state_of(stored), stored.header
    records = ordered_executions(state)
    declared = asked.declaration(header.flow, header.version) if header.flow else None
    standings = block_standings(records, declared)
    stages = declared.block_stages if declared else {}
    return {
        **transaction_item(stored, state),
        "progress": progress(records, standings, declared, header.status, header.current_block),
        "block_progress": block_progress(standings),
        "blocks": [execution_item(record, stages) for record in records],
    }
