"""OTLP traces in JSON, read with msgspec: protobuf's own JSON reading takes ids for base64 and breaks them.

Ids are hex in any case, integers are numbers or texts, enumerations are numbers or names, null is absent, and fields
nobody knows are ignored.
"""

import base64
import binascii
from functools import partial
from typing import Any, Final, Generic, TypeVar

import msgspec

from flowtrail.intake.foreign.otlp_groups import Group, Origins
from flowtrail.intake.foreign.otlp_plain import Row
from flowtrail.intake.foreign.otlp_spans import (
    KINDS,
    OK,
    UNSET,
    Attributes,
    Dropped,
    Event,
    Resource,
    Scope,
    Span,
    SpanLink,
)
from flowtrail.model.errors import Refusal

Number = int | str | float | None
_STATUSES: Final = ("STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR")
_KINDS: Final = tuple(f"SPAN_KIND_{kind.upper()}" for kind in KINDS)
_NUMBERS: Final = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


class _Shape(msgspec.Struct, rename="camel", gc=False):
    """Unknown fields are ignored."""


class WireValue(_Shape):
    """One of these."""

    string_value: str | None = None
    bool_value: bool | None = None
    int_value: Number = None
    double_value: Number = None
    array_value: "WireArray | None" = None
    kvlist_value: "WireMap | None" = None
    bytes_value: str | None = None


class WireArray(_Shape):
    """A list of values."""

    values: list[WireValue | None] | None = None


class WireAttribute(_Shape):
    """A name and a value."""

    key: str | None = None
    value: WireValue | None = None


class WireMap(_Shape):
    """A map of values."""

    values: list[WireAttribute] | None = None


class WireEvent(_Shape):
    """An event."""

    time_unix_nano: Number = None
    name: str | None = None
    attributes: list[WireAttribute] | None = None
    dropped_attributes_count: Number = None


class WireLink(_Shape):
    """A link to another span."""

    trace_id: str | None = None
    span_id: str | None = None
    trace_state: str | None = None
    attributes: list[WireAttribute] | None = None
    dropped_attributes_count: Number = None
    flags: Number = None


class WireStatus(_Shape):
    """How a span ended."""

    message: str | None = None
    code: Number = None


class WireSpan(_Shape):
    """A span. Attributes, events and links stay JSON until somebody needs them."""

    trace_id: str | None = None
    span_id: str | None = None
    trace_state: str | None = None
    parent_span_id: str | None = None
    flags: Number = None
    name: str | None = None
    kind: Number = None
    start_time_unix_nano: Number = None
    end_time_unix_nano: Number = None
    attributes: list[msgspec.Raw] | None = None
    dropped_attributes_count: Number = None
    events: list[msgspec.Raw] | None = None
    dropped_events_count: Number = None
    links: list[msgspec.Raw] | None = None
    dropped_links_count: Number = None
    status: WireStatus | None = None


class WireScope(_Shape):
    """An instrumentation scope."""

    name: str | None = None
    version: str | None = None
    attributes: list[WireAttribute] | None = None
    dropped_attributes_count: Number = None


class WireResource(_Shape):
    """What produced spans."""

    attributes: list[WireAttribute] | None = None
    dropped_attributes_count: Number = None


Spans = TypeVar("Spans")


class WireScopeSpans(_Shape, Generic[Spans]):
    """Spans of one scope."""

    scope: msgspec.Raw = msgspec.Raw(b"null")
    spans: list[Spans] | None = None
    schema_url: str | None = None


class WireResourceSpans(_Shape, Generic[Spans]):
    """Spans of one resource."""

    resource: msgspec.Raw = msgspec.Raw(b"null")
    scope_spans: list[WireScopeSpans[Spans]] | None = None
    schema_url: str | None = None


class WireTraces(_Shape, Generic[Spans]):
    """A whole body."""

    resource_spans: list[WireResourceSpans[Spans]] | None = None


