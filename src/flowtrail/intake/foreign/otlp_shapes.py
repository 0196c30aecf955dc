"""OTLP's JSON as msgspec reads it: names in camel case, null for what is absent, anything unknown ignored."""

from typing import Generic, TypeVar

import msgspec

Number = int | str | float | None


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


class WireNothing(_Shape):
    """Anything of which only its being there counts."""


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
