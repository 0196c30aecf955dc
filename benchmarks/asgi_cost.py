"""What the middleware costs a small ASGI application, against OpenTelemetry's doing the same, in the same run.

    python benchmarks/asgi_cost.py [--rounds 9] [--requests 2000] [--json]

One request with ten headers and an answer of two messages, handled by a bare application; by the same below our
middleware; and below OpenTelemetry's, as it comes and without its spans for messages. CPU time of the host's thread
alone; rounds of all alternate, and costs are medians less the bare application's. OpenTelemetry: BatchSpanProcessor,
an exporter that drops. Ours: the outbox as it is, emptied between rounds.
"""

import argparse
import asyncio
import gc
import json
import statistics
import time
from typing import Any

from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

import flowtrail
from flowtrail.sdk.integrations.asgi import FlowtrailMiddleware
from flowtrail.sdk.outbox import Outbox

HEADERS = [
    (b"host", b"shop.example:8080"),
    (b"user-agent", b"python-httpx2/2.16.2"),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"gzip, deflate, br, zstd"),
    (b"connection", b"keep-alive"),
    (b"content-type", b"application/json"),
    (b"content-length", b"25"),
    (b"authorization", b"Bearer 0192e4a0b1c27d3e8f90a1b2c3d4e5f6"),
    (b"x-request-id", b"0192e4a0-b1c2-7d3e-8f90-a1b2c3d4e5f6"),
    (b"x-forwarded-for", b"203.0.113.7"),
]


class Dropping(SpanExporter):
    def export(self, spans):
        return SpanExportResult.SUCCESS

    def shutdown(self):
        return None


class Emptied:
    """The real outbox, behind which nothing runs: its items are let go between rounds."""

    def __init__(self) -> None:
        self.outbox = Outbox(1 << 40, lambda: True)
        self.put, self.grow = self.outbox.put, self.outbox.grow

    def empty(self) -> None:
        self.outbox.reset()

    def flush(self, timeout_s: float) -> bool:
        return True


async def application(_scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})


def request() -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/orders/4711",
        "raw_path": b"/orders/4711",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": HEADERS,
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8_080),
        "state": {},
    }


async def receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(_message: Any) -> None:
    return None


async def handle(app: Any, requests: int) -> float:
    """CPU seconds of this thread for so many requests, one after the other."""
    scopes = [request() for _ in range(requests)]
    began = time.thread_time()
    for scope in scopes:
        await app(scope, receive, send)
    return time.thread_time() - began


def measure(rounds: int, requests: int) -> dict[str, float]:
    """Microseconds of CPU per request, by what handled it."""
    sink = Emptied()
    flowtrail.init(flow="shop-to-erp", sink=sink)
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Dropping()))
    apps = {
        "bare": application,
        "flowtrail": FlowtrailMiddleware(application),
        "opentelemetry": OpenTelemetryMiddleware(application, tracer_provider=provider),
        "opentelemetry without messages": OpenTelemetryMiddleware(
            application, tracer_provider=provider, exclude_spans=["receive", "send"]
        ),
    }
    times: dict[str, list[float]] = {name: [] for name in apps}
    gc.disable()
    for number in range(rounds + 1):
        for name, app in apps.items():
            spent = asyncio.run(handle(app, requests))
            sink.empty()
            provider.force_flush()
            gc.collect()
            if number:  # the first round warms up
                times[name].append(spent / requests * 1e6)
    gc.enable()
    provider.shutdown()
    return {name: statistics.median(each) for name, each in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--requests", type=int, default=2_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    spent = measure(options.rounds, options.requests)
    bare = spent.pop("bare")
    costs = {name: each - bare for name, each in spent.items()}
    ratios = {name: costs["flowtrail"] / each for name, each in costs.items() if name != "flowtrail"}
    if options.json:
        print(json.dumps({"bare_us": bare, "costs_us": costs, "ratios": ratios}))
        return
    print(f"a bare application: {bare:.2f} µs CPU per request")
    for name, cost in costs.items():
        print(f"{name}: {cost:.2f} µs more")
    for name, ratio in ratios.items():
        print(f"ours over {name}: {ratio:.4f}")


if __name__ == "__main__":
    main()
