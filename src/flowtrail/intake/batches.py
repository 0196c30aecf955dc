"""Pages of the journal, sorted by what they speak of: the projector's input.

Transactions are folded apart from each other, so their records are gathered first; links, definitions and what is heard
of producers are sets and registers of their own and need no folding.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from flowtrail.intake.hearing import Hearing
from flowtrail.ledger.pages import encoded_records, read_header, read_records, record_count
from flowtrail.model.errors import Damaged
from flowtrail.model.pages import Page
from flowtrail.model.records import (
    AnyRecord,
    BlockRecord,
    EndRecord,
    FlowRecord,
    LinkRecord,
    ReportRecord,
    TransactionRecord,
    decode_record,
    encode_record,
)
from flowtrail.projection.difference import Folded
from flowtrail.storage.interface import Definition, LinkRow, SetAside


class Gathered:
    """Records by tenant and transaction, with the pages they stand in; and everything that is not folded."""

    __slots__ = ("definitions", "hearing", "links", "records", "set_aside", "transactions")

    def __init__(self) -> None:
        self.transactions: dict[str, dict[bytes, tuple[list[Folded], list[int]]]] = {}
        self.links: list[LinkRow] = []
        self.definitions: list[Definition] = []
        self.set_aside: list[SetAside] = []
        self.hearing = Hearing()
        self.records = 0


def count_records(page: Page) -> int:
    """How many records a page says it holds; 0 when it cannot be read."""
    try:
        return record_count(page)
    except Damaged:
        return 0


def gather(pages: Iterable[Page]) -> Gathered:
    """Sort the records of pages. What cannot be read is set aside: a record, or a page as a whole (leaf -1)."""
    gathered = Gathered()
    for page in pages:
        tenant = ""
        try:
            header = read_header(page)
            tenant = header.tenant
            records = readable(page, partial(_set_aside, gathered, tenant, page.number))
        except Exception as error:  # noqa: BLE001 -- whatever is wrong with one page, the others go on
            gathered.set_aside.append(SetAside(tenant, page.number, -1, None, f"unreadable page: {error}"))
            continue
        gathered.records += len(records)
        gathered.hearing.take(tenant, header.received_at, records, header.rejected)
        _sort(gathered, tenant, page.number, records)
    return gathered


def _set_aside(gathered: Gathered, tenant: str, number: int, leaf: int, error: Exception) -> None:
    gathered.set_aside.append(SetAside(tenant, number, leaf, None, f"unreadable: {error}"))


def readable(page: Page, unreadable: Callable[[int, Exception], None]) -> Sequence[AnyRecord | None]:
    """The page's records, None where one was erased or, as `unreadable` is told, cannot be decoded. Raises: Damaged."""
    try:
        return read_records(page)
    except Damaged:
        found: list[AnyRecord | None] = []
        for leaf, encoded in enumerate(encoded_records(page)):
            try:
                found.append(None if encoded is None else decode_record(encoded))
            except Exception as error:  # noqa: BLE001 -- whatever is wrong with one record, the others go on
                unreadable(leaf, error)
                found.append(None)
        return found


def _sort(gathered: Gathered, tenant: str, number: int, records: Iterable[AnyRecord | None]) -> None:
    transactions = gathered.transactions.setdefault(tenant, {})
    last = None
    own: list[Any] = []
    for record in records:
        kind = type(record)
        if kind is BlockRecord or kind is EndRecord:
            key = record.transaction  # type: ignore[union-attr]
        elif kind is TransactionRecord:
            key = record.id  # type: ignore[union-attr]
            if record.retry_of is not None:  # type: ignore[union-attr]
                gathered.links.append(LinkRow(tenant, record.retry_of, key, "retry"))  # type: ignore[union-attr]
        else:
            _sort_other(gathered, tenant, record)
            continue
        # Mostly the next of the same transaction, or one of many others; comparing is cheaper than looking up.
        if key != last:
            last = key
            group = transactions.get(key)
            if group is None:
                own = []
                transactions[key] = (own, [number])
            else:
                own, pages = group
                if pages[-1] != number:
                    pages.append(number)
        own.append(record)


def _sort_other(gathered: Gathered, tenant: str, record: AnyRecord | None) -> None:
    if isinstance(record, LinkRecord):
        gathered.links.append(LinkRow(tenant, record.parent, record.child, record.relation))
    elif isinstance(record, FlowRecord):
        stamp = (record.at, record.producer or "", record.seq or 0)
        name = (record.flow, record.version)
        gathered.definitions.append(Definition(tenant, "flow", name, stamp, encode_record(record)))
    elif isinstance(record, ReportRecord):
        gathered.hearing.report(tenant, record)
