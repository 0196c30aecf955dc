"""Transactions: the list, and one of them with its progress, blocks, records and lineage."""

from bisect import bisect_right
from typing import Any

from flowtrail.model.conditions import EVERYTHING, IsLate, IsStuck, Moment
from flowtrail.model.errors import Refusal
from flowtrail.model.limits import MAX_INLINE_EXECUTIONS
from flowtrail.model.records import BlockRecord
from flowtrail.projection.executions import display_key
from flowtrail.projection.header import Header
from flowtrail.projection.matching import matches
from flowtrail.query.cursors import read_page_token, write_page_token
from flowtrail.query.definitions import Declared, declared_among
from flowtrail.query.items import Json, execution_item, ordered_executions, state_of, transaction_item
from flowtrail.query.lineage import get_lineage
from flowtrail.query.listing import list_page, read_position
from flowtrail.query.moments import moment_of
from flowtrail.query.parameters import read_count, read_id, read_page_size, read_range, read_sort
from flowtrail.query.parse import parse
from flowtrail.query.progress import block_progress, block_standings, progress
from flowtrail.query.records import list_records
from flowtrail.storage.interface import Selection, SetAside, Store, Stored

__all__ = [
    "get_lineage",
    "get_progress",
    "get_transaction",
    "list_blocks",
    "list_records",
    "list_transactions",
]


def list_transactions(
    store: Store,
    tenant: str,
    *,
    q: str | None = None,
    from_: str | None = None,
    to: str | None = None,
    sort: str | None = None,
    page_size: str | None = None,
    page_token: str | None = None,
    count: str | None = None,
    now: int,
) -> Json:
    """A page of transactions, newest first. All pages of a walk are asked at the first one's moment.

    Raises: Refusal (400).
    """
    since, until = read_range(from_, to)
    order, limit, total = read_sort(sort), read_page_size(page_size), read_count(count)
    question = ("transactions", tenant, q or "", since, until, order)
    position = read_position(page_token, question)
    after, asked_at = position or (None, now)
    selection = Selection(
        tenant, Moment(asked_at), parse(q or "", asked_at), since, until, order, after, limit
    )
    return list_page(store, selection, question, total)


def get_transaction(store: Store, tenant: str, id: str, now: int) -> Json:
    """One transaction with everything. Raises: Refusal (400, 404)."""
    stored, aside, declared = _get(store, tenant, id)
    state = state_of(stored)
    records = ordered_executions(state)
    standings = block_standings(records, declared)
    stages = declared.block_stages if declared else {}
    shown = records[:MAX_INLINE_EXECUTIONS]
    more = len(records) > len(shown)
    return {
        **transaction_item(stored, state),
        **_at_this_moment(store, stored, now),
        "progress": progress(records, standings, declared, stored.header.status, stored.header.current_block),
        "block_progress": block_progress(standings),
        "blocks": [execution_item(record, stages) for record in shown],
        "blocks_total": len(records),
        "blocks_next_page_token": _blocks_token(stored, shown[-1]) if more else None,
        "set_aside": [_set_aside_item(entry) for entry in aside],
    }


def get_progress(store: Store, tenant: str, id: str, now: int) -> Json:
    """TransactionProgress and TransactionBlockProgress of one transaction. Raises: Refusal (400, 404)."""
    stored, _, declared = _get(store, tenant, id)
    records = ordered_executions(state_of(stored))
    standings = block_standings(records, declared)
    return {
        "id": stored.id.hex(),
        "status": stored.header.status,
        **_at_this_moment(store, stored, now),
        **progress(records, standings, declared, stored.header.status, stored.header.current_block),
        "block_progress": block_progress(standings),
    }


def list_blocks(
    store: Store,
    tenant: str,
    id: str,
    page_size: str | None = None,
    page_token: str | None = None,
) -> Json:
    """A page of one transaction's executions, in the order they ran.

    The token names the last one shown, so that whichever moves on meanwhile hides no other; one that arrives late and
    sorts before it is seen by the next walk. Raises: Refusal (400, 404).
    """
    limit = read_page_size(page_size)
    stored, _, declared = _get(store, tenant, id)
    after = _read_blocks_token(stored, page_token) if page_token else None
    records = ordered_executions(state_of(stored))
    stages = declared.block_stages if declared else {}
    first = 0 if after is None else bisect_right(records, after, key=_place)
    last = first + limit
    return {
        "blocks": [execution_item(record, stages) for record in records[first:last]],
        "next_page_token": _blocks_token(stored, records[last - 1]) if last < len(records) else None,
        "total": len(records),
        "total_is_exact": True,
        "truncated": stored.header.truncated,
    }


def _at_this_moment(store: Store, stored: Stored, now: int) -> Json:
    """What is asked of the moment, never stored. What is normal is asked for only where it decides."""
    header = stored.header
    condition = IsStuck() if header.status == "in_transit" else EVERYTHING
    moment = moment_of(store, stored.tenant, condition, now)
    return {
        "late": matches(IsLate(), stored.id, header, None, moment),
        "stuck": matches(IsStuck(), stored.id, header, None, moment),
    }


def _question(stored: Stored) -> tuple[Any, ...]:
    return ("blocks", stored.tenant, stored.id.hex())


def _place(record: BlockRecord) -> tuple[int, int, str]:
    """Where an execution stands in the order they are shown in, as a token can say it."""
    first, last, key = display_key(record)
    return first, last, key.hex()


def _blocks_token(stored: Stored, shown: BlockRecord) -> str:
    return write_page_token(_question(stored), [*_place(shown)])


def _read_blocks_token(stored: Stored, page_token: str) -> tuple[int, int, str]:
    first, last, key = read_page_token(page_token, _question(stored), int, int, str)
    return first, last, key


def _get(store: Store, tenant: str, id: str) -> tuple[Stored, list[SetAside], Declared | None]:
    """The transaction, its records that could not be projected, and what its flow declared; it is there if either of
    the first two is."""
    key = read_id(id)
    stored, aside, flows = store.transactions.find_whole(tenant, key)
    if stored is None and aside:
        stored = Stored(tenant, key, Header(), b"", [], sorted({entry.page for entry in aside}), 0)
    if stored is None:
        raise Refusal("not_found", "there is no transaction with this id", "id", id, status=404)
    return stored, aside, declared_among(flows, stored.header.flow, stored.header.version)


def _set_aside_item(entry: SetAside) -> Json:
    return {"page": entry.page, "leaf": entry.leaf, "reason": entry.reason}
