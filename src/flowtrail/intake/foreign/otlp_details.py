"""What a span tells about its execution beyond what our records have fields for: details, exceptions, usage."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Any, Final

from flowtrail.intake.foreign import otlp_conventions as names
from flowtrail.intake.foreign.otlp_origin import Origin
from flowtrail.intake.foreign.otlp_spans import (
    ERROR,
    HAS_IS_REMOTE,
    IS_REMOTE,
    KINDS,
    OK,
    SAMPLED,
    Attributes,
    Event,
    Span,
    SpanLink,
)
from flowtrail.intake.foreign.otlp_values import Cuts, as_text
from flowtrail.model.instants import format_instant
from flowtrail.model.limits import (
    MAX_DEPTH,
    MAX_EXCEPTIONS,
    MAX_MAP_NAMES,
    MAX_OBJECT_ID_CHARS,
    MAX_USAGE,
    NEWEST_INSTANT_US,
    OLDEST_INSTANT_US,
)
from flowtrail.model.records import ExceptionInfo

CUT: Final = "flowtrail.cut"
"""The detail that counts what was cut or left out of this span."""
MAX_EVENTS: Final = 256
"""Events, and links, kept of one span: twice what SDKs send."""
_PLAIN: Final = frozenset({names.EXCEPTION_TYPE, names.EXCEPTION_MESSAGE, names.EXCEPTION_STACKTRACE})


def details_of(
    span: Span, origin: Origin, cuts: Cuts, *, entering: bool, used: AbstractSet[str]
) -> dict[str, Any]:
    """Everything about a span that has no field of its own, by name; at most 64 names, the most useful ones.

    `used` are attributes that have.
    """
    found = extras_of(span, cuts) | origin.details
    cuts.count += origin.cuts
    if entering:
        found |= origin.arrival
        cuts.count += origin.arrival_cuts
    room = MAX_MAP_NAMES - len(found)
    said = [pair for pair in span.attributes if pair[0] not in used] if used else span.attributes
    if len(said) > room or cuts.count:
        room -= 1  # for the mark
    if len(said) > room:
        said = _useful(dict(said).items())
    kept = cuts.map(said, MAX_DEPTH, room)
    if cuts.count and len(kept) + len(found) == MAX_MAP_NAMES:
        # Only now the mark is needed: one of those that just fitted had to be cut.
        kept = dict(_useful(kept.items())[:-1])
        cuts.count += 1
    found = {**kept, **found}
    if cuts.count:
        found[CUT] = cuts.count
    return found


def _useful(said: Iterable[tuple[str, Any]]) -> Attributes:
    def rank(pair: tuple[str, Any]) -> int:
        return next(
            (place for place, prefix in enumerate(names.USEFUL) if pair[0].startswith(prefix)),
            len(names.USEFUL),
        )

    return sorted(said, key=rank)


def extras_of(span: Span, cuts: Cuts) -> dict[str, Any]:
    """What OpenTelemetry knows of a span besides its attributes, under the names it gives them elsewhere."""
    found: dict[str, Any] = {}
    if span.kind:
        found["otel.kind"] = KINDS[span.kind] if 0 < span.kind < len(KINDS) else str(span.kind)
    if span.status == OK:
        found["otel.status_code"] = "OK"
    if span.message:
        found["otel.status_description"] = cuts.text(span.message)
    if span.trace_state:
        found["otel.trace_state"] = cuts.text(span.trace_state)
    if span.flags & IS_REMOTE:
        found["otel.parent_is_remote"] = True
    if span.flags & ~(HAS_IS_REMOTE | IS_REMOTE | SAMPLED):
        found["otel.flags"] = span.flags
    for what, count in zip(("attributes", "events", "links"), span.dropped, strict=True):
        if count:
            found[f"otel.dropped_{what}_count"] = count
    events = [told for event in span.events if (told := _event(event, cuts))]
    if events:
        found["otel.events"] = _bounded(events, cuts)
    if span.links:
        found["otel.links"] = _bounded(
            [_link(link, cuts) for link in span.links[: MAX_EVENTS + 1]], cuts, len(span.links)
        )
    return found


def _bounded(items: list[Any], cuts: Cuts, count: int | None = None) -> list[Any]:
    cuts.count += max((len(items) if count is None else count) - MAX_EVENTS, 0)
    return items[:MAX_EVENTS]


def _event(event: Event, cuts: Cuts) -> dict[str, Any] | None:
    """An event, without what its exception says of it; None when that is all."""
    attributes = event.attributes
    if event.name == names.EXCEPTION:
        attributes = [pair for pair in attributes if pair[0] not in _PLAIN]
        if not attributes and not event.dropped:
            return None
    told: dict[str, Any] = {"name": cuts.text(event.name)}
    if event.at_ns:
        at = _instant(event.at_ns)
        told["at"] = cuts.value(event.at_ns) if at is None else format_instant(at)
    if attributes:
        told["attributes"] = cuts.map(attributes, MAX_DEPTH - 3, MAX_MAP_NAMES)
    if event.dropped:
        told["dropped_attributes_count"] = event.dropped
    return told


def _link(link: SpanLink, cuts: Cuts) -> dict[str, Any]:
    told: dict[str, Any] = {"trace_id": link.trace_id.hex(), "span_id": link.span_id.hex()}
    if link.trace_state:
        told["trace_state"] = cuts.text(link.trace_state)
    if link.attributes:
        told["attributes"] = cuts.map(link.attributes, MAX_DEPTH - 3, MAX_MAP_NAMES)
    if link.dropped:
        told["dropped_attributes_count"] = link.dropped
    return told


def exceptions_of(span: Span, told: dict[str, Any], cuts: Cuts) -> list[ExceptionInfo] | None:
    """The exceptions among its events; else what its error status says, where that says anything."""
    found = [_exception(event, cuts) for event in span.events if event.name == names.EXCEPTION]
    if not found and span.status == ERROR:
        kind = names.first(told, names.ERROR_TYPES)
        if kind is not None or span.message:
            message = cuts.text(span.message) or None
            found.append(ExceptionInfo(_kind(kind, cuts), message))
    if len(found) > MAX_EXCEPTIONS:
        cuts.count += len(found) - MAX_EXCEPTIONS
    return found[:MAX_EXCEPTIONS] or None


def _kind(kind: Any, cuts: Cuts) -> str:
    return cuts.text(as_text("error" if kind is None else kind), MAX_OBJECT_ID_CHARS) or "error"


def _exception(event: Event, cuts: Cuts) -> ExceptionInfo:
    told = dict(event.attributes)
    message, stacktrace = (
        None if (held := told.get(name)) is None else cuts.text(as_text(held)) or None
        for name in (names.EXCEPTION_MESSAGE, names.EXCEPTION_STACKTRACE)
    )
    return ExceptionInfo(
        _kind(told.get(names.EXCEPTION_TYPE), cuts),
        message,
        None,
        stacktrace,
        raised_at=_instant(event.at_ns),
    )


def _instant(ns: int) -> int | None:
    us = ns // 1_000
    return us if OLDEST_INSTANT_US <= us < NEWEST_INSTANT_US else None


def usage_of(told: dict[str, Any], cuts: Cuts, used: set[str]) -> dict[str, float] | None:
    """What the execution used, as far as the span counts it; attributes of ours that say so go to `used`."""
    found: dict[str, float] = {}
    for name, value in told.items():
        if name.startswith(names.USAGE) and name != names.USAGE and _is_usage(value):
            found[cuts.name(name.removeprefix(names.USAGE))] = float(value)
            used.add(name)
    for named in names.USAGES:
        value = names.first(told, named.attributes)
        if named.name not in found and _is_usage(value):
            found[named.name] = float(value)
    if len(found) > MAX_MAP_NAMES:
        cuts.count += len(found) - MAX_MAP_NAMES
    return dict(list(found.items())[:MAX_MAP_NAMES]) or None


def _is_usage(value: Any) -> bool:
    return type(value) in {int, float} and 0 <= value <= MAX_USAGE
