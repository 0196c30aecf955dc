"""What formats for other tools show of a transaction and an execution: plain names and plain values.

They are for reading; importing goes by the statements that are carried beside them.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from flowtrail.model.exchange import NAMESPACE
from flowtrail.model.records import AnyRecord, BlockRecord
from flowtrail.model.statuses import FINAL
from flowtrail.projection.executions import arrival_at, end_at
from flowtrail.projection.state import State
from flowtrail.query.export.asking import Asked, Linked
from flowtrail.query.export.statements import link_statement, record_line, transaction_statements
from flowtrail.query.items import transaction_item
from flowtrail.storage.interface import Stored

_SHOWN: Final = (
    *("flow", "version", "object_type", "object_id", "status", "attempt", "reason", "predicate", "trace"),
    *("created_at", "ended_at", "deadline_at", "value", "currency"),
)
_INSTANTS: Final = frozenset({"created_at", "ended_at", "deadline_at"})
_encode: Final = msgspec.json.Encoder(order="deterministic").encode


class Instant(str):
    """An instant as we write it. An attribute's or a detail's text is never one, whatever it is called and says."""

    __slots__ = ()


Moment = tuple[str, int]
"""What happened to an execution, and when: "queued", "started", or its final status."""


def transaction_facts(stored: Stored, state: State) -> Iterator[tuple[str, Any]]:
    """Our own facts under our prefix, keys under `flowtrail:key.`, attributes as they are called."""
    item = transaction_item(stored, state)
    for name in _SHOWN:
        if item[name] is not None:
            yield f"{NAMESPACE}:{name}", Instant(item[name]) if name in _INSTANTS else item[name]
    for name, value in item["keys"].items():
        yield f"{NAMESPACE}:key.{name}", value
    for name, value in item["attributes"].items():
        yield name, plain(value)


def execution_facts(record: BlockRecord) -> Iterator[tuple[str, Any]]:
    """As `transaction_facts`, of a merged execution; usage under `flowtrail:usage.`, details as they are called."""
    yield f"{NAMESPACE}:status", record.status or "pending"
    if record.stage is not None:
        yield f"{NAMESPACE}:stage", record.stage
    if record.attempt is not None:
        yield f"{NAMESPACE}:attempt", record.attempt
    if record.skip is not None:
        yield f"{NAMESPACE}:predicate", record.skip.predicate
    if record.exceptions:
        yield f"{NAMESPACE}:exception", record.exceptions[0].kind
        if record.exceptions[0].message:
            yield f"{NAMESPACE}:message", record.exceptions[0].message
    for name, amount in (record.usage or {}).items():
        yield f"{NAMESPACE}:usage.{name}", amount
    for name, value in (record.details or {}).items():
        yield name, plain(value)


def plain(value: Any) -> Any:
    """A value that is text, a number or a boolean; anything else as JSON."""
    return value if isinstance(value, (str, int, float)) else _encode(value).decode()


def moments(record: BlockRecord) -> list[Moment]:
    """What is known to have happened to a merged execution, at least one thing, in the order of a life."""
    found: list[Moment] = []
    if record.queued_at is not None:
        found.append(("queued", record.queued_at))
    if record.started_at is not None:
        found.append(("started", record.started_at))
    if record.status in FINAL:
        found.append((record.status or "", end_at(record)))
    if not found:
        found.append(("started" if record.status == "running" else "queued", arrival_at(record)))
    return found


def statement_lines(records: Sequence[AnyRecord]) -> str:
    """Records as a JSON array."""
    return f"[{b','.join(map(record_line, records)).decode()}]"


def carried(asked: Asked, linked: Linked, state: State) -> list[AnyRecord]:
    """What is carried with a transaction: its flow's declarations, all that is said of itself, and its links."""
    flow = linked.stored.header.flow
    declared = asked.declarations(flow) if flow else []
    return [*declared, *transaction_statements(state), *map(link_statement, linked.links)]
