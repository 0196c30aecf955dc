"""Spans that become blocks in their process are what the same spans are when they are sent over OTLP."""

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode

from flowtrail.intake.foreign.otlp import PROTOBUF, trace_reader
from flowtrail.intake.foreign.otlp_settings import TraceSettings
from flowtrail.projection.state import State
from flowtrail.sdk.integrations.opentelemetry import FlowtrailSpanProcessor
from flowtrail.testing import Seen

# Details that the service, and not the span, says; and what is read over OTLP alone.
APART = ("service.", "otel.")


def plain(tracer) -> None:
    with (
        tracer.start_as_current_span("POST /orders", kind=SpanKind.SERVER),
        tracer.start_as_current_span("INSERT", kind=SpanKind.CLIENT) as span,
    ):
        span.set_attribute("rows", 3)


def failing(tracer) -> None:
    with (
        pytest.raises(KeyError),
        tracer.start_as_current_span("POST /orders"),
        tracer.start_as_current_span("map"),
    ):
        {}["sku"]


def handled(tracer) -> None:
    with tracer.start_as_current_span("map") as span:
        span.record_exception(KeyError("sku"))
        span.set_status(Status(StatusCode.OK))


def refused(tracer) -> None:
    with tracer.start_as_current_span("deliver", attributes={"error.type": "503"}) as span:
        span.set_status(Status(StatusCode.ERROR, "the ERP is away"))


def named(tracer) -> None:
    with tracer.start_as_current_span("POST /orders", attributes={"flowtrail.flow": "shop-to-erp"}):
        ours = {
            "flowtrail.flow": "shop-to-erp",
            "flowtrail.version": "7",
            "flowtrail.object.type": "order",
            "flowtrail.object.id": "4711",
            "flowtrail.key.customer": "C-9",
            "flowtrail.attribute.channel": "web",
            "flowtrail.block": "deliver",
            "flowtrail.stage": "egress",
            "flowtrail.worker": "w-1",
            "flowtrail.attempt": 2,
            "flowtrail.usage.cpu_seconds": 0.5,
        }
        with tracer.start_as_current_span("span", attributes=ours):
            pass


def sorted_out(tracer) -> None:
    said = {"flowtrail.object.id": "4711", "flowtrail.outcome": "filtered", "flowtrail.predicate": "country"}
    with tracer.start_as_current_span("POST /orders", attributes=said | {"flowtrail.reason": "not here"}):
        skip = {
            "flowtrail.skip": "country",
            "flowtrail.skip.reason": "not here",
            "flowtrail.skip.expected": "DE",
            "flowtrail.skip.actual": "US",
        }
        with tracer.start_as_current_span("validate", attributes=skip):
            pass


def over_otlp(spans) -> dict:
    read = trace_reader(TraceSettings())
    decoded = read("default", encode_spans(spans).SerializeToString(), PROTOBUF, None, 1_790_000_000_000_000)
    assert decoded.rejected == []
    state = State()
    for record in decoded.records:
        kind = type(record).__name__
        {
            "TransactionRecord": state.add_transaction,
            "BlockRecord": state.add_block,
            "EndRecord": state.add_end,
        }[kind](record)
    return Seen(spans[0].context.trace_id.to_bytes(16, "big"), state).found


def comparable(found: dict) -> dict:
    blocks = {}
    for block in found["blocks"]:
        details = {name: each for name, each in block["details"].items() if not name.startswith(APART)}
        blocks[block["id"]] = block | {"details": details}
    return {**found, "blocks": blocks, "updated_at": None}


@pytest.mark.parametrize("story", [plain, failing, handled, refused, named, sorted_out])
def test_a_span_is_the_same_by_either_way(flowtrail, story):
    kept = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    provider.add_span_processor(SimpleSpanProcessor(kept))
    provider.add_span_processor(FlowtrailSpanProcessor(flow="shop"))
    story(provider.get_tracer("shop"))

    spans = kept.get_finished_spans()
    (seen,) = flowtrail.transactions

    assert comparable(seen.found) == comparable(over_otlp(spans))
    flowtrail.allow_unfinished()
