"""The rows behind statistics that cells cannot give: few by their index, many in one pass over all."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from flowtrail.insight.scanned import Scan
from flowtrail.model.clock import monotonic_s
from flowtrail.model.conditions import Condition, Moment
from flowtrail.projection.matching import matches
from flowtrail.query.grouping import execution_group, whole_group
from flowtrail.query.items import state_of
from flowtrail.storage.interface import Selection, Store, Stored

BUDGET_S: Final = 20.0
"""A read is given up after 30 s: what was counted until now is better than nothing, and says that it is not all."""
COUNT_BUDGET_S: Final = 0.1
FEW: Final = 5_000
"""Finding a row by its id costs some five times as much as passing over it."""
_CHECK_EVERY: Final = 64


def scan_rows(
    store: Store,
    tenant: str,
    condition: Condition,
    moment: Moment,
    edges: list[int],
    group_by: tuple[str, ...],
) -> tuple[Scan, bool]:
    """Everything that matches, counted; and whether that is all, or time ran out before.

    Transactions that are written while it runs are counted as they were met.
    """
    scanned = Scan(edges, whole_group(group_by), execution_group(group_by), moment.now)
    until = monotonic_s() + BUDGET_S
    for number, stored in enumerate(_candidates(store, tenant, condition, moment), 1):
        state = state_of(stored)
        if matches(condition, stored.id, stored.header, state, moment):
            scanned.add(stored.header, state)
        if number % _CHECK_EVERY == 0 and (monotonic_s() > until or scanned.is_far_too_large()):
            return scanned, False
    return scanned, True


def _candidates(store: Store, tenant: str, condition: Condition, moment: Moment) -> Iterator[Stored]:
    selection = Selection(tenant, moment, condition, limit=1_000, budget_s=COUNT_BUDGET_S)
    total, exact = store.transactions.count(selection)
    if not exact or total > FEW:
        yield from store.transactions.iter_states(tenant)
        return
    selection = replace(selection, budget_s=None)
    while True:
        selected = store.transactions.select(selection)
        for row in selected.rows:
            stored = store.transactions.find(tenant, row.id)
            if stored is not None:
                yield stored
        if selected.next is None:
            return
        selection = replace(selection, after=selected.next)
