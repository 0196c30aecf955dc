"""Spans as blocks, from the OpenTelemetry SDK itself."""

import asyncio

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

import flowtrail as sdk
from flowtrail.sdk.integrations.opentelemetry import FlowtrailSpanProcessor


@pytest.fixture
def tracer():
    provider = TracerProvider()
    provider.add_span_processor(FlowtrailSpanProcessor())
    yield provider.get_tracer("shop")
    provider.shutdown()


def hexed(number: int, digits: int) -> str:
    return f"{number:0{digits}x}"


# ------------------------------------------------------------------------------------- in a transaction


def test_a_span_in_a_transaction_is_a_block_of_it(flowtrail, tracer):
    with (
        sdk.transaction("order", "4711") as order,
        order.block("deliver"),
        tracer.start_as_current_span("POST", kind=SpanKind.CLIENT) as span,
        tracer.start_as_current_span("connect"),
    ):
        span.set_attribute("http.response.status_code", 201)

    seen = flowtrail.assert_path("4711", ["deliver", "POST", "connect"])
    flowtrail.assert_delivered("4711")
    post = seen.block("POST")
    assert post["id"] == hexed(span.get_span_context().span_id, 16)
    assert (post["stage"], post["status"]) == ("egress", "succeeded")
    assert post["details"] == {"http.response.status_code": 201}
    assert post["parent"] == seen.block("deliver")["id"]
    assert seen.block("connect")["parent"] == post["id"]
    assert seen.found["trace"] == hexed(span.get_span_context().trace_id, 32)


def test_a_block_inside_a_span_holds_the_spans_below_it(flowtrail, tracer):
    with (
        sdk.transaction("order", "4711") as order,
        tracer.start_as_current_span("outer"),
        order.block("map"),
        tracer.start_as_current_span("inner"),
    ):
        pass

    seen = flowtrail.assert_path("4711", ["outer", "map", "inner"])
    assert seen.block("inner")["parent"] == seen.block("map")["id"]
    assert seen.block("outer")["parent"] is None


def test_a_span_that_runs_is_seen(flowtrail, tracer):
    with sdk.transaction("order", "4711"), tracer.start_as_current_span("POST"):
        assert flowtrail.find("4711").block("POST")["status"] == "running"
    assert flowtrail.find("4711").block("POST")["status"] == "succeeded"


def test_what_was_raised_in_a_span_is_told(flowtrail, tracer):
    with pytest.raises(KeyError), sdk.transaction("order", "4711"), tracer.start_as_current_span("map"):
        {}["sku"]

    flowtrail.assert_failed("4711", KeyError, block="map", match="sku")
    (exception,) = flowtrail.find("4711").block("map")["exceptions"]
    assert "Traceback" in exception["stacktrace"]
    assert exception["raised_at"] is not None


def test_an_error_without_an_exception_is_told_by_its_type(flowtrail, tracer):
    with sdk.transaction("order", "4711"), tracer.start_as_current_span("map") as span:
        span.set_attribute("error.type", "timeout")
        span.set_status(Status(StatusCode.ERROR, "no answer"))

    (exception,) = flowtrail.find("4711").block("map")["exceptions"]
    assert exception == {"type": "timeout", "message": "no answer"}
    flowtrail.assert_delivered("4711")


def test_an_exception_that_was_handled_is_told_and_no_failure(flowtrail, tracer):
    with sdk.transaction("order", "4711"), tracer.start_as_current_span("map") as span:
        span.record_exception(KeyError("sku"))

    block = flowtrail.find("4711").block("map")
    assert (block["status"], block["exceptions"][0]["type"]) == ("succeeded", "KeyError")


def test_our_attributes_say_what_spans_cannot(flowtrail, tracer):
    ours = {
        "flowtrail.block": "notify",
        "flowtrail.stage": "egress",
        "flowtrail.worker": "w-1",
        "flowtrail.attempt": 3,
        "flowtrail.usage.cpu_seconds": 0.5,
        "flowtrail.skip": "opted_in",
        "flowtrail.skip.reason": "asked not to",
        "flowtrail.skip.expected": True,
        "flowtrail.skip.actual": False,
    }
    with sdk.transaction("order", "4711"), tracer.start_as_current_span("span", attributes=ours):
        pass

    block = flowtrail.find("4711").block("notify")
    assert block["skip"] == {
        "predicate": "opted_in",
        "reason": "asked not to",
        "expected": True,
        "actual": False,
    }
    assert (block["stage"], block["worker"], block["attempt"]) == ("egress", "w-1", 3)
    assert (block["usage"], block["details"]) == ({"cpu_seconds": 0.5}, {})


def test_tasks_keep_their_spans_apart(flowtrail, tracer):
    async def deliver(number: int) -> None:
        async with sdk.transaction("order", f"{number}"):
            with tracer.start_as_current_span("outer"):
                await asyncio.sleep(0)
                with tracer.start_as_current_span("inner"):
                    await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(*(deliver(number) for number in range(10)))

    asyncio.run(main())

    for number in range(10):
        seen = flowtrail.assert_path(f"{number}", ["outer", "inner"])
        assert seen.block("inner")["parent"] == seen.block("outer")["id"]


