"""Both encodings of OTLP say the same, and everything that a span has is understood."""

import gzip
import math
import subprocess
import sys

import pytest
import zstandard
from google.protobuf.internal import api_implementation
from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from flowtrail.intake.foreign import otlp_protobuf
from flowtrail.intake.foreign.otlp import JSON, PROTOBUF, trace_reader
from flowtrail.intake.foreign.otlp_settings import TraceSettings
from flowtrail.model.errors import Refusal
from tests.support.encodings import BOTH, block
from tests.support.otlp import (
    END,
    SPAN,
    START,
    TRACE,
    attributes,
    encode,
    exception,
    protobuf,
    read,
    request,
    root,
    span,
    told,
)


def test_protobuf_is_read_by_its_implementation_in_c():
    assert api_implementation.Type() == "upb"


@BOTH
def test_every_kind_of_value_comes_through(kind):
    values = {
        "text": "grüß Gott",
        "yes": True,
        "no": False,
        "zero": 0,
        "least": -(2**63),
        "most": 2**63 - 1,
        "half": 0.5,
        "list": ["a", 1, True, None, [2.5]],
        "map": {"a": {"b": "c"}},
        "none": None,
        "empty": "",
    }
    found = block(span(values), kind=kind).details

    assert {name: found[name] for name in values} == values
    assert "flowtrail.cut" not in found


@BOTH
def test_values_that_json_cannot_say_are_said_as_text(kind):
    found = block(span({"bytes": b"\0\xff"}), kind=kind).details

    assert found["bytes"] == "AP8="


def test_numbers_without_an_end_are_said_as_text():
    for said in (math.nan, math.inf, -math.inf):
        name = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(said)]
        one = span(attributes=[{"key": "number", "value": {"doubleValue": name}}])
        assert block(one).details["number"] == name
        assert block(one, kind=PROTOBUF).details["number"] == name


def test_json_is_read_as_the_standard_allows():
    body = request(
        {
            "traceId": TRACE.upper(),
            "spanId": SPAN.upper(),
            "name": "n",
            "kind": "SPAN_KIND_SERVER",
            "startTimeUnixNano": START,
            "endTimeUnixNano": str(END),
            "parentSpanId": None,
            "attributes": [{"key": "a", "value": {"intValue": 7, "unknownValue": {}}, "unknown": 1}],
            "status": {"code": "STATUS_CODE_OK"},
            "events": None,
            "somethingNew": {"deep": [1, 2]},
        }
    )
    found, opened, ended = read(body).records

    assert (found.transaction.hex(), found.id.hex(), found.stage) == (TRACE, SPAN, "ingress")
    assert found.details["a"] == 7
    assert found.details["otel.status_code"] == "OK"
    assert (opened.id.hex(), ended.outcome) == (TRACE, "delivered")


def test_unknown_fields_of_protobuf_are_ignored():
    body = protobuf(request(span({"a": 1}))) + b"\xfa\x01\x03new"

    assert [each.details["a"] for each in read(body, PROTOBUF).records] == [1]


@BOTH
def test_everything_else_a_span_has_is_told_too(kind):
    body = request(
        span(
            traceState="vendor=1",
            flags=0x303,
            droppedAttributesCount=1,
            droppedEventsCount=2,
            droppedLinksCount=3,
            events=[
                {
                    "name": "retry",
                    "timeUnixNano": str(START),
                    "attributes": attributes({"n": 1}),
                    "droppedAttributesCount": 4,
                },
                exception(type="E", escaped=False),
            ],
            links=[{"traceId": TRACE, "spanId": SPAN, "traceState": "l=1", "droppedAttributesCount": 5}],
        ),
        scope={
            "name": "lib",
            "version": "2",
            "attributes": attributes({"s": 1}),
            "droppedAttributesCount": 6,
        },
    )
    group = body["resourceSpans"][0]
    group["schemaUrl"], group["resource"]["droppedAttributesCount"] = "https://r", 7
    group["scopeSpans"][0]["schemaUrl"] = "https://s"
    (found,) = read(body, kind).records

    assert found.details == {
        "service.name": "shop",
        "otel.kind": "internal",
        "otel.trace_state": "vendor=1",
        "otel.parent_is_remote": True,
        "otel.flags": 0x303,
        "otel.dropped_attributes_count": 1,
        "otel.dropped_events_count": 2,
        "otel.dropped_links_count": 3,
        "otel.events": [
            {
                "name": "retry",
                "at": "2026-09-21T14:13:20.000000Z",
                "attributes": {"n": 1},
                "dropped_attributes_count": 4,
            },
            {
                "name": "exception",
                "at": "2026-09-21T14:13:20.001000Z",
                "attributes": {"exception.escaped": False},
            },
        ],
        "otel.links": [
            {"trace_id": TRACE, "span_id": SPAN, "trace_state": "l=1", "dropped_attributes_count": 5}
        ],
        "otel.scope.name": "lib",
        "otel.scope.version": "2",
        "otel.scope.attributes": {"s": 1},
        "otel.scope.schema_url": "https://s",
        "otel.scope.dropped_attributes_count": 6,
        "otel.resource": {"service.name": "shop"},
        "otel.resource.schema_url": "https://r",
        "otel.resource.dropped_attributes_count": 7,
    }


