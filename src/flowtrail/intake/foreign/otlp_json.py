"""OTLP traces in JSON, read with msgspec: protobuf's own JSON reading takes ids for base64 and breaks them.

Ids are hex in any case, integers are numbers or texts, enumerations are numbers or names, null is absent, and fields
nobody knows are ignored.
"""

import base64
import binascii
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec

from flowtrail.intake.foreign.otlp_groups import Group, Origins, check_count
from flowtrail.intake.foreign.otlp_plain import NOTHING, Row
from flowtrail.intake.foreign.otlp_shapes import (
    Number,
    WireAttribute,
    WireEvent,
    WireLink,
    WireNothing,
    WireResource,
    WireScope,
    WireSpan,
    WireStatus,
    WireTraces,
    WireValue,
)
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
    check_parts,
)
from flowtrail.model.errors import Refusal

_STATUSES: Final = ("STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR")
_KINDS: Final = tuple(f"SPAN_KIND_{kind.upper()}" for kind in KINDS)
_DIGITS: Final = 20
"""Of the largest integer."""
_NUMBERS: Final = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


_decode_traces = msgspec.json.Decoder(WireTraces[WireSpan]).decode
_decode_outline = msgspec.json.Decoder(WireTraces[WireNothing]).decode
_decode_raw_traces = msgspec.json.Decoder(WireTraces[msgspec.Raw]).decode
_decode_span = msgspec.json.Decoder(WireSpan).decode
_decode_attribute = msgspec.json.Decoder(WireAttribute).decode
_decode_event = msgspec.json.Decoder(WireEvent).decode
_decode_link = msgspec.json.Decoder(WireLink).decode
_decode_resource = msgspec.json.Decoder(WireResource | None).decode
_decode_scope = msgspec.json.Decoder(WireScope | None).decode
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_UNCOUNTED_BYTES: Final = 1024 * 1024
"""Of a body whose spans need not be counted first, which costs a fifteenth of reading: they take 150 MiB at most."""


class Groups:
    """The spans of bodies, by resource and scope."""

    def __init__(self) -> None:
        self._origins = Origins(read_resource, read_scope)

    def __call__(self, body: bytes) -> list[Group]:
        """The groups of a body. Raises: Refusal (`invalid_json`; 413 `too_many_records`)."""
        traces: Any
        try:
            if len(body) > _UNCOUNTED_BYTES:
                _count(_decode_outline(body))
            traces, plain = _decode_traces(body), True
        except _UNREADABLE:
            # A single span may be the reason: each is read for itself.
            traces, plain = _parse(body), False
        _count(traces)
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


def _count(traces: WireTraces[Any]) -> None:
    resources = traces.resource_spans or ()
    scopes = [scope for resource in resources for scope in resource.scope_spans or ()]
    check_count(len(resources), len(scopes), sum(len(scope.spans or ()) for scope in scopes))


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
            else _STATUS_KEYS.get((read_number(status.code, "", INT32, _STATUSES), status.message or ""))
        )
        return (
            read_id(wire.trace_id, ""),
            read_id(wire.span_id, ""),
            read_id(wire.parent_span_id, ""),
            wire.name or "",
            read_number(wire.kind, "", INT32, _KINDS),
            read_number(wire.start_time_unix_nano, "", UINT64),
            read_number(wire.end_time_unix_nano, "", UINT64),
            read_number(wire.flags, "", UINT32),
            plain,
            map(bytes, wire.attributes or ()),
            wire.events or NOTHING,
            wire.links or NOTHING,
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
        read_number(told.dropped_attributes_count, "resource.dropped_attributes_count", UINT32),
    )


