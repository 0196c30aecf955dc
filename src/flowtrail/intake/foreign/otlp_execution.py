"""The execution that a span is."""

from typing import Any, Final

from flowtrail.intake.foreign import otlp_conventions as names
from flowtrail.intake.foreign.otlp_details import exceptions_of, usage_of
from flowtrail.intake.foreign.otlp_reading import Reading
from flowtrail.intake.foreign.otlp_spans import (
    CLIENT,
    CONSUMER,
    ERROR,
    HAS_IS_REMOTE,
    INTERNAL,
    IS_REMOTE,
    NO_PARENT,
    PRODUCER,
    SERVER,
    UNSET,
    UNSPECIFIED,
    Span,
)
from flowtrail.intake.foreign.otlp_values import as_text
from flowtrail.model.limits import MAX_ATTEMPT, MAX_NAME_CHARS, MAX_REASON_CHARS
from flowtrail.model.records import BlockRecord, Skip

STAGES: Final = {
    UNSPECIFIED: "processing",
    INTERNAL: "processing",
    SERVER: "ingress",
    CONSUMER: "ingress",
    CLIENT: "egress",
    PRODUCER: "egress",
}


def enters(span: Span) -> bool:
    """Whether work comes into a service with this span: what made it is then told again."""
    if span.flags & HAS_IS_REMOTE:
        return bool(span.flags & IS_REMOTE)
    return span.kind in {SERVER, CONSUMER}


def block_of(reading: Reading) -> BlockRecord:
    """The span's execution, without its details: these count what all the rest had to cut."""
    span, cuts = reading.span, reading.cuts
    skip = _skip(reading)
    exceptions = exceptions_of(span, reading.told, cuts)
    return BlockRecord(
        transaction=reading.id,
        at=max(reading.started, reading.ended or 0),
        id=span.span_id,
        block=_name(reading),
        status=_status(reading, skip),
        started_at=reading.started,
        ended_at=reading.ended,
        stage=_stage(reading),
        parent=None if span.parent_id in NO_PARENT else span.parent_id,
        attempt=_attempt(reading),
        worker=reading.text(names.WORKER) or reading.origin.worker,
        usage=usage_of(reading.told, cuts, reading.used),
        exceptions=None if skip else exceptions,
        skip=skip,
    )


def _status(reading: Reading, skip: Skip | None) -> str:
    if skip is not None:
        return "skipped"
    if reading.span.status == ERROR or (reading.span.status == UNSET and _escaped(reading)):
        return "failed"
    return "running" if reading.ended is None else "succeeded"


def _escaped(reading: Reading) -> bool:
    return any(
        event.name == names.EXCEPTION and dict(event.attributes).get(names.EXCEPTION_ESCAPED) is True
        for event in reading.span.events
    )


def _name(reading: Reading) -> str:
    said = reading.text(names.BLOCK) or reading.cuts.text(reading.span.name, MAX_NAME_CHARS)
    if said:
        return said
    for row in names.BLOCKS:
        held = names.first(reading.told, row)
        if held is not None:
            return reading.cuts.text(as_text(held), MAX_NAME_CHARS)
    return "unnamed"


def _stage(reading: Reading) -> str:
    said = reading.text(names.STAGE)
    if said:
        return said
    if reading.span.kind == CLIENT and any(name in reading.told for name in names.DATABASES):
        return "processing"
    return STAGES.get(reading.span.kind, "processing")


def _attempt(reading: Reading) -> int | None:
    said = reading.told.get(names.ATTEMPT)
    if _is_attempt(said):
        return int(reading.use(names.ATTEMPT))
    before = names.first(reading.told, names.ATTEMPTS_BEFORE)
    return before + 1 if type(before) is int and _is_attempt(before + 1) else None


def _is_attempt(value: Any) -> bool:
    return type(value) is int and 1 <= value <= MAX_ATTEMPT


def _skip(reading: Reading) -> Skip | None:
    predicate = reading.text(names.SKIP)
    if not predicate:
        return None
    compared = [
        reading.cuts.value(reading.use(name)) if name in reading.told else None
        for name in (names.SKIP_EXPECTED, names.SKIP_ACTUAL)
    ]
    return Skip(predicate, reading.text(names.SKIP_REASON, MAX_REASON_CHARS), *compared)
