"""`POST /v1/traces` over a real socket: what is answered to good, half good and bad requests, in their encoding."""

import gzip
import json
from concurrent.futures import Future
from random import Random

import pytest
from google.protobuf import json_format
from google.rpc import code_pb2, error_details_pb2, status_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from flowtrail.intake import admission
from flowtrail.intake.foreign.otlp import JSON, PROTOBUF
from flowtrail.model.errors import StoreFull, StoreUnavailable
from tests.support.foreign import NOW, everything, whole
from tests.support.otlp import PARENT, SPAN, TRACE, encode, request, root, span
from tests.support.served import served

PATH = "/v1/traces"
BOTH = pytest.mark.parametrize("kind", [PROTOBUF, JSON])


@pytest.fixture
def server():
    with served() as running:
        yield running


def post(server, body, kind, **headers):
    raw = body if isinstance(body, bytes) else encode(body, kind)
    return server.client.post(PATH, content=raw, headers={"Content-Type": kind} | headers)


def response(answer, kind):
    assert answer.status_code == 200, answer.content
    assert answer.headers["content-type"] == kind
    if kind == PROTOBUF:
        return ExportTraceServiceResponse.FromString(answer.content)
    return json_format.Parse(answer.content, ExportTraceServiceResponse())


def status(answer, code, kind):
    """The `google.rpc.Status` that an answer must be."""
    assert answer.status_code == code, answer.content
    assert answer.headers["content-type"] == kind
    if kind == PROTOBUF:
        return status_pb2.Status.FromString(answer.content)
    return json_format.Parse(answer.content, status_pb2.Status())


def details(found, kind):
    for each in found.details:
        unpacked = kind()
        if each.Unpack(unpacked):
            return unpacked
    raise AssertionError(kind)


@BOTH
def test_spans_are_taken_in_whatever_their_order_and_can_be_read_back(server, kind):
    answer = post(server, request(span({"lines": 3}), root()), kind)

    assert not response(answer, kind).HasField("partial_success")
    token = answer.headers["flowtrail-token"]
    found = server.client.get(f"/v1/transactions/{TRACE}", headers={"Flowtrail-After": token}).json()
    assert (found["flow"], found["status"]) == ("shop", "delivered")
    assert {each["id"]: each["parent"] for each in found["blocks"]} == {PARENT: None, SPAN: PARENT}
    assert server.get("/v1/transactions", q=f"trace:{TRACE}").json()["total"] == 1


@BOTH
def test_sending_again_in_parts_or_with_others_changes_nothing(server, kind):
    spans = [
        span({"flowtrail.object.id": "4711"}),
        root(),
        span(spanId="1" * 16, status={"code": 2, "message": "m"}),
    ]
    post(server, request(*spans), kind)
    before = everything(server)
    post(server, request(*spans), kind)
    for each in spans:
        post(server, request(each), kind)

    assert everything(server) == before


@BOTH
def test_of_a_half_good_request_the_refused_spans_are_named(server, kind):
    answer = post(server, request(span(), span(traceId="00" * 16), span(startTimeUnixNano=0)), kind)

    told = response(answer, kind).partial_success
    assert told.rejected_spans == 2
    assert "resource_spans[0].scope_spans[0].spans[1].trace_id" in told.error_message
    assert "(invalid_id, received 0000" in told.error_message
    assert "resource_spans[0].scope_spans[0].spans[2].start_time_unix_nano" in told.error_message
    assert [each["id"] for each in whole(server, "")["blocks"]] == [SPAN]


def test_json_answers_are_the_json_of_protobuf(server):
    answer = post(server, request(span(), span(traceId="00" * 16)), JSON).json()

    assert answer["partialSuccess"]["rejectedSpans"] == "1"


@BOTH
def test_where_every_span_is_refused_the_request_is(server, kind):
    found = status(post(server, request(*[span(traceId="00" * 16)] * 150), kind), 400, kind)

    assert found.code == code_pb2.INVALID_ARGUMENT
    assert "none of 150 spans was accepted" in found.message
    assert "and 50 more" in found.message
    violations = details(found, error_details_pb2.BadRequest).field_violations
    assert len(violations) == 100
    assert violations[7].field == "resource_spans[0].scope_spans[0].spans[7].trace_id"


@BOTH
def test_a_request_without_spans_is_a_success(server, kind):
    response(post(server, {}, kind), kind)


