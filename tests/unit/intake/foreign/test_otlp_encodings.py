"""Both encodings of OTLP: how much is understood, what is cut, and what is refused."""

import gzip
import json
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
from flowtrail.intake.foreign.otlp_settings import TraceSettings, read_attributes, read_names
from flowtrail.model.errors import Refusal
from flowtrail.model.limits import MAX_BODY_RECORDS, MAX_RECORD_BYTES
from flowtrail.model.records import BlockRecord, TransactionRecord
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

BOTH = pytest.mark.parametrize("kind", [PROTOBUF, JSON])


def block(*spans, kind=JSON, **given):
    decoded = read(request(*spans, **given), kind)
    assert decoded.rejected == []
    (found,) = [each for each in decoded.records if isinstance(each, BlockRecord)]
    return found


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


# --- what is cut ------------------------------------------------------------------------------------------


@BOTH
def test_of_too_many_attributes_the_useful_ones_are_kept_and_the_others_counted(kind):
    many = {f"a.{number:03}": number for number in range(100)} | {"http.route": "/orders", "db.system": "x"}
    found = block(span(many), kind=kind).details

    assert len(found) == 64
    assert (found["http.route"], found["db.system"]) == ("/orders", "x")
    assert found["flowtrail.cut"] == 102 - (64 - 3)


@BOTH
def test_long_texts_end_in_a_mark_and_are_counted(kind):
    found = block(span({"long": "x" * 20_000, "ok": "y" * 16_384}), kind=kind).details

    assert (len(found["long"]), found["long"][-1]) == (16_384, "…")
    assert found["ok"] == "y" * 16_384
    assert found["flowtrail.cut"] == 1


def test_nul_names_without_letters_and_deep_values_are_mended_and_counted():
    deep = "bottom"
    for _ in range(12):
        deep = [deep]
    told = [*attributes({"nul": "a\0b", "n" * 300: 1, "deep": deep}), {"key": "", "value": {"intValue": "1"}}]
    found = block(span(attributes=told)).details

    assert found["nul"] == "a\ufffdb"
    assert found["n" * 199 + "…"] == 1
    assert json.dumps(found["deep"]).count("[") == 12
    assert found["flowtrail.cut"] == 4


def test_a_span_that_is_too_large_is_cut_closer():
    found = block(span({f"a{number}": "x" * 16_000 for number in range(60)})).details

    assert {len(found[f"a{number}"]) for number in range(60)} == {512}
    assert found["flowtrail.cut"] == 60


def test_what_is_too_large_even_so_is_refused():
    decoded = read(request(span({"list": ["x" * 400] * 1_000}), span(spanId="1" * 16)))

    (rejected,) = decoded.rejected
    assert (rejected.index, rejected.code, rejected.field) == (
        0,
        "record_too_large",
        "resource_spans[0].scope_spans[0].spans[0]",
    )
    assert rejected.allowed == f"{MAX_RECORD_BYTES} bytes"
    assert len(decoded.encoded) == 1


def test_long_names_of_spans_and_objects_are_cut_and_counted():
    decoded = read(request(root({"flowtrail.object.id": "o" * 2_000}, name="n" * 300)))
    found = {type(each): each for each in decoded.records}

    assert found[BlockRecord].block == "n" * 199 + "…"
    assert found[TransactionRecord].object_id == "o" * 999 + "…"
    assert found[BlockRecord].details["flowtrail.cut"] == 2


# --- what is refused --------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("wrong", "code", "field"),
    [
        ({"traceId": ""}, "invalid_id", "trace_id"),
        ({"traceId": "00" * 16}, "invalid_id", "trace_id"),
        ({"traceId": "ab" * 15}, "invalid_id", "trace_id"),
        ({"spanId": "00" * 8}, "invalid_id", "span_id"),
        ({"spanId": "ab"}, "invalid_id", "span_id"),
        ({"parentSpanId": "ab"}, "invalid_id", "parent_span_id"),
        ({"parentSpanId": SPAN}, "contradiction", "parent_span_id"),
        ({"startTimeUnixNano": 0}, "missing_instant", "start_time_unix_nano"),
        ({"startTimeUnixNano": 1}, "instant_out_of_range", "start_time_unix_nano"),
        ({"endTimeUnixNano": str(2**64 - 1)}, "instant_out_of_range", "end_time_unix_nano"),
    ],
)
def test_a_span_that_is_wrong_is_refused_by_name_and_spoils_no_other(kind, wrong, code, field):
    good = {"spanId": "1" * 16}
    decoded = read(request(span(**good), span(**wrong), span(**good, name="other")), kind)

    (rejected,) = decoded.rejected
    assert (rejected.index, rejected.code) == (1, code)
    assert rejected.field == f"resource_spans[0].scope_spans[0].spans[1].{field}"
    assert rejected.message
    assert [each.block for each in decoded.records] == ["map order", "other"]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"traceId": "xy" * 16}, "invalid_id"),
        ({"traceId": "abc"}, "invalid_id"),
        ({"traceId": "٣" * 32}, "invalid_id"),
        ({"kind": "SPAN_KIND_ODD"}, "wrong_type"),
        ({"kind": 1.5}, "wrong_type"),
        ({"kind": 2**31}, "out_of_range"),
        ({"flags": -1}, "out_of_range"),
        ({"flags": 2**64}, "out_of_range"),
        ({"droppedEventsCount": 1e300}, "out_of_range"),
        ({"startTimeUnixNano": 2**64}, "out_of_range"),
        ({"endTimeUnixNano": -1}, "out_of_range"),
        ({"attributes": [{"key": "a", "value": {"intValue": str(2**63)}}]}, "out_of_range"),
        ({"attributes": [{"key": "a", "value": {"doubleValue": int("9" * 400)}}]}, "wrong_type"),
        ({"startTimeUnixNano": "1_000"}, "wrong_type"),
        ({"startTimeUnixNano": "9" * 30}, "wrong_type"),
        ({"attributes": {}}, "invalid_json"),
        ({"attributes": [{"key": 1}]}, "invalid_json"),
        ({"attributes": [{"key": "a", "value": {"intValue": "x"}}]}, "wrong_type"),
        ({"attributes": [{"key": "a", "value": {"doubleValue": "x"}}]}, "wrong_type"),
        ({"attributes": [{"key": "a", "value": {"bytesValue": "!"}}]}, "wrong_type"),
        ({"name": 7}, "invalid_json"),
        ({"status": []}, "invalid_json"),
        ({"events": [7]}, "invalid_json"),
        ({"links": [{"traceId": "zz"}]}, "invalid_id"),
    ],
)
def test_json_that_is_wrong_within_a_span_spoils_no_other(wrong, code):
    decoded = read(request(span(**wrong), span(name="good")))

    assert [each.code for each in decoded.rejected] == [code]
    assert [each.block for each in decoded.records] == ["good"]