def test_what_made_a_span_is_told_where_work_enters_a_service():
    resource = {"service.name": "shop", "host.name": "h-1"}

    assert block(span(kind=2), resource=resource).details["otel.resource"] == resource
    assert block(span(kind=1, flags=0x300), resource=resource).details["otel.resource"] == resource
    assert "otel.resource" not in block(span(kind=2, flags=0x100), resource=resource).details
    assert "otel.resource" not in block(span(kind=1), resource=resource).details


@pytest.mark.parametrize("name", ["a", "app.customer", "n" * 100])
@pytest.mark.parametrize("text", ["", "x", "C-9", "grüß", "x" * 100, "x" * 130])
def test_short_texts_are_read_by_hand_as_protobuf_reads_them(name, text):
    encoded = protobuf(request(span({name: text})))
    official = KeyValue(key=name)
    official.value.string_value = text
    assert otlp_protobuf.read_attribute(official.SerializeToString()) == (name, text)
    for cut in range(len(official.SerializeToString())):
        part = official.SerializeToString()[:cut]
        try:
            held = KeyValue.FromString(part)
        except DecodeError:
            with pytest.raises(Refusal):
                otlp_protobuf.read_attribute(part)
        else:
            value = held.value.string_value if held.value.WhichOneof("value") else None
            assert otlp_protobuf.read_attribute(part) == (held.key, value)
    assert [each.details[name] for each in read(encoded, PROTOBUF).records] == [text]


@pytest.mark.parametrize("held", [b"x", "x"], ids=["bytes", "text"])
def test_bytes_are_no_text_however_many_there_are(held):
    told = {f"a{size}": held * size for size in range(40)}
    by_json, by_protobuf = (block(span(told), kind=kind).details for kind in (JSON, PROTOBUF))

    assert by_protobuf == by_json


@BOTH
def test_bodies_may_be_compressed(kind):
    raw = encode(request(span({"a": 1})), kind)
    reader = trace_reader(TraceSettings())
    plain = reader("default", raw, f"{kind}; charset=utf-8", None, 0).encoded

    assert reader("default", gzip.compress(raw), kind, "gzip", 0).encoded == plain
    assert reader("default", zstandard.compress(raw), kind, "zstd", 0).encoded == plain


@BOTH
def test_what_was_read_once_is_read_the_same_again(kind):
    reader = trace_reader(TraceSettings())
    raw = encode(request(root({"a": 1, "b": "x" * 200}), span({"a": 1})), kind)

    assert reader("default", raw, kind, None, 0).encoded == reader("default", raw, kind, None, 9).encoded


def test_golden_records_do_not_depend_on_the_encoding():
    body = request(
        root({"flowtrail.object.id": "4711"}), span({"a": [1, {"b": None}]}, events=[exception(type="E")])
    )

    assert told(read(body, PROTOBUF)) == told(read(body, JSON))


def test_the_host_of_an_sdk_loads_nothing_of_protobuf():
    said = subprocess.run(
        [sys.executable, "-c", "import flowtrail, sys; print('google.protobuf' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert said.stdout.strip() == "False"
