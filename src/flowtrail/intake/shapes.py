"""The records as producers send them, typed, so that msgspec reads and checks most of each in C.

Whatever these refuse, and what they cannot see (repeated names, NUL, depth, ids of zeros, what holds between
fields), `intake.suspects` judges. They may be stricter than it, never laxer. Flows and reports are rare and have no
shape here.
"""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from flowtrail.model.limits import (
    MAX_ATTEMPT,
    MAX_EXCEPTIONS,
    MAX_INTEGER,
    MAX_KEYS,
    MAX_MAP_NAMES,
    MAX_NAME_CHARS,
    MAX_OBJECT_ID_CHARS,
    MAX_REASON_CHARS,
    MAX_USAGE,
    NEWEST_INSTANT_US,
    OLDEST_INSTANT_US,
)
from flowtrail.model.statuses import ExecutionStatus, Outcome, Relation

TransactionHex = Annotated[str, Meta(min_length=32, max_length=32)]
ExecutionHex = Annotated[str, Meta(min_length=16, max_length=16)]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_CHARS)]
Findable = Annotated[str, Meta(min_length=1, max_length=MAX_OBJECT_ID_CHARS)]
KeyValue = Annotated[str, Meta(max_length=MAX_OBJECT_ID_CHARS)]
Reason = Annotated[str, Meta(min_length=1, max_length=MAX_REASON_CHARS)]
Text = Annotated[str, Meta(min_length=1)]
Instant = (
    Annotated[str, Meta(min_length=1)] | Annotated[int, Meta(ge=OLDEST_INSTANT_US, lt=NEWEST_INSTANT_US)]
)
Sequence = Annotated[int, Meta(ge=1, le=MAX_INTEGER)]
Attempt = Annotated[int, Meta(ge=1, le=MAX_ATTEMPT)]
Usage = Annotated[float, Meta(ge=0, le=MAX_USAGE)]


class Wire(msgspec.Struct, tag_field="kind", forbid_unknown_fields=True, gc=False, omit_defaults=True):
    """What all kinds share."""


class Part(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """What stands inside a record."""


class WireFrame(Part, kw_only=True):
    """A frame as sent; the fields stand as in `model.records.Frame`."""

    module: Text | None = None
    function: Text | None = None
    file: Text | None = None
    line: Annotated[int, Meta(ge=0, le=MAX_INTEGER)] | None = None
    in_app: bool | None = None


class WireException(Part, kw_only=True, rename={"exception_type": "type"}):
    """An exception as sent."""

    exception_type: Findable
    message: str | None = None
    module: Text | None = None
    stacktrace: Text | None = None
    frames: list[WireFrame] | None = None
    cause: "WireException | None" = None
    raised_at: Instant | None = None


class WireSkip(Part, kw_only=True):
    """A skip as sent; the fields stand as in `model.records.Skip`."""

    predicate: Name
    reason: Reason | None = None
    expected: Any = None
    actual: Any = None


class WireTransaction(Wire, kw_only=True, tag="transaction"):
    """A transaction as sent."""

    at: Instant | None = None
    created_at: Instant | None = None
    deadline_at: Instant | None = None
    id: TransactionHex
    producer: Name | None = None
    seq: Sequence | None = None
    flow: Name
    object_type: Name
    object_id: Findable
    version: Name | None = None
    keys: Annotated[dict[Name, KeyValue], Meta(max_length=MAX_KEYS)] | None = None
    attributes: Annotated[dict[Name, Any], Meta(max_length=MAX_MAP_NAMES)] | None = None
    attempt: Attempt | None = None
    retry_of: TransactionHex | None = None
    trace: Name | None = None
    value: Text | None = None
    currency: Text | None = None


class WireBlock(Wire, kw_only=True, tag="block"):
    """A statement about an execution as sent."""

    at: Instant | None = None
    queued_at: Instant | None = None
    started_at: Instant | None = None
    ended_at: Instant | None = None
    transaction: TransactionHex
    id: ExecutionHex
    block: Name
    producer: Name | None = None
    seq: Sequence | None = None
    status: ExecutionStatus | None = None
    stage: Name | None = None
    parent: ExecutionHex | None = None
    attempt: Attempt | None = None
    worker: Name | None = None
    usage: Annotated[dict[Name, Usage], Meta(max_length=MAX_MAP_NAMES)] | None = None
    details: Annotated[dict[Name, Any], Meta(max_length=MAX_MAP_NAMES)] | None = None
    exceptions: Annotated[list[WireException], Meta(max_length=MAX_EXCEPTIONS)] | None = None
    skip: WireSkip | None = None


class WireEnd(Wire, kw_only=True, tag="end"):
    """An end as sent."""

    at: Instant | None = None
    ended_at: Instant | None = None
    transaction: TransactionHex
    producer: Name | None = None
    seq: Sequence | None = None
    outcome: Outcome
    attempt: Attempt | None = None
    reason: Reason | None = None
    predicate: Name | None = None


class WireLink(Wire, kw_only=True, tag="link"):
    """A link as sent."""

    at: Instant | None = None
    parent: TransactionHex
    child: TransactionHex
    producer: Name | None = None
    seq: Sequence | None = None
    relation: Relation


INSTANTS: Final[dict[type, tuple[str, ...]]] = {
    WireTransaction: ("at", "created_at", "deadline_at"),
    WireBlock: ("at", "queued_at", "started_at", "ended_at"),
    WireEnd: ("at", "ended_at"),
    WireLink: ("at",),
}
"""The fields of a kind that are instants."""

_decoder = msgspec.json.Decoder(WireBlock | WireTransaction | WireEnd | WireLink)

decode_wire = _decoder.decode
"""A record from its JSON. Raises: msgspec.MsgspecError, UnicodeDecodeError, RecursionError."""

decode_wires = _decoder.decode_lines
"""Records from JSON texts one after the other, whether line ends part them or not. Raises: the same."""