_decode_traces = msgspec.json.Decoder(WireTraces[WireSpan]).decode
_decode_raw_traces = msgspec.json.Decoder(WireTraces[msgspec.Raw]).decode
_decode_span = msgspec.json.Decoder(WireSpan).decode
_decode_attribute = msgspec.json.Decoder(WireAttribute).decode
_decode_event = msgspec.json.Decoder(WireEvent).decode
_decode_link = msgspec.json.Decoder(WireLink).decode
_decode_resource = msgspec.json.Decoder(WireResource | None).decode
_decode_scope = msgspec.json.Decoder(WireScope | None).decode
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Groups:
    """The spans of bodies, by resource and scope."""

    def __init__(self) -> None:
        self._origins = Origins(read_resource, read_scope)

    def __call__(self, body: bytes) -> list[Group]:
        """The groups of a body. Raises: Refusal (`invalid_json`)."""
        traces: Any
        try:
            traces, plain = _decode_traces(body), True
        except _UNREADABLE:
            # A single span may be the reason: each is read for itself.
            traces, plain = _parse(body), False
        found = []
        for at_resource, resource in enumerate(traces.resource_spans or ()):
            for at_scope, scope in enumerate(resource.scope_spans or ()):
                spans: list[Any] = scope.spans or []
                shared = self._origins.shared(
                    bytes(resource.resource), resource.schema_url, bytes(scope.scope), scope.schema_url
                )
                found.append(
                    Group(
                        f"resource_spans[{at_resource}].scope_spans[{at_scope}]",
                        len(spans),
                        [_row(span) for span in spans] if plain else None,
                        shared,
                        partial(_span_at, spans),
                    )
                )
        return found


def _parse(body: bytes) -> WireTraces[msgspec.Raw]:
    """The body; its spans stay JSON."""
    try:
        traces: WireTraces[msgspec.Raw] = _decode_raw_traces(body)
    except _UNREADABLE as error:
        raise Refusal(
            "invalid_json",
            f"the body is no ExportTraceServiceRequest: {_said(error)}",
            "body",
            None,
            "opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest as JSON",
        ) from None
    return traces


def _row(wire: WireSpan) -> Row:
    """A span as `otlp_plain` takes it; one of no trace where it cannot be."""
    status = wire.status
    try:
        plain = (
            b""
            if status is None
            else _STATUS_KEYS.get((read_number(status.code, "", _STATUSES), status.message or ""))
        )
        return (
            read_id(wire.trace_id, ""),
            read_id(wire.span_id, ""),
            read_id(wire.parent_span_id, ""),
            wire.name or "",
            read_number(wire.kind, "", _KINDS),
            read_number(wire.start_time_unix_nano, ""),
            read_number(wire.end_time_unix_nano, ""),
            _count(wire.flags, ""),
            plain,
            map(bytes, wire.attributes or ()),
            wire.events,
            wire.links,
            wire.trace_state,
            wire.dropped_attributes_count,
            wire.dropped_events_count,
            wire.dropped_links_count,
        )
    except Refusal:
        return _NO_ROW


_NO_ROW: Final[Row] = (b"", b"", b"", "", 0, 0, 0, 0, None, (), None, None, None, None, None, None)
_STATUS_KEYS: Final = {(UNSET, ""): b"", (OK, ""): b"\x18\x01"}


def _span_at(spans: list[Any], place: int) -> Span:
    span = spans[place]
    return read_span(span if isinstance(span, WireSpan) else decode_span(bytes(span)))


def read_resource(encoded: bytes, schema_url: str | None) -> Resource:
    """A resource. Raises: Refusal."""
    told: WireResource = _decoded(_decode_resource, encoded, "resource") or WireResource()
    return Resource(
        _pairs(told.attributes),
        schema_url or "",
        _count(told.dropped_attributes_count, "resource.dropped_attributes_count"),
    )


def read_scope(encoded: bytes, schema_url: str | None) -> Scope:
    """A scope. Raises: Refusal."""
    told: WireScope = _decoded(_decode_scope, encoded, "scope") or WireScope()
    return Scope(
        told.name or "",
        told.version or "",
        _pairs(told.attributes),
        schema_url or "",
        _count(told.dropped_attributes_count, "scope.dropped_attributes_count"),
    )


def read_attribute(encoded: bytes) -> tuple[str, Any]:
    """Name and value of one attribute. Raises: Refusal."""
    wire = _decoded(_decode_attribute, encoded, "attributes")
    return wire.key or "", _value(wire.value)


def decode_span(encoded: bytes) -> WireSpan:
    """A span's outer form. Raises: Refusal (`invalid_json`)."""
    span: WireSpan = _decoded(_decode_span, encoded, None)
    return span


