"""What a block says of itself when its record leaves: on the delivery thread, from what the host wrote down.

The end is read first: what it decides (status, exceptions, skip) was written before it.
"""

from collections.abc import Collection
from typing import Any

from flowtrail.model.clock import MICROS
from flowtrail.model.limits import MAX_ATTEMPT, MAX_MAP_NAMES, MAX_USAGE
from flowtrail.sdk import marks
from flowtrail.sdk.context import around
from flowtrail.sdk.instants import to_us
from flowtrail.sdk.notices import warn_once
from flowtrail.sdk.producer import producer
from flowtrail.sdk.statements import finished
from flowtrail.sdk.values import freeze_name, received, tidy


def tell(block: Any) -> dict[str, Any]:
    """The record of a block as it stands. Never raises."""
    ended = block.ended
    transaction = block.transaction
    record: dict[str, Any] = {
        "kind": "block",
        "transaction": transaction.id,
        "id": block.id,
        "block": freeze_name(block.name),
        "started_at": int(block.started * MICROS),
    }
    if ended:
        record["ended_at"] = int(ended * MICROS)
        _tell_result(block.more, record)
    if block.stage is not None:
        record["stage"] = freeze_name(block.stage)
    worker = block.worker if block.worker is not None else producer.worker
    if worker is not None:
        record["worker"] = freeze_name(worker)
    if block.queued_at is not None:
        queued_at = to_us(block.queued_at, "queued_at")
        if queued_at is not None:
            record["queued_at"] = queued_at
    more = block.more
    if more is not None:
        if more.attempt > 1:
            record["attempt"] = min(more.attempt, MAX_ATTEMPT)
        if more.usages:
            record["usage"] = more.usages.copy()
    parent = parent_of(block, transaction)
    if parent is not None:
        record["parent"] = parent
    if block.details:
        record["details"] = {freeze_name(name): tidy(value) for name, value in block.details.copy().items()}
    return finished(record, transaction.identity, block.cost)


def _tell_result(more: Any, record: dict[str, Any]) -> None:
    if more is not None and more.exceptions:
        record["status"] = "failed"
        record["exceptions"] = [each.told() for each in more.exceptions]
    elif more is not None and more.skipped:
        record["status"] = "skipped"
        record["skip"] = tidy(more.skipped)
    else:
        record["status"] = "succeeded"


def parent_of(block: Any, transaction: Any) -> str | None:
    """The id of the execution of this transaction that the block runs inside, perhaps in another process."""
    if block.more is not None and block.more.parent is not None:
        known: str = block.more.parent
        return known
    outer = block.outer
    while outer is not None and outer is not transaction:
        if outer.transaction is transaction:
            found: str = outer.id
            return found
        outer = around(outer)
    remote: str | None = transaction.identity.remote_parent
    return remote


def read_usages(totals: dict[str, Any], block: Any, held: Collection[str] = ()) -> dict[str, float]:
    """The totals that are numbers from 0 on, of as many names as a block may have with those it holds; the others are
    left out, and said once."""
    kept: dict[str, float] = {}
    for name, total in totals.items():
        if name not in held and len(held) + len(kept) >= MAX_MAP_NAMES:
            marks.count(marks.CUT)
            warn_once("usages", "a block has at most %d usages; the others are left out", MAX_MAP_NAMES)
        elif type(total) in {int, float} and 0 <= total <= MAX_USAGE:
            kept[freeze_name(name)] = total
        else:
            marks.count(marks.INVALID)
            warn_once(
                "usage",
                "usage %r of block %r is a number from 0 to %d, not %s; it is left out",
                freeze_name(name),
                freeze_name(block),
                MAX_USAGE,
                received(total),
            )
    return kept