# ------------------------------------------------------------------------------------- on its own


def test_a_trace_of_its_own_is_a_transaction(flowtrail, tracer):
    with (
        tracer.start_as_current_span("POST /orders", kind=SpanKind.SERVER) as root,
        tracer.start_as_current_span("map"),
    ):
        pass

    id_ = hexed(root.get_span_context().trace_id, 32)
    seen = flowtrail.assert_path(id_, ["POST /orders", "map"])
    assert (seen.object_type, seen.object_id) == ("trace", id_)
    assert (seen.status, seen.found["trace"]) == ("delivered", id_)
    assert seen.block("map")["parent"] == seen.block("POST /orders")["id"]


def test_any_span_of_it_may_name_the_object(flowtrail, tracer):
    said = {
        "flowtrail.object.type": "order",
        "flowtrail.object.id": "4711",
        "flowtrail.key.customer": "C-9",
        "flowtrail.attribute.lines": 3,
        "flowtrail.flow": "shop-to-erp",
    }
    with tracer.start_as_current_span("POST /orders"), tracer.start_as_current_span("map") as span:
        span.set_attributes(said)

    seen = flowtrail.assert_delivered("4711")
    assert (seen.object_type, seen.flow, seen.keys) == ("order", "shop-to-erp", {"customer": "C-9"})
    assert seen.attributes == {"lines": 3}


def test_a_root_that_failed_fails_it_and_says_why(flowtrail, tracer):
    with pytest.raises(KeyError), tracer.start_as_current_span("POST /orders") as root:
        {}["sku"]

    seen = flowtrail.assert_failed(hexed(root.get_span_context().trace_id, 32), KeyError)
    assert seen.found["reason"] == "KeyError: 'sku'"


def test_an_outcome_that_is_said_counts(flowtrail, tracer):
    said = {"flowtrail.object.id": "4711", "flowtrail.outcome": "filtered", "flowtrail.predicate": "stock"}
    with tracer.start_as_current_span("POST /orders", attributes=said):
        pass

    flowtrail.assert_filtered("4711", by="stock")


def test_a_span_below_a_remote_parent_ends_nothing(flowtrail, tracer):
    remote = SpanContext(7, 9, is_remote=True, trace_flags=TraceFlags(1))
    context = trace.set_span_in_context(NonRecordingSpan(remote))
    with tracer.start_as_current_span("receive", context=context, kind=SpanKind.CONSUMER):
        pass

    seen = flowtrail.find(hexed(7, 32))
    assert (seen.status, seen.found["announced"]) == ("in_transit", False)
    assert seen.block("receive")["parent"] == hexed(9, 16)


# ------------------------------------------------------------------------------------- in no way


def test_attributes_of_any_size_and_kind_are_recorded_within_bounds(flowtrail, tracer):
    many = {f"a{number}": ["x" * 1_000] * 20 for number in range(200)}
    with sdk.transaction("order", "4711"), tracer.start_as_current_span("s" * 5_000, attributes=many) as span:
        span.set_attribute("flowtrail.usage.", 1)
        span.set_attribute("flowtrail.usage.x", "none")
        span.set_attribute("flowtrail.attempt", "7")
        span.set_attribute("nan", float("nan"))
        for number in range(100):
            span.add_event("exception", {"exception.type": "E" * 5_000, "number": number})

    assert flowtrail.find("4711").blocks[0]["status"] == "succeeded"
    flowtrail.assert_nothing_refused()


def test_a_failure_of_ours_does_not_stop_the_host(flowtrail, tracer, monkeypatch):
    def broken(*_: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr("flowtrail.sdk.integrations.opentelemetry.current_transaction", broken)
    with tracer.start_as_current_span("map") as span:
        assert span.is_recording()

    assert flowtrail.records == []


def test_spans_that_never_end_are_forgotten_at_some_number(flowtrail, monkeypatch):
    monkeypatch.setattr("flowtrail.sdk.integrations.opentelemetry._MOST_OPEN", 3)
    processor = FlowtrailSpanProcessor()
    provider = TracerProvider()
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("shop")
    spans = [tracer.start_span(f"{number}") for number in range(9)]
    assert len(processor._open) == 3

    for span in spans:
        span.end()

    assert processor._open == {}
    assert provider.force_flush() is True
    flowtrail.allow_unfinished()


def test_spans_that_never_end_take_no_place_from_later_ones(flowtrail, tracer, monkeypatch):
    monkeypatch.setattr("flowtrail.sdk.integrations.opentelemetry._MOST_OPEN", 3)
    left = [tracer.start_span("leaked") for _ in range(5)]
    with tracer.start_as_current_span("POST /orders"), tracer.start_as_current_span("map"):
        pass

    done = [seen for seen in flowtrail.transactions if seen.status == "delivered"]
    assert [seen.path for seen in done] == [["POST /orders", "map"]]
    assert len(left) == 5
    flowtrail.allow_unfinished()
