"""The OpenTelemetry SDK for Python, unmodified, sending to a server; all that it sent is read back over HTTP."""

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from flowtrail.model.instants import format_instant
from tests.support.foreign import everything, whole

ATTRIBUTES = {
    "http.request.method": "POST",
    "http.route": "/orders",
    "http.response.status_code": 201,
    "retry": False,
    "share": 0.25,
    "skus": ["S-1", "S-2"],
    "counts": [1, 2],
    "note": "grüß Gott",
}
OTHER = SpanContext(0x0AF7651916CD43DD8448EB211C80319C, 0xB9C7C989F97918E1, True, TraceFlags(1))


class Unknown(Exception):
    """An article that nobody knows."""


def provider(server, processor, compression):
    """A provider as an application sets it up, and what it exported beside."""
    exporter = OTLPSpanExporter(endpoint=f"{server.url}/v1/traces", compression=compression)
    beside = InMemorySpanExporter()
    made = TracerProvider(
        resource=Resource.create(
            {"service.name": "shop", "service.version": "3", "service.instance.id": "shop-1"}
        )
    )
    made.add_span_processor(processor(exporter))
    made.add_span_processor(SimpleSpanProcessor(beside))
    return made, exporter, beside


def work(tracer):
    """An order that fails in delivery: nested spans, events, a link, an exception."""
    with tracer.start_as_current_span("POST /orders", kind=SpanKind.SERVER, attributes=ATTRIBUTES) as root:
        root.set_attribute("flowtrail.object.type", "order")
        root.set_attribute("flowtrail.object.id", "4711")
        root.set_attribute("flowtrail.key.customer", "C-9")
        with tracer.start_as_current_span("validate", links=[Link(OTHER, {"why": "replayed"})]) as span:
            span.add_event("looked up", {"rows": 2})
            span.set_status(Status(StatusCode.OK))
        try:
            with tracer.start_as_current_span("deliver", kind=SpanKind.CLIENT):
                raise Unknown("SKU-0815")  # noqa: TRY301 -- as applications do
        except Unknown:
            root.set_status(Status(StatusCode.ERROR, "the order was not delivered"))


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
@pytest.mark.parametrize("processor", [SimpleSpanProcessor, BatchSpanProcessor])
def test_what_the_sdk_sends_is_read_back_field_by_field(server, processor, compression):
    made, exporter, beside = provider(server, processor, compression)
    work(made.get_tracer("shop.orders", "1.2", attributes={"team": "orders"}))
    assert made.force_flush()

    sent = {f"{span.context.span_id:016x}": span for span in beside.get_finished_spans()}
    found = whole(server, "key.customer:C-9")
    assert {each["id"] for each in found["blocks"]} == set(sent)
    for each in found["blocks"]:
        check_execution(each, sent[each["id"]])
    check_transaction(found, next(span for span in sent.values() if span.parent is None))

    before = everything(server)
    assert exporter.export(list(sent.values())) is SpanExportResult.SUCCESS
    made.shutdown()
    assert everything(server) == before


def check_execution(found, span):
    """Every field of a span, in the execution that it became."""
    failed = span.status.status_code is StatusCode.ERROR
    assert found["block"] == span.name
    assert found["status"] == ("failed" if failed else "succeeded")
    assert found["started_at"] == format_instant(span.start_time // 1_000)
    assert found["ended_at"] == format_instant(span.end_time // 1_000)
    assert found["parent"] == (None if span.parent is None else f"{span.parent.span_id:016x}")
    assert found["worker"] == "shop-1"
    details = dict(found["details"])
    for name, value in span.attributes.items():
        if not name.startswith("flowtrail."):
            assert details.pop(name) == (list(value) if isinstance(value, tuple) else value)
    assert details.pop("otel.kind") == span.kind.name.lower()
    assert details.pop("otel.scope.name") == "shop.orders"
    assert details.pop("otel.scope.version") == "1.2"
    assert details.pop("otel.scope.attributes") == {"team": "orders"}
    assert details.pop("service.name") == "shop"
    if span.parent is None:
        assert details.pop("otel.resource") == dict(span.resource.attributes)
    assert details.pop("otel.status_code", None) == (
        "OK" if span.status.status_code is StatusCode.OK else None
    )
    assert details.pop("otel.status_description", None) == span.status.description
    check_events(found, span, details)
    links = details.pop("otel.links", [])
    assert links == [
        {
            "trace_id": f"{link.context.trace_id:032x}",
            "span_id": f"{link.context.span_id:016x}",
            "attributes": dict(link.attributes),
        }
        for link in span.links
    ]
    assert details == {}


def check_events(found, span, details):
    """Exceptions among the events are exceptions; the others are details."""
    raised = [event for event in span.events if event.name == "exception"]
    assert [
        (each["type"], each["message"], each["stacktrace"], each["raised_at"])
        for each in found["exceptions"]
        if raised
    ] == [
        (
            event.attributes["exception.type"],
            event.attributes["exception.message"],
            event.attributes["exception.stacktrace"],
            format_instant(event.timestamp // 1_000),
        )
        for event in raised
    ]
    told = details.pop("otel.events", [])
    others = [event for event in span.events if event.name != "exception"]
    assert [each for each in told if each["name"] != "exception"] == [
        {
            "name": event.name,
            "at": format_instant(event.timestamp // 1_000),
            "attributes": dict(event.attributes),
        }
        for event in others
    ]


def check_transaction(found, root):
    """What the root says about the object."""
    assert found["id"] == found["trace"] == f"{root.context.trace_id:032x}"
    assert (found["flow"], found["version"]) == ("shop", "3")
    assert (found["object_type"], found["object_id"], found["keys"]) == ("order", "4711", {"customer": "C-9"})
    assert (found["status"], found["reason"]) == ("failed", "the order was not delivered")
    assert found["created_at"] == format_instant(root.start_time // 1_000)
    assert found["ended_at"] == format_instant(root.end_time // 1_000)


def test_links_of_the_sdk_are_lineage(server):
    made, _, _ = provider(server, SimpleSpanProcessor, Compression.Gzip)
    work(made.get_tracer("shop.orders"))
    made.shutdown()

    found = whole(server, "key.customer:C-9")
    told = server.get(f"/v1/transactions/{found['id']}/lineage").json()
    assert f"{OTHER.trace_id:032x}" in str(told)


def test_an_exporter_whose_span_is_refused_delivers_the_others(server, monkeypatch):
    made, exporter, beside = provider(server, SimpleSpanProcessor, Compression.Gzip)
    monkeypatch.setattr(exporter, "export", lambda _: SpanExportResult.SUCCESS)
    work(made.get_tracer("shop.orders"))
    monkeypatch.undo()
    first, *others = beside.get_finished_spans()
    first._start_time = 1

    assert exporter.export([first, *others]) is SpanExportResult.SUCCESS
    made.shutdown()
    assert {each["id"] for each in whole(server, "key.customer:C-9")["blocks"]} == {
        f"{span.context.span_id:016x}" for span in others
    }