@pytest.mark.parametrize("depth", [20, 100, 300])
def test_depth_costs_no_more_than_its_span(depth):
    deep = '{"arrayValue":{"values":[' * depth + '{"intValue":1}' + "]}}" * depth
    body = json.dumps(request(span(attributes="@"), span(name="good")))
    decoded = read(body.replace('"@"', f'[{{"key":"deep","value":{deep}}}]').encode())

    assert "good" in [each.block for each in decoded.records]
    assert len(decoded.records) + len(decoded.rejected) == 2


def test_depth_that_nobody_can_read_is_refused():
    raw = protobuf(request(span({"a": [[[[[[[[[[[1]]]]]]]]]]]})))
    assert len(read(raw, PROTOBUF).records) == 1
    with pytest.raises(Refusal) as refused:
        read(b'{"resourceSpans":' + b'[{"a":' * 5_000 + b"1" + b"}]" * 5_000 + b"}")
    assert refused.value.code == "invalid_json"


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


def test_text_that_is_not_utf8_spoils_its_span_alone():
    body = protobuf(request(span(name="AAAA"), span(name="good"), span({"a": "BBBB"}, name="attribute")))
    decoded = read(body.replace(b"AAAA", b"\xff\xfe\xff\xfe").replace(b"BBBB", b"\xff\xfe\xff\xfe"), PROTOBUF)

    assert [(each.index, each.code) for each in decoded.rejected] == [
        (0, "not_utf8"),
        (2, "invalid_protobuf"),
    ]
    assert [each.block for each in decoded.records] == ["good"]


def test_a_resource_that_cannot_be_read_refuses_its_spans_alone():
    body = request(span(), span())
    body["resourceSpans"] += request(span(name="good"))["resourceSpans"]
    body["resourceSpans"][0]["resource"] = {"attributes": 7}
    decoded = read(body)

    assert [(each.index, each.field) for each in decoded.rejected] == [
        (0, "resource_spans[0].scope_spans[0].spans[0].resource"),
        (1, "resource_spans[0].scope_spans[0].spans[1].resource"),
    ]
    assert [each.block for each in decoded.records] == ["good"]


@pytest.mark.parametrize(
    ("raw", "kind", "code", "status"),
    [
        (b"junk", PROTOBUF, "invalid_protobuf", 400),
        (b"junk", JSON, "invalid_json", 400),
        (b'{"resourceSpans":7}', JSON, "invalid_json", 400),
        (b'{"resourceSpans":[]', JSON, "invalid_json", 400),
        (b"[]", JSON, "invalid_json", 400),
        (b"[" * 100_000, JSON, "invalid_json", 400),
        (b"", "application/x-ndjson", "unsupported_media_type", 415),
        (b"", "", "unsupported_media_type", 415),
    ],
)
def test_a_body_that_is_wrong_is_refused_as_a_whole(raw, kind, code, status):
    with pytest.raises(Refusal) as refused:
        read(raw, kind)

    assert (refused.value.code, refused.value.status) == (code, status)


@pytest.mark.parametrize(("raw", "kind"), [(b"", PROTOBUF), (b"{}", JSON), (b'{"resourceSpans":[]}', JSON)])
def test_a_body_without_spans_is_none_the_worse(raw, kind):
    decoded = read(raw, kind)

    assert (decoded.encoded, decoded.rejected) == ([], [])


def test_too_many_spans_are_too_large_a_body():
    small = span(attributes=[])
    body = encode(request(*[small] * (MAX_BODY_RECORDS + 1)), JSON)

    with pytest.raises(Refusal) as refused:
        read(body, JSON)
    assert (refused.value.code, refused.value.status) == ("too_many_records", 413)


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


def test_settings_are_read_or_refused():
    assert read_names(" a, b ") == {"a", "b"}
    assert read_attributes("order=a.b, order=c,invoice=d")[0].attributes == ("a.b", "c")
    for wrong in ("a,,b", ""):
        with pytest.raises(ValueError):
            read_names(wrong)
    for wrong in ("order", "order=", "=a", ""):
        with pytest.raises(ValueError):
            read_attributes(wrong)


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
