"""One page of transactions, for every route that lists them: token, selection, total, answer."""

from dataclasses import replace
from typing import Final

from flowtrail.query.cursors import read_page_token, write_page_token
from flowtrail.query.items import Json, transaction_item
from flowtrail.query.moments import moment_of
from flowtrail.query.parameters import Count
from flowtrail.storage.interface import Cursor, Selected, Selection, Store

BUDGET_S: Final = 0.1
"""How long a page, and how long a total, may take before the page comes back short and the total as a lower bound."""
_TRIES: Final = 3
"""Page and total are two reads; under a flood of writes the last try may straddle one."""

Position = tuple[Cursor, int]
"""Where the page before ended, and the instant its walk is asked at."""


def read_position(page_token: str | None, question: tuple[object, ...]) -> Position | None:
    """Where to go on; None at the start. Raises: Refusal (400 `invalid_page_token`)."""
    if not page_token:
        return None
    instant, key, pinned, now = read_page_token(page_token, question, int, bytes, int, int)
    return Cursor(instant, key, pinned), now


def list_page(
    store: Store,
    selection: Selection,
    question: tuple[object, ...],
    count: Count | None,
) -> Json:
    """The page, its total, and the token of the next, which keeps the selection's moment.

    `selection.moment` needs its instant only.
    """
    moment = moment_of(store, selection.tenant, selection.condition, selection.moment.now)
    selection = replace(selection, moment=moment, budget_s=BUDGET_S)
    selected, total, exact = _read(store, selection, count)
    return {
        "transactions": [transaction_item(stored) for stored in selected.rows],
        "next_page_token": _token(selected.next, question, moment.now),
        "total": total,
        "total_is_exact": exact,
        "short": selected.short,
        "changed_since": selected.changed_since,
    }


def _read(store: Store, selection: Selection, count: Count | None) -> tuple[Selected, int | None, bool]:
    """The page and its total, read between two equal revisions so that they were true together."""
    if count == "none":
        return store.transactions.select(selection), None, False
    counting = replace(selection, after=None, budget_s=None if count == "exact" else BUDGET_S)
    for _ in range(_TRIES):
        before = store.changes.revision()
        selected = store.transactions.select(selection)
        total, exact = store.transactions.count(counting)
        if store.changes.revision() == before:
            break
    return selected, total, exact


def _token(cursor: Cursor | None, question: tuple[object, ...], now: int) -> str | None:
    if cursor is None:
        return None
    return write_page_token(question, [cursor.instant, cursor.id, cursor.pinned, now])
