"""OTLP traces in protobuf: the official messages seen through types of ours, in which less is decoded.

The types are made from the official descriptors, field by field with the same numbers. In them, texts are bytes, so
that one that is not UTF-8 spoils its span and no other; attributes are bytes, since most were seen before and need
no decoding (`otlp_attributes`).
"""

from functools import partial
from operator import attrgetter
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from flowtrail.intake.foreign.otlp_groups import Group, Origins, check_count
from flowtrail.intake.foreign.otlp_plain import FIELDS
from flowtrail.intake.foreign.otlp_spans import (
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

_Field = descriptor_pb2.FieldDescriptorProto
_KEPT: Final = frozenset({"ResourceSpans", "ScopeSpans", "Span"})


def _view(package: str, singular: frozenset[str]) -> Any:
    """`TracesData` in which other messages and texts are bytes; of `singular` ones, the last that came, or `NOTHING`."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto2")
    for official in (trace_pb2.TracesData, trace_pb2.ResourceSpans, trace_pb2.ScopeSpans, trace_pb2.Span):
        message = file.message_type.add()
        official.DESCRIPTOR.CopyToProto(message)
        del message.nested_type[:], message.enum_type[:], message.reserved_range[:]
        for field in message.field:
            kind = field.type_name.rpartition(".")[2]
            field.ClearField("type_name")
            if kind in _KEPT:
                field.type_name = f".{package}.{kind}"
            elif field.type in {_Field.TYPE_MESSAGE, _Field.TYPE_STRING}:
                field.type = _Field.TYPE_BYTES
            elif field.type == _Field.TYPE_ENUM:
                field.type = _Field.TYPE_INT32
            if field.name in singular:
                field.label = _Field.LABEL_OPTIONAL
                field.default_value = "\\000"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.TracesData"))


TracesData: Final = _view("flowtrail.otlp", frozenset())
"""Everything."""
_Plain: Final = _view("flowtrail.otlp.plain", frozenset({"events", "links"}))
"""Enough to see which spans are ordinary: of events and links, whether there are any."""


def _parts(number: int) -> Any:
    """A message of which only the parts in that field are seen, as bytes."""
    package = f"flowtrail.otlp.parts{number}"
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    file.message_type.add(name="Parts").field.add(
        name="parts", number=number, type=_Field.TYPE_BYTES, label=_Field.LABEL_REPEATED
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.Parts"))


_Resources: Final = _parts(trace_pb2.TracesData.RESOURCE_SPANS_FIELD_NUMBER)
_Scopes: Final = _parts(trace_pb2.ResourceSpans.SCOPE_SPANS_FIELD_NUMBER)
_Spans: Final = _parts(trace_pb2.ScopeSpans.SPANS_FIELD_NUMBER)
_UNCOUNTED_BYTES: Final = 256 * 1024
"""Of a body whose spans need not be counted first: 512 ordinary ones, and 120 MiB of such that say nothing."""
_FIRST_FIELD: Final = 0x0A
_SECOND_FIELD: Final = 0x12
_LONG: Final = 0x80
"""From here on, a length has more than one byte."""
_ROW: Final = attrgetter(*FIELDS)


def _parse(kind: Any, body: bytes) -> Any:
    try:
        return kind.FromString(body)
    except DecodeError as error:
        raise Refusal(
            "invalid_protobuf",
            f"the body is no ExportTraceServiceRequest: {error}",
            "body",
            None,
            "opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest",
        ) from None


def _count(body: bytes) -> None:
    """See that there are not too many of anything, for a hundredth of what reading takes. Raises: Refusal."""
    resources = _parse(_Resources, body).parts
    check_count(len(resources))
    scopes = spans = 0
    for resource in resources:
        found = _parse(_Scopes, resource).parts
        scopes += len(found)
        check_count(scopes)
        for scope in found:
            spans += len(_parse(_Spans, scope).parts)
            check_count(spans)


def read_resource(encoded: bytes, schema_url: bytes) -> Resource:
    """A resource. Raises: Refusal."""
    told = _decode(resource_pb2.Resource, encoded, "resource")
    return Resource(_pairs(told.attributes), _text(schema_url, "schema_url"), told.dropped_attributes_count)


def read_scope(encoded: bytes, schema_url: bytes) -> Scope:
    """A scope. Raises: Refusal."""
    told = _decode(common_pb2.InstrumentationScope, encoded, "scope")
    return Scope(
        told.name,
        told.version,
        _pairs(told.attributes),
        _text(schema_url, "schema_url"),
        told.dropped_attributes_count,
    )


def read_name(encoded: bytes) -> str:
    """The name of a span. Raises: Refusal (`not_utf8`)."""
    return _text(encoded, "name")


def read_attribute(encoded: bytes) -> tuple[str, Any]:
    """Name and value of one attribute. Raises: Refusal."""
    if (found := _short_text(encoded)) is not None:
        return found
    told = _decode(common_pb2.KeyValue, encoded, "attributes")
    return told.key, _value(told.value)


def _short_text(encoded: bytes) -> tuple[str, str] | None:
    """The usual attribute, read by hand in half the time: a name and a text, which lengths of one byte bound exactly.

    A unique id at every span is common, and no table of what was seen before helps there.
    """
    size = len(encoded)
    if not 6 <= size < _LONG or encoded[0] != _FIRST_FIELD:
        return None
    end = encoded[1] + 2
    if (
        end + 4 <= size
        and encoded[end] == _SECOND_FIELD
        and encoded[end + 1] == size - end - 2
        and encoded[end + 2] == _FIRST_FIELD
        and encoded[end + 3] == size - end - 4
    ):
        try:
            return encoded[2:end].decode(), encoded[end + 4 :].decode()
        except UnicodeDecodeError:
            return None
    return None


def read_span(view: Any) -> Span:
    """A span of `TracesData`. Raises: Refusal (`not_utf8`, `invalid_protobuf`, `too_many`)."""
    check_parts(attributes=view.attributes, events=view.events, links=view.links)
    status = _decode(trace_pb2.Status, view.status, "status")
    return Span(
        view.trace_id,
        view.span_id,
        view.parent_span_id,
        _text(view.name, "name"),
        view.kind,
        view.start_time_unix_nano,
        view.end_time_unix_nano,
        [read_attribute(each) for each in view.attributes],
        tuple(_event(each) for each in view.events),
        tuple(_link(each) for each in view.links),
        status.code,
        status.message,
        view.flags,
        _text(view.trace_state, "trace_state"),
        Dropped(view.dropped_attributes_count, view.dropped_events_count, view.dropped_links_count),
    )


def _event(encoded: bytes) -> Event:
    told = _decode(trace_pb2.Span.Event, encoded, "events")
    return Event(told.name, told.time_unix_nano, _pairs(told.attributes), told.dropped_attributes_count)


def _link(encoded: bytes) -> SpanLink:
    told = _decode(trace_pb2.Span.Link, encoded, "links")
    return SpanLink(
        told.trace_id,
        told.span_id,
        _pairs(told.attributes),
        told.trace_state,
        told.flags,
        told.dropped_attributes_count,
    )


def _decode(kind: Any, encoded: bytes, field: str) -> Any:
    try:
        return kind.FromString(encoded)
    except DecodeError as error:
        raise Refusal(
            "invalid_protobuf",
            f"it cannot be decoded: {error}",
            field,
            None,
            "sound protobuf, texts in UTF-8",
        ) from None


def _text(encoded: bytes, field: str) -> str:
    try:
        return encoded.decode()
    except UnicodeDecodeError as error:
        raise Refusal(
            "not_utf8",
            f"the text is not UTF-8, from byte {error.start} on",
            field,
            encoded[:16].hex(" "),
            "UTF-8",
        ) from None


def _pairs(attributes: Any) -> Attributes:
    return [(each.key, _value(each.value)) for each in attributes]


def _value(told: Any) -> Any:
    kind = told.WhichOneof("value")
    if kind is None:
        return None
    held = getattr(told, kind)
    if kind == "array_value":
        return [_value(each) for each in held.values]
    if kind == "kvlist_value":
        return {each.key: _value(each.value) for each in held.values}
    return held


class Groups:
    """The spans of bodies, by resource and scope."""

    def __init__(self) -> None:
        self._origins = Origins(read_resource, read_scope)

    def __call__(self, body: bytes) -> list[Group]:
        """The groups of a body. Raises: Refusal (`invalid_protobuf`; 413 `too_many_records`)."""
        if len(body) > _UNCOUNTED_BYTES:
            _count(body)
        whole = _Whole(body)
        found = []
        for at_resource, resource in enumerate(_parse(_Plain, body).resource_spans):
            for at_scope, scope in enumerate(resource.scope_spans):
                rows = list(map(_ROW, scope.spans))
                shared = self._origins.shared(
                    resource.resource, resource.schema_url, scope.scope, scope.schema_url
                )
                path = f"resource_spans[{at_resource}].scope_spans[{at_scope}]"
                read = partial(whole.read, at_resource, at_scope)
                found.append(Group(path, len(rows), rows, shared, read))
        check_count(len(found), sum(group.size for group in found))
        return found


class _Whole:
    """A body decoded once more, with all events and links, as soon as somebody needs them."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._traces: Any = None

    def read(self, at_resource: int, at_scope: int, place: int) -> Span:
        """One span. Raises: Refusal."""
        if self._traces is None:
            self._traces = _parse(TracesData, self._body)
        return read_span(self._traces.resource_spans[at_resource].scope_spans[at_scope].spans[place])
