"""What the live feed asks: which changed transactions match now, and how they look."""

from collections.abc import Sequence

from flowtrail.model.clock import MICROS, now_us
from flowtrail.model.conditions import Condition, Moment
from flowtrail.model.errors import Refusal
from flowtrail.projection.matching import matches
from flowtrail.query.items import Json, state_of, transaction_item
from flowtrail.query.parse import is_time_dependent, parse
from flowtrail.storage.interface import Store


def parse_live(q: str) -> Condition:
    """The condition of a live query.

    Raises: Refusal (400 `invalid_query`; `time_dependent_query` for `is:` and relative instants: time passes without
    a change that could be told of).
    """
    now = now_us()
    condition = parse(q, now)
    # What is relative to now means something else a day later.
    if is_time_dependent(condition) or condition != parse(q, now + 86_400 * MICROS):
        raise Refusal(
            "time_dependent_query",
            "what depends on the present moment cannot be followed live",
            "q",
            q,
            "queries without is: and without instants relative to now",
        )
    return condition


def present(
    store: Store, tenant: str, condition: Condition, ids: Sequence[bytes], now: int
) -> list[tuple[bytes, Json | None]]:
    """For each id, in order: the item of a list when the transaction matches now, None when it does not."""
    moment = Moment(now)
    found: list[tuple[bytes, Json | None]] = []
    for key in ids:
        stored = store.transactions.find(tenant, key)
        item = None
        if stored is not None:
            state = state_of(stored)
            if matches(condition, key, stored.header, state, moment):
                item = transaction_item(stored, state)
        found.append((key, item))
    return found