def read_span(wire: WireSpan) -> Span:
    """A span. Raises: Refusal (`invalid_json`, `invalid_id`, `wrong_type`)."""
    status = wire.status or WireStatus()
    return Span(
        read_id(wire.trace_id, "trace_id"),
        read_id(wire.span_id, "span_id"),
        read_id(wire.parent_span_id, "parent_span_id"),
        wire.name or "",
        read_number(wire.kind, "kind", _KINDS),
        read_number(wire.start_time_unix_nano, "start_time_unix_nano"),
        read_number(wire.end_time_unix_nano, "end_time_unix_nano"),
        [read_attribute(bytes(each)) for each in wire.attributes or ()],
        tuple(_event(bytes(each)) for each in wire.events or ()),
        tuple(_link(bytes(each)) for each in wire.links or ()),
        read_number(status.code, "status.code", _STATUSES),
        status.message or "",
        _count(wire.flags, "flags"),
        wire.trace_state or "",
        Dropped(
            _count(wire.dropped_attributes_count, "dropped_attributes_count"),
            _count(wire.dropped_events_count, "dropped_events_count"),
            _count(wire.dropped_links_count, "dropped_links_count"),
        ),
    )


def _event(encoded: bytes) -> Event:
    wire: WireEvent = _decoded(_decode_event, encoded, "events")
    return Event(
        wire.name or "",
        read_number(wire.time_unix_nano, "events.time_unix_nano"),
        _pairs(wire.attributes),
        _count(wire.dropped_attributes_count, "events.dropped_attributes_count"),
    )


def _link(encoded: bytes) -> SpanLink:
    wire: WireLink = _decoded(_decode_link, encoded, "links")
    return SpanLink(
        read_id(wire.trace_id, "links.trace_id"),
        read_id(wire.span_id, "links.span_id"),
        _pairs(wire.attributes),
        wire.trace_state or "",
        _count(wire.flags, "links.flags"),
        _count(wire.dropped_attributes_count, "links.dropped_attributes_count"),
    )


def read_id(text: str | None, field: str) -> bytes:
    """An id in hex of any case. Raises: Refusal (`invalid_id`)."""
    if not text:
        return b""
    try:
        return binascii.unhexlify(text)
    except (binascii.Error, ValueError):
        raise Refusal("invalid_id", "the id is not hex", field, text, "hex digits of any case") from None


def read_number(value: Number, field: str, words: tuple[str, ...] = ()) -> int:
    """An integer as a number or as text, or one of these words; absent is 0. Raises: Refusal (`wrong_type`)."""
    if value is None or value == "":
        return 0
    if isinstance(value, str):
        if value in words:
            return words.index(value)
        sign, digits = value[:1] == "-", value.removeprefix("-")
        if digits.isascii() and digits.isdigit() and len(digits) <= 20:
            return -int(digits) if sign else int(digits)
    elif isinstance(value, int):
        return value
    elif value.is_integer():
        return int(value)
    raise Refusal("wrong_type", "an integer is needed here", field, value, "an integer, as number or text")


def _count(value: Number, field: str) -> int:
    return max(read_number(value, field), 0)


def _value(wire: WireValue | None) -> Any:
    if wire is None:
        return None
    if wire.string_value is not None:
        return wire.string_value
    if wire.bool_value is not None:
        return wire.bool_value
    if wire.int_value is not None:
        return read_number(wire.int_value, "attributes.int_value")
    if wire.double_value is not None:
        return _double(wire.double_value)
    if wire.array_value is not None:
        return [_value(each) for each in wire.array_value.values or ()]
    if wire.kvlist_value is not None:
        return dict(_pairs(wire.kvlist_value.values))
    if wire.bytes_value is not None:
        return _bytes(wire.bytes_value)
    return None


def _double(value: str | float) -> float:
    if not isinstance(value, str):
        return float(value)
    if value in _NUMBERS:
        return _NUMBERS[value]
    try:
        return float(msgspec.json.decode(value, type=float))
    except msgspec.MsgspecError:
        raise Refusal(
            "wrong_type", "a number is needed here", "attributes.double_value", value, "a number"
        ) from None


def _bytes(text: str) -> bytes:
    standard = text.replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except ValueError:
        raise Refusal("wrong_type", "bytes are base64", "attributes.bytes_value", text, "base64") from None


def _pairs(attributes: list[WireAttribute] | None) -> Attributes:
    return [(each.key or "", _value(each.value)) for each in attributes or ()]


def _decoded(decode: Any, encoded: bytes, field: str | None) -> Any:
    try:
        return decode(encoded)
    except _UNREADABLE as error:
        raise Refusal("invalid_json", _said(error), field, None, "JSON as OTLP defines it") from None


def _said(error: BaseException) -> str:
    text = str(error)
    return text if text[:4] == "JSON" else f"{text[:1].lower()}{text[1:]}"