@BOTH
def test_a_body_that_cannot_be_read_is_a_bad_request(server, kind):
    found = status(post(server, b"\xff\xff", kind), 400, kind)

    assert found.code == code_pb2.INVALID_ARGUMENT
    assert details(found, error_details_pb2.BadRequest).field_violations[0].field == "body"


@BOTH
def test_a_body_that_grows_too_large_is_refused(server, kind):
    found = status(
        post(server, gzip.compress(bytes(21 * 2**20)), kind, **{"Content-Encoding": "gzip"}), 413, kind
    )
    assert "compression_ratio" in found.message

    random = Random(5)
    large = [span({f"a{number}": random.randbytes(8_000).hex() for number in range(60)}) for _ in range(24)]
    raw = encode(request(*large), kind)
    assert len(raw) > 20 * 2**20
    for body, coding in ((gzip.compress(raw, 1), "gzip"), (raw, "identity")):
        found = status(post(server, body, kind, **{"Content-Encoding": coding}), 413, kind)
        assert "body_too_large" in found.message


def test_what_is_not_otlp_is_refused_in_json(server):
    for kind in ("text/plain", "application/x-ndjson", ""):
        found = status(post(server, b"{}", kind), 415, JSON)
        assert "application/x-protobuf or application/json" in found.message
    assert (
        "gzip or zstd"
        in status(post(server, b"", PROTOBUF, **{"Content-Encoding": "br"}), 415, PROTOBUF).message
    )


def test_another_method_is_refused_as_otlp_says_it(server):
    answer = server.client.get(PATH)

    assert status(answer, 405, JSON).code == code_pb2.UNIMPLEMENTED
    assert answer.headers["allow"] == "POST"


@BOTH
def test_without_the_key_nobody_sends(kind):
    with served(key="a-secret-key") as server:
        del server.client.headers["Authorization"]
        answer = post(server, request(span()), kind)

    assert status(answer, 401, kind).code == code_pb2.UNAUTHENTICATED
    assert answer.headers["www-authenticate"] == "Bearer"


@BOTH
def test_when_too_much_waits_exporters_are_told_when_to_come_back(server, kind, monkeypatch):
    monkeypatch.setattr(admission, "MAX_WAITING_BODIES", 0)
    answer = post(server, request(span()), kind)

    found = status(answer, 429, kind)
    assert found.code == code_pb2.RESOURCE_EXHAUSTED
    assert answer.headers["retry-after"] == "1"
    assert details(found, error_details_pb2.RetryInfo).retry_delay.seconds == 1


@BOTH
@pytest.mark.parametrize(
    ("error", "wait"), [(StoreUnavailable("it is gone"), "1"), (StoreFull("no space"), "10")]
)
def test_while_the_store_fails_exporters_are_told_to_send_again(server, kind, error, wait, monkeypatch):
    def fail(*_, **__):
        future = Future()
        future.set_exception(error)
        return future

    monkeypatch.setattr(server.services.intake, "accept", fail)
    answer = post(server, request(span()), kind)

    assert status(answer, 503, kind).code == code_pb2.UNAVAILABLE
    assert answer.headers["retry-after"] == wait


def test_an_error_nobody_foresaw_shows_nothing_of_itself(server, monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(server.services.intake, "accept", fail)
    found = status(post(server, request(span()), PROTOBUF), 500, PROTOBUF)

    assert found.code == code_pb2.INTERNAL
    assert "secret" not in found.message


def test_settings_name_objects_keys_and_flows_of_many_objects():
    chosen = {
        "multi_object_flows": "shop",
        "otlp_objects": "order=app.order",
        "otlp_keys": "customer=app.customer",
    }
    with served(**chosen) as server:
        told = [
            span(
                {"app.order": str(number), "app.customer": "C-9", "flowtrail.outcome": "delivered"},
                spanId=f"{number:016x}",
            )
            for number in (1, 2)
        ]
        post(server, request(root(), *told), PROTOBUF)
        orders = server.client.get(
            "/v1/transactions",
            params={"q": "key.customer:C-9"},
            headers={"Flowtrail-After": NOW},
        ).json()["transactions"]
        assert sorted((each["object_type"], each["object_id"], each["status"]) for each in orders) == [
            ("order", "1", "delivered"),
            ("order", "2", "delivered"),
        ]
        links = server.get(f"/v1/transactions/{TRACE}/lineage").json()
    assert sorted(json.dumps(links).count(each["id"]) > 0 for each in orders) == [True, True]
