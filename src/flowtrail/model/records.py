"""The six kinds of records in their canonical form: what a page holds and what projection folds.

`intake.wire` turns what producers send into these; nothing else makes them from foreign input, so everything
below may rely on: instants are integer microseconds since the epoch within [2000, 2200), ids are bytes of their
length, `at` is set on everything but a link, text is valid Unicode without NUL, empty maps and lists are None,
a block's `status` is set wherever the record implies one, and every limit of `model.limits` holds.

Records are msgpack arrays with a tag in front (`array_like`): half the size of maps, and appending a field with a
default keeps old pages readable. Maps inside are encoded with sorted names, so equal records are equal bytes.
"""

from typing import Any

import msgspec


class Record(msgspec.Struct, array_like=True, tag_field="kind", gc=False):
    """What all kinds share is their encoding; fields stand in each kind, since position is part of the format."""


class Frame(msgspec.Struct, omit_defaults=True, frozen=True):
    """One line of a stack."""

    module: str | None = None
    function: str | None = None
    file: str | None = None
    line: int | None = None
    in_app: bool | None = None


class ExceptionInfo(msgspec.Struct, omit_defaults=True, frozen=True, rename={"kind": "type"}):
    """An exception as the producer saw it; `kind` is `type` on the wire; `cause` is what it was raised from."""

    kind: str
    message: str | None = None
    module: str | None = None
    stacktrace: str | None = None
    frames: list[Frame] | None = None
    cause: "ExceptionInfo | None" = None
    raised_at: int | None = None


class Skip(msgspec.Struct, omit_defaults=True, frozen=True):
    """Why a block did not run; never a failure."""

    predicate: str
    reason: str | None = None
    expected: Any = None
    actual: Any = None


class TransactionRecord(Record, tag="transaction"):
    """Announces or corrects a transaction. In a pruned state, `flow`, `object_type`, `object_id` may be ""."""

    id: bytes
    at: int
    producer: str | None = None
    seq: int | None = None
    flow: str = ""
    object_type: str = ""
    object_id: str = ""
    version: str | None = None
    keys: dict[str, str] | None = None
    attributes: dict[str, Any] | None = None
    created_at: int | None = None
    deadline_at: int | None = None
    attempt: int | None = None
    retry_of: bytes | None = None
    trace: str | None = None
    value: str | None = None
    currency: str | None = None


class BlockRecord(Record, tag="block"):
    """One statement about an execution. In a pruned state, `block` may be ""."""

    transaction: bytes
    at: int
    producer: str | None = None
    seq: int | None = None
    id: bytes = b""
    block: str = ""
    status: str | None = None
    queued_at: int | None = None
    started_at: int | None = None
    ended_at: int | None = None
    stage: str | None = None
    parent: bytes | None = None
    attempt: int | None = None
    worker: str | None = None
    usage: dict[str, float] | None = None
    details: dict[str, Any] | None = None
    exceptions: list[ExceptionInfo] | None = None
    skip: Skip | None = None


class EndRecord(Record, tag="end"):
    """How an attempt of a transaction ended."""

    transaction: bytes
    at: int
    producer: str | None = None
    seq: int | None = None
    outcome: str = ""
    attempt: int = 1
    ended_at: int | None = None
    reason: str | None = None
    predicate: str | None = None


class LinkRecord(Record, tag="link"):
    """A relation between two transactions; the set of links only grows."""

    parent: bytes
    child: bytes
    relation: str
    at: int | None = None
    producer: str | None = None
    seq: int | None = None


class BlockDefinition(msgspec.Struct, omit_defaults=True, frozen=True):
    """A block as a flow declares it."""

    name: str
    stage: str | None = None
    workers: int | None = None


class FlowRecord(Record, tag="flow"):
    """The declaration of a flow's version."""

    at: int
    producer: str | None = None
    seq: int | None = None
    flow: str = ""
    version: str = ""
    stages: list[str] | None = None
    blocks: list[BlockDefinition] | None = None
    deadline_s: float | None = None


class ReportRecord(Record, tag="report"):
    """A producer session's own count, cumulative since the session began."""

    at: int
    producer: str
    seq: int
    produced: int = 0
    sent: int = 0
    dropped: dict[str, int] | None = None


AnyRecord = TransactionRecord | BlockRecord | EndRecord | LinkRecord | FlowRecord | ReportRecord

_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder = msgspec.msgpack.Decoder(AnyRecord)
_list_decoder = msgspec.msgpack.Decoder(list[AnyRecord])

encode_record = _encoder.encode
"""The canonical bytes of a record, or of a list of records."""

decode_record = _decoder.decode
"""A record from its canonical bytes. Raises: msgspec.DecodeError."""

decode_records = _list_decoder.decode
"""Records from the canonical bytes of a list. Raises: msgspec.DecodeError."""
