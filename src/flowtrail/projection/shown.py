"""How a transaction and its executions look to whoever asks: answers of the API, exports, tests of an application.

Durations in seconds, instants as text, absent facts null.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from flowtrail.model.clock import MICROS
from flowtrail.model.instants import format_instant
from flowtrail.model.records import BlockRecord, ExceptionInfo
from flowtrail.model.statuses import FINAL
from flowtrail.projection.derive import executions, transaction_of
from flowtrail.projection.executions import display_key
from flowtrail.projection.header import Header
from flowtrail.projection.state import State

Json = dict[str, Any]


def instant(us: int | None) -> str | None:
    """An instant as text."""
    return None if us is None else format_instant(us)


def seconds(us: int | None) -> float | None:
    """A duration in seconds."""
    return None if us is None else us / MICROS


def shown_transaction(tenant: str, id: bytes, header: Header, state: State) -> Json:
    """A transaction without progress and blocks. `header` is the state's; of the state, the facts are enough."""
    announced = transaction_of(state)
    ends = state.ends.get(header.attempt)
    end = ends[-1] if ends else None
    duration = None if header.ended_at is None else header.ended_at - header.opened_at
    return {
        "id": id.hex(),
        "tenant": tenant,
        "announced": header.announced,
        "flow": header.flow or None,
        "version": header.version,
        "object_type": header.object_type or None,
        "object_id": header.object_id if header.announced else None,
        "keys": (announced.keys if announced else None) or {},
        "attributes": (announced.attributes if announced else None) or {},
        "value": announced.value if announced else None,
        "currency": announced.currency if announced else None,
        "trace": announced.trace if announced else None,
        "status": header.status,
        "attempt": header.attempt,
        "retry_of": announced.retry_of.hex() if announced and announced.retry_of else None,
        "opened_at": instant(header.opened_at or None),
        "created_at": instant(header.created_at),
        "updated_at": instant(header.updated_at or None),
        "ended_at": instant(header.ended_at),
        "duration_s": seconds(duration),
        "deadline_at": instant(header.deadline_at),
        "current_block": header.current_block,
        "reason": end.reason if end else None,
        "predicate": end.predicate if end else None,
        "has_failures": header.has_failures,
        "truncated": header.truncated,
    }


def ordered_executions(state: State) -> list[BlockRecord]:
    """The executions in the order they are shown in."""
    return sorted(executions(state), key=display_key)


def wait_us(record: BlockRecord) -> int | None:
    """From queued to started; None where that is incomplete or skewed."""
    return _between(record.queued_at, record.started_at)


def work_us(record: BlockRecord) -> int | None:
    """From started to ended; None while it is open, incomplete or skewed."""
    return _between(record.started_at, record.ended_at) if record.status in FINAL else None


def _between(since: int | None, until: int | None) -> int | None:
    return until - since if since is not None and until is not None and until >= since else None


def shown_execution(record: BlockRecord, stages: Mapping[str, str]) -> Json:
    """One execution with everything that was said of it. `stages` are those the flow declares, by block."""
    return {
        "id": record.id.hex(),
        "block": record.block or None,
        "stage": record.stage or stages.get(record.block),
        "parent": record.parent.hex() if record.parent else None,
        "attempt": record.attempt or 1,
        "status": record.status or "pending",
        "queued_at": instant(record.queued_at),
        "started_at": instant(record.started_at),
        "ended_at": instant(record.ended_at),
        "wait_s": seconds(wait_us(record)),
        "work_s": seconds(work_us(record)),
        "details": record.details or {},
        "exceptions": [shown_exception(exception) for exception in record.exceptions or ()],
        "skip": None if record.skip is None else msgspec.to_builtins(record.skip),
        "usage": record.usage or {},
        "worker": record.worker,
    }


def shown_exception(exception: ExceptionInfo) -> Json:
    """An exception as it was stated, its causes nested; what was not stated is left out."""
    item: Json = msgspec.to_builtins(exception)
    if exception.raised_at is not None:
        item["raised_at"] = format_instant(exception.raised_at)
    if exception.cause is not None:
        item["cause"] = shown_exception(exception.cause)
    return item
