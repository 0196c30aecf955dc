"""What a store keeps of a transaction, as answers show it: `projection.shown` over what was read."""

from flowtrail.model.clock import MICROS
from flowtrail.projection.shown import (
    Json,
    instant,
    ordered_executions,
    seconds,
    shown_transaction,
    wait_us,
    work_us,
)
from flowtrail.projection.shown import shown_exception as exception_item
from flowtrail.projection.shown import shown_execution as execution_item
from flowtrail.projection.state import State
from flowtrail.storage.interface import Stored

__all__ = [
    "MICROS",
    "Json",
    "exception_item",
    "execution_item",
    "instant",
    "ordered_executions",
    "seconds",
    "state_of",
    "transaction_item",
    "wait_us",
    "work_us",
]


def state_of(stored: Stored) -> State:
    """What the store keeps, joined; without executions where only the header was read."""
    return State.load(stored.facts, stored.pieces or ())


def transaction_item(stored: Stored, state: State | None = None) -> Json:
    """A row of a list: the transaction without progress and blocks."""
    state = state or State.load(stored.facts, ())
    return shown_transaction(stored.tenant, stored.id, stored.header, state)
