"""The load that OTLP is measured with: an order's way through a shop, as the spans of a trace.

Six spans a trace of about 210 bytes, as an SDK's exporter sends them: a server span, and below it work, a query, two
calls and a message. Told whole, or scattered over many open traces. Everything follows from the seed.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Any, Final, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from flowtrail.model.instants import format_instant

SPANS_A_TRACE: Final = 6
SERVICE: Final = "shop"
SCOPE: Final = "shop.orders"
STEPS: Final = (
    ("POST /orders", Span.SPAN_KIND_SERVER),
    ("validate", Span.SPAN_KIND_INTERNAL),
    ("SELECT orders", Span.SPAN_KIND_CLIENT),
    ("map", Span.SPAN_KIND_INTERNAL),
    ("POST /erp/orders", Span.SPAN_KIND_CLIENT),
    ("publish", Span.SPAN_KIND_PRODUCER),
)
_STAGES: Final = ("ingress", "processing", "egress", "processing", "egress", "egress")
_START_US: Final = 1_790_000_000_000_000
_SAMPLED: Final = 0x101


@dataclass(frozen=True, slots=True)
class Traces:
    """How many, and how many of them are under way at once; a scattered trace's spans come in different requests."""

    traces: int
    open_traces: int = 1
    seed: int = 7


class Told(NamedTuple):
    """One span before it is put into an encoding."""

    trace: bytes
    id: bytes
    parent: bytes
    step: int
    started_us: int
    ended_us: int
    attributes: dict[str, str | int]


def spans(workload: Traces) -> Iterator[Told]:
    """All spans, in the order they are told: children before their root, as exporters do."""
    size = max(workload.open_traces, 1)
    for first in range(0, workload.traces, size):
        group = range(first, min(first + size, workload.traces))
        for step in reversed(range(SPANS_A_TRACE)):
            for number in group:
                yield _span(workload, number, step)


def trace_id(workload: Traces, number: int) -> bytes:
    """The id of a trace, which is its transaction's."""
    return Random(workload.seed << 40 | number).randbytes(16)


def _span(workload: Traces, number: int, step: int) -> Told:
    random = Random(workload.seed << 40 | number)
    trace, first = random.randbytes(16), random.getrandbits(61) << 3 | 1
    times = [random.randrange(500, 40_000) for _ in STEPS]
    began = _START_US + number * 5_000
    own = began + sum(times[:step])
    attributes: dict[str, str | int] = {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "app.customer": f"C-{random.randrange(50_000)}",
        "server.address": "shop.example",
    }
    return Told(
        trace,
        (first + step).to_bytes(8, "big"),
        b"" if step == 0 else first.to_bytes(8, "big"),
        step,
        began if step == 0 else own,
        began + sum(times) if step == 0 else own + times[step],
        attributes,
    )


def bodies(workload: Traces, spans_a_request: int = 512) -> Iterator[tuple[bytes, int]]:
    """Protobuf bodies of requests, each with how many spans it holds; 512 is what SDKs send by default."""
    told = spans(workload)
    while part := list(islice(told, spans_a_request)):
        yield _request(part).SerializeToString(), len(part)


def _request(part: Sequence[Told]) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = SERVICE
    scope = resource.scope_spans.add()
    scope.scope.name = SCOPE
    for each in part:
        name, kind = STEPS[each.step]
        span = scope.spans.add(
            trace_id=each.trace,
            span_id=each.id,
            parent_span_id=each.parent,
            flags=_SAMPLED,
            name=name,
            kind=kind,
            start_time_unix_nano=each.started_us * 1_000,
            end_time_unix_nano=each.ended_us * 1_000,
        )
        span.status.SetInParent()
        for key, value in each.attributes.items():
            held = span.attributes.add(key=key).value
            if isinstance(value, int):
                held.int_value = value
            else:
                held.string_value = value
    return request


def lines(workload: Traces) -> Iterator[bytes]:
    """The same spans written as our records: what they become, as lines of JSON."""
    for each in spans(workload):
        for record in _records(each):
            yield json.dumps(record, separators=(",", ":")).encode()


def _records(span: Told) -> Iterator[dict[str, Any]]:
    name, kind = STEPS[span.step]
    key, started, ended = span.trace.hex(), format_instant(span.started_us), format_instant(span.ended_us)
    details: dict[str, Any] = {**span.attributes, "service.name": SERVICE, "otel.scope.name": SCOPE}
    details["otel.kind"] = Span.SpanKind.Name(kind).removeprefix("SPAN_KIND_").lower()
    if not span.parent:
        details["otel.resource"] = {"service.name": SERVICE}
    yield {
        "kind": "block",
        "transaction": key,
        "id": span.id.hex(),
        "block": name,
        "stage": _STAGES[span.step],
        "status": "succeeded",
        "started_at": started,
        "ended_at": ended,
        "details": details,
    } | ({"parent": span.parent.hex()} if span.parent else {})
    if not span.parent:
        yield {
            "kind": "transaction",
            "id": key,
            "flow": SERVICE,
            "object_type": "trace",
            "object_id": key,
            "created_at": started,
            "trace": key,
        }
        yield {"kind": "end", "transaction": key, "outcome": "delivered", "ended_at": ended}