def read_scope(encoded: bytes, schema_url: str | None) -> Scope:
    """A scope. Raises: Refusal."""
    told: WireScope = _decoded(_decode_scope, encoded, "scope") or WireScope()
    return Scope(
        told.name or "",
        told.version or "",
        _pairs(told.attributes),
        schema_url or "",
        read_number(told.dropped_attributes_count, "scope.dropped_attributes_count", UINT32),
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
    """A span. Raises: Refusal (`invalid_json`, `invalid_id`, `wrong_type`, `too_many`)."""
    check_parts(attributes=wire.attributes, events=wire.events, links=wire.links)
    status = wire.status or WireStatus()
    return Span(
        read_id(wire.trace_id, "trace_id"),
        read_id(wire.span_id, "span_id"),
        read_id(wire.parent_span_id, "parent_span_id"),
        wire.name or "",
        read_number(wire.kind, "kind", INT32, _KINDS),
        read_number(wire.start_time_unix_nano, "start_time_unix_nano", UINT64),
        read_number(wire.end_time_unix_nano, "end_time_unix_nano", UINT64),
        [read_attribute(bytes(each)) for each in wire.attributes or ()],
        tuple(_event(bytes(each)) for each in wire.events or ()),
        tuple(_link(bytes(each)) for each in wire.links or ()),
        read_number(status.code, "status.code", INT32, _STATUSES),
        status.message or "",
        read_number(wire.flags, "flags", UINT32),
        wire.trace_state or "",
        Dropped(
            read_number(wire.dropped_attributes_count, "dropped_attributes_count", UINT32),
            read_number(wire.dropped_events_count, "dropped_events_count", UINT32),
            read_number(wire.dropped_links_count, "dropped_links_count", UINT32),
        ),
    )


def _event(encoded: bytes) -> Event:
    wire: WireEvent = _decoded(_decode_event, encoded, "events")
    return Event(
        wire.name or "",
        read_number(wire.time_unix_nano, "events.time_unix_nano", UINT64),
        _pairs(wire.attributes),
        read_number(wire.dropped_attributes_count, "events.dropped_attributes_count", UINT32),
    )


def _link(encoded: bytes) -> SpanLink:
    wire: WireLink = _decoded(_decode_link, encoded, "links")
    return SpanLink(
        read_id(wire.trace_id, "links.trace_id"),
        read_id(wire.span_id, "links.span_id"),
        _pairs(wire.attributes),
        wire.trace_state or "",
        read_number(wire.flags, "links.flags", UINT32),
        read_number(wire.dropped_attributes_count, "links.dropped_attributes_count", UINT32),
    )


def read_id(text: str | None, field: str) -> bytes:
    """An id in hex of any case. Raises: Refusal (`invalid_id`)."""
    if not text:
        return b""
    try:
        return binascii.unhexlify(text)
    except (binascii.Error, ValueError):
        raise Refusal("invalid_id", "the id is not hex", field, text, "hex digits of any case") from None


class _Range(NamedTuple):
    """Integers of one type of protobuf."""

    least: int
    most: int


INT32: Final = _Range(-(1 << 31), (1 << 31) - 1)
UINT32: Final = _Range(0, (1 << 32) - 1)
INT64: Final = _Range(-(1 << 63), (1 << 63) - 1)
UINT64: Final = _Range(0, (1 << 64) - 1)


def read_number(value: Number, field: str, within: _Range, words: tuple[str, ...] = ()) -> int:
    """An integer as a number or as text, or one of these words; absent is 0.

    Raises: Refusal (`wrong_type`, `out_of_range`).
    """
    if value is None or value == "":
        return 0
    found: int | None = None
    if isinstance(value, str):
        digits = value.removeprefix("-")
        if value in words:
            return words.index(value)
        if digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS:
            found = int(value)
    elif isinstance(value, int) or value.is_integer():
        found = int(value)
    if found is None:
        raise Refusal(
            "wrong_type", "an integer is needed here", field, value, "an integer, as number or text"
        )
    if not within.least <= found <= within.most:
        raise Refusal(
            "out_of_range",
            "the number is out of range",
            field,
            found,
            f"from {within.least} to {within.most}",
        )
    return found


def _value(wire: WireValue | None) -> Any:
    if wire is None:
        return None
    if wire.string_value is not None:
        return wire.string_value
    if wire.bool_value is not None:
        return wire.bool_value
    if wire.int_value is not None:
        return read_number(wire.int_value, "attributes.int_value", INT64)
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
    if value in _NUMBERS:
        return _NUMBERS[str(value)]
    try:
        return float(msgspec.json.decode(value, type=float) if isinstance(value, str) else value)
    except (msgspec.MsgspecError, OverflowError):
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
