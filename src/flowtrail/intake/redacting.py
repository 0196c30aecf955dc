"""Redaction at intake: what producers sent, without what must not be kept, before anything of it is written.

A producer redacts what it knows of; here an operator has the last word, for every protocol alike. Records are taken
apart only where there are rules, so that without any it costs a comparison a request.
"""

from collections import Counter
from typing import Any

import msgspec

from flowtrail.intake.wire import Decoded, Rejected
from flowtrail.model.records import (
    AnyRecord,
    BlockDefinition,
    BlockRecord,
    ExceptionInfo,
    FlowRecord,
    LinkRecord,
    Skip,
    decode_record,
    encode_record,
)
from flowtrail.model.redaction import Redaction


def redact(decoded: Decoded, rules: Redaction) -> Counter[str]:
    """Redact records, and the producers of those that were refused; what was taken out, by why.

    A record of a block or an end does not say its flow, and is under the rules of every flow: whatever came with it
    may come without it the next time, and the same record must end the same.
    """
    counts: Counter[str] = Counter()
    encoded = [_redacted(each, rules, counts) for each in decoded.encoded]
    if counts:
        decoded.replace(encoded)
    for index, rejected in enumerate(decoded.rejected):
        decoded.rejected[index] = _without_producer(rejected, rules, counts)
    return counts


def _redacted(encoded: bytes, rules: Redaction, counts: Counter[str]) -> bytes:
    record = decode_record(encoded)
    if isinstance(record, LinkRecord) and record.producer is None:
        return encoded
    before = counts.total()
    fields = _fields(record)
    rules.apply(fields, fields.get("flow"), counts, len(encoded))
    return encoded if counts.total() == before else encode_record(_record(type(record), fields))


def _fields(record: AnyRecord) -> dict[str, Any]:
    fields = msgspec.structs.asdict(record)
    if isinstance(record, BlockRecord):
        for name in ("exceptions", "skip"):
            if fields[name] is not None:
                fields[name] = msgspec.to_builtins(fields[name])
    elif isinstance(record, FlowRecord) and record.blocks is not None:
        fields["blocks"] = msgspec.to_builtins(record.blocks)
    return fields


def _record(kind: type[AnyRecord], fields: dict[str, Any]) -> AnyRecord:
    for name, nested in (
        ("exceptions", list[ExceptionInfo]),
        ("skip", Skip),
        ("blocks", list[BlockDefinition]),
    ):
        if fields.get(name) is not None:
            fields[name] = msgspec.convert(fields[name], nested)
    return kind(**fields)


def _without_producer(rejected: Rejected, rules: Redaction, counts: Counter[str]) -> Rejected:
    """The page that tells of the others names the producer of one that was refused."""
    if rejected.producer is None:
        return rejected
    fields = {"producer": rejected.producer}
    rules.apply(fields, None, counts, len(rejected.producer))
    return (
        rejected if fields["producer"] == rejected.producer else msgspec.structs.replace(rejected, **fields)
    )
