"""The records a transaction is made of, as they were accepted, with the place in the journal that proves them."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from flowtrail.ledger.pages import read_header, read_records
from flowtrail.model.clock import monotonic_s
from flowtrail.model.errors import Damaged, Refusal
from flowtrail.model.instants import format_instant
from flowtrail.model.pages import Page
from flowtrail.model.records import AnyRecord, BlockRecord, EndRecord, ReportRecord, TransactionRecord
from flowtrail.query.cursors import read_page_token, write_page_token
from flowtrail.query.items import Json, exception_item
from flowtrail.query.parameters import read_id, read_page_size
from flowtrail.storage.interface import Store

BUDGET_S: Final = 1.0
"""Every page of the journal is decoded whole: a transaction told in ten thousand of them comes in parts."""

_INSTANTS: Final = frozenset({"at", "created_at", "deadline_at", "queued_at", "started_at", "ended_at"})
_NOWHERE: Final = -1


def list_records(
    store: Store,
    tenant: str,
    id: str,
    page_size: str | None = None,
    page_token: str | None = None,
) -> Json:
    """A page of one transaction's records, in the order of the journal's pages.

    `page` and `leaf` name the place that an inclusion proof is made for; an erased record no longer says whose it
    was and is left out. Links are rows of their own: see lineage. Raises: Refusal (400, 404).
    """
    limit = read_page_size(page_size)
    key = read_id(id)
    numbers = _pages_of(store, tenant, key)
    if not numbers:
        raise Refusal("not_found", "there is no transaction with this id", "id", id, status=404)
    question = ("records", tenant, id)
    after = read_page_token(page_token, question, int, int) if page_token else [_NOWHERE, _NOWHERE]
    until = monotonic_s() + BUDGET_S
    found: list[Json] = []
    reached: list[int] | None = None
    for number in numbers:
        if number < after[0]:
            continue
        if found and monotonic_s() > until:
            reached = [number, _NOWHERE]
            break
        page = store.journal.page(number)
        if page is None:
            continue
        for leaf, record in _own(page, key):
            if (number, leaf) <= (after[0], after[1]):
                continue
            if len(found) == limit:
                reached = [found[-1]["page"], found[-1]["leaf"]]
                break
            found.append(_item(page, leaf, record))
        if reached is not None:
            break
    return {
        "records": found,
        "next_page_token": None if reached is None else write_page_token(question, reached),
    }


def _pages_of(store: Store, tenant: str, key: bytes) -> list[int]:
    stored, aside, _ = store.transactions.find_whole(tenant, key)
    numbers = set(stored.pages) if stored is not None else set()
    return sorted(numbers.union(entry.page for entry in aside))


def _own(page: Page, key: bytes) -> Iterator[tuple[int, AnyRecord]]:
    try:
        records = read_records(page)
    except Damaged:
        return  # `check` says so; what can be read is shown
    for leaf, record in enumerate(records):
        if isinstance(record, BlockRecord | EndRecord):
            if record.transaction == key:
                yield leaf, record
        elif isinstance(record, TransactionRecord) and record.id == key:
            yield leaf, record


def _item(page: Page, leaf: int, record: AnyRecord) -> Json:
    header = read_header(page)
    return {
        "page": page.number,
        "leaf": leaf,
        "writer": header.writer,
        "sequence": header.sequence,
        "page_hash": page.hash.hex(),
        "received_at": format_instant(header.received_at),
        "record": wire_json(record),
    }


def wire_json(record: AnyRecord, *, texts: bool = True) -> Json:
    """A record as it would be sent: hex ids, instants as text (or else as integers), only what was stated."""
    found: Json = {"kind": record.__struct_config__.tag}
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if value is not None:
            found[name] = _wire_value(name, value, texts=texts)
    if isinstance(record, ReportRecord):
        # Required, also where it is empty, which is kept as none.
        found.setdefault("dropped", {})
    return found


def _wire_value(name: str, value: Any, *, texts: bool) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if texts and name in _INSTANTS:
        return format_instant(value)
    if texts and name == "exceptions":
        return [exception_item(exception) for exception in value]
    return msgspec.to_builtins(value)
