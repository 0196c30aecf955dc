"""What is wrong in OTLP is refused by name, and spoils no more than it must."""

import json

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from flowtrail.intake.foreign import otlp, otlp_json, otlp_protobuf
from flowtrail.intake.foreign.otlp import JSON, PROTOBUF
from flowtrail.model.errors import Refusal
from flowtrail.model.limits import MAX_BODY_RECORDS, NEWEST_INSTANT_US, OLDEST_INSTANT_US
from tests.support.encodings import BOTH
from tests.support.otlp import SPAN, encode, protobuf, read, request, root, span

FIRST_NS, NEVER_NS = OLDEST_INSTANT_US * 1_000, NEWEST_INSTANT_US * 1_000


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
        ({"startTimeUnixNano": FIRST_NS - 1}, "instant_out_of_range", "start_time_unix_nano"),
        ({"endTimeUnixNano": NEVER_NS}, "instant_out_of_range", "end_time_unix_nano"),
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


@BOTH
def test_the_first_and_the_last_instant_of_a_record_are_taken(kind):
    (taken,) = read(request(span(startTimeUnixNano=FIRST_NS, endTimeUnixNano=NEVER_NS - 1)), kind).records

    assert (taken.started_at, taken.ended_at) == (OLDEST_INSTANT_US, NEWEST_INSTANT_US - 1)


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
        read(b'{"resourceSpans":' + b'[{"a":' * 1_000_000 + b"1" + b"}]" * 1_000_000 + b"}")
    assert refused.value.code == "invalid_json"


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


EMPTY = {
    (JSON, "spans"): b'{"resourceSpans":[{"scopeSpans":[{"spans":[@]}]}]}',
    (JSON, "scopes"): b'{"resourceSpans":[{"scopeSpans":[@]}]}',
    (JSON, "resources"): b'{"resourceSpans":[@]}',
}


def empty(kind, what, number=200_000):
    """A body of far more than may be, none of which says anything."""
    if kind == JSON:
        return EMPTY[kind, what].replace(b"@", b",".join([b"{}"] * 400_000))
    made = ExportTraceServiceRequest()
    held = made.resource_spans
    for inner in {"resources": (), "scopes": ("scope_spans",), "spans": ("scope_spans", "spans")}[what]:
        held = getattr(held.add(), inner)
    for _ in range(number):
        held.add()
    return made.SerializeToString()


@BOTH
@pytest.mark.parametrize("what", ["resources", "scopes", "spans"])
def test_what_is_too_much_is_counted_before_anything_is_made_of_it(kind, what, monkeypatch):
    monkeypatch.setattr(otlp_json, "_decode_traces", None)
    monkeypatch.setattr(otlp_protobuf, "_Plain", None)

    with pytest.raises(Refusal) as refused:
        read(empty(kind, what), kind)

    assert (refused.value.code, refused.value.status) == ("too_many_records", 413)


@pytest.mark.parametrize("what", ["scopes", "spans"])
def test_a_small_body_may_hold_no_more_than_a_large_one(what):
    with pytest.raises(Refusal) as refused:
        read(empty(PROTOBUF, what, MAX_BODY_RECORDS + 1), PROTOBUF)
    assert (refused.value.code, refused.value.status) == ("too_many_records", 413)

    decoded = read(empty(PROTOBUF, what, MAX_BODY_RECORDS), PROTOBUF)
    assert len(decoded.rejected) == (MAX_BODY_RECORDS if what == "spans" else 0)


def test_spans_that_are_no_objects_are_counted_too():
    with pytest.raises(Refusal) as refused:
        read(EMPTY[JSON, "spans"].replace(b"@", b",".join([b"1"] * 600_000)))

    assert (refused.value.code, refused.value.status) == ("too_many_records", 413)


@BOTH
@pytest.mark.parametrize("status", [0, 2], ids=["plain", "failed"])
def test_what_a_resource_says_is_not_repeated_without_end(kind, status, monkeypatch):
    monkeypatch.setattr(otlp, "_MADE_AT_ONCE", 5_000)
    talkative = {f"a{number}": "x" * 200 for number in range(10)}
    spans = [root(spanId=f"{number:016x}", status={"code": status}) for number in range(1, 101)]
    body = encode(request(*spans, resource=talkative), kind)

    made = read(body, kind).encoded
    size = sum(map(len, made))
    assert (len(made), size > 200_000) == (300, True)
    monkeypatch.setattr(otlp, "MAX_MADE_BYTES", size)
    assert read(body, kind).encoded == made
    monkeypatch.setattr(otlp, "MAX_MADE_BYTES", size - 1)
    with pytest.raises(Refusal) as refused:
        read(body, kind)

    assert (refused.value.code, refused.value.status) == ("body_too_large", 413)
