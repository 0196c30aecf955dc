"""The instants of one execution, and the order executions are told in.

Shared by what is counted, what is shown and what is asked, so that the three can never disagree.
A record here is merged (`registers.merged_block`).
"""

from typing import Final

from flowtrail.model.records import BlockRecord
from flowtrail.model.statuses import FINAL

OrderKey = tuple[int, int, bytes]
NEVER: Final = 1 << 62
"""Sorts after every instant."""


def arrival_at(record: BlockRecord) -> int:
    """The earliest of queued, started, ended; of an execution without any, the instant it was stated at."""
    earliest = NEVER
    if (queued := record.queued_at) is not None:
        earliest = queued
    if (started := record.started_at) is not None and started < earliest:
        earliest = started
    if (ended := record.ended_at) is not None and ended < earliest:
        earliest = ended
    return record.at if earliest == NEVER else earliest


def end_at(record: BlockRecord) -> int:
    """Where a final execution counts as ended: ended, else started, else queued, else when it was stated."""
    for instant in (record.ended_at, record.started_at, record.queued_at):
        if instant is not None:
            return instant
    return record.at


def moment_at(record: BlockRecord) -> int:
    """The instant a condition on an execution with its present status is asked of.

    The end of a final one, the start of a running one, the arrival of a pending one: where its cell counts it.
    """
    if record.status in FINAL:
        return end_at(record)
    if record.status == "running" and record.started_at is not None:
        return record.started_at
    return arrival_at(record)


def order_key(record: BlockRecord) -> OrderKey | None:
    """What executions are ordered by: started, else ended; then ended; then id. None: neither is known."""
    started, ended = record.started_at, record.ended_at
    first = ended if started is None else started
    if first is None:
        return None
    return (first, NEVER if ended is None else ended, record.id)


def display_key(record: BlockRecord) -> OrderKey:
    """The order executions are shown in: as `order_key`, those that only wait by their arrival."""
    return order_key(record) or (arrival_at(record), NEVER, record.id)


def current_key(record: BlockRecord) -> tuple[int, bytes]:
    """Which execution a transaction stands at: the one that began last, ties by id; ending does not change it."""
    started = record.started_at
    return (display_key(record)[0] if started is None else started, record.id)
