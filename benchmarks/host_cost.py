"""What a block costs the host's thread, against a span of OpenTelemetry's SDK doing the same, in the same run.

    python benchmarks/host_cost.py [--rounds 7] [--blocks 20000] [--json]

A block, or span, with three details inside a transaction, or parent span, both ends; then the same with an exception
raised inside. CPU time of the host's thread alone; rounds of both sides alternate, and the ratio is that of medians.
OpenTelemetry: BatchSpanProcessor, an exporter that drops. Ours: the outbox as it is, emptied between rounds; then
with its delivery thread at a server that takes everything, and with a dead server and the queue full.
"""

import argparse
import gc
import json
import socket
import statistics
import threading
import time
from collections.abc import Callable
from typing import Any

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

import flowtrail
from flowtrail.sdk.outbox import Outbox

Work = Callable[[int], float]
"""Does it that often, and returns the CPU seconds it took; opening the transaction, or parent span, is not counted."""
BURST = 500


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


def our_block(n: int) -> float:
    with flowtrail.transaction("order", "4711") as order:
        began = time.thread_time()
        for line in range(n):
            with order.block("map") as block:
                block.detail(lines=line, country="DE", weight=1.5)
        return time.thread_time() - began


def our_block_three_calls(n: int) -> float:
    with flowtrail.transaction("order", "4711") as order:
        began = time.thread_time()
        for line in range(n):
            with order.block("map") as block:
                block.detail(lines=line)
                block.detail(country="DE")
                block.detail(weight=1.5)
        return time.thread_time() - began


def our_exception(n: int) -> float:
    with flowtrail.transaction("order", "4711") as order:
        began = time.thread_time()
        for line in range(n):
            try:
                with order.block("map") as block:
                    block.detail(lines=line, country="DE", weight=1.5)
                    raise KeyError("sku")  # noqa: TRY301 -- raised inside, as hosts do
            except KeyError:
                pass
        return time.thread_time() - began


def spans(tracer: Any) -> Work:
    def run(n: int) -> float:
        with tracer.start_as_current_span("order 4711"):
            began = time.thread_time()
            for line in range(n):
                with tracer.start_as_current_span("map") as span:
                    span.set_attribute("lines", line)
                    span.set_attribute("country", "DE")
                    span.set_attribute("weight", 1.5)
            return time.thread_time() - began

    return run


def spans_at_start(tracer: Any) -> Work:
    def run(n: int) -> float:
        with tracer.start_as_current_span("order 4711"):
            began = time.thread_time()
            for line in range(n):
                with tracer.start_as_current_span(
                    "map", attributes={"lines": line, "country": "DE", "weight": 1.5}
                ):
                    pass
            return time.thread_time() - began

    return run


def spans_with_exception(tracer: Any) -> Work:
    def run(n: int) -> float:
        with tracer.start_as_current_span("order 4711"):
            began = time.thread_time()
            for line in range(n):
                try:
                    # records the exception and sets the status, as is its default
                    with tracer.start_as_current_span("map") as span:
                        span.set_attribute("lines", line)
                        span.set_attribute("country", "DE")
                        span.set_attribute("weight", 1.5)
                        raise KeyError("sku")  # noqa: TRY301 -- raised inside, as hosts do
                except KeyError:
                    pass
            return time.thread_time() - began

    return run


def host_us(work: Work, n: int, between: Callable[[], Any] = lambda: None) -> float:
    """Microseconds of this thread's CPU for each of n, in bursts; what is done between them is not counted."""
    gc.collect()
    spent = 0.0
    for _ in range(n // BURST):
        spent += work(BURST)
        between()
    return spent / (n // BURST * BURST) * 1e6


def taking_server() -> str:
    """A server that takes everything and says so; it runs on a thread of this process."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            peer, _ = listening.accept()
            threading.Thread(target=answer, args=(peer,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


def answer(peer: socket.socket) -> None:
    stream = peer.makefile("rb")
    while line := stream.readline():
        size = 0
        while line not in {b"\r\n", b""}:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                size = int(value)
            line = stream.readline()
        records = stream.read(size).count(b"\n") + 1
        body = json.dumps({"accepted": records, "rejected": [], "durable": "disk", "token": ""}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        peer.sendall(head.encode() + body)


def measure(rounds: int, n: int) -> dict[str, list[float]]:
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Dropping()))
    tracer = provider.get_tracer("host_cost")
    sink = Emptied()
    flowtrail.init(flow="shop-to-erp", sink=sink)
    works: list[tuple[str, Work, int]] = [
        ("span", spans(tracer), n // 4),
        ("block", our_block, n),
        ("span, attributes at start", spans_at_start(tracer), n // 4),
        ("block, three calls", our_block_three_calls, n),
        ("span with exception", spans_with_exception(tracer), n // 10),
        ("block with exception", our_exception, n // 4),
    ]
    found: dict[str, list[float]] = {name: [] for name, _, _ in works}
    for _ in range(rounds):
        for name, work, count in works:
            found[name].append(host_us(work, count, sink.empty))
    provider.shutdown()
    return found


def measure_delivering(rounds: int, n: int, **settings: Any) -> dict[str, list[float]]:
    flowtrail.init(flow="shop-to-erp", **settings)
    our_block(n)
    found: dict[str, list[float]] = {"block": [], "block with exception": []}
    for _ in range(rounds):
        found["block"].append(host_us(our_block, n))
        found["block with exception"].append(host_us(our_exception, n // 4))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--blocks", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = {name: statistics.median(each) for name, each in measure(asked.rounds, asked.blocks).items()}
    alive = measure_delivering(asked.rounds, asked.blocks, url=taking_server())
    # Enough to fill 4 MiB, and the rest of every round finds the queue full.
    dead = measure_delivering(asked.rounds, asked.blocks, url="http://127.0.0.1:9", memory_mib=4)
    for name, each in alive.items():
        found[f"{name}, delivered beside"] = statistics.median(each)
    for name, each in dead.items():
        found[f"{name}, server dead and queue full"] = statistics.median(each)
    ratios = {
        "span / block": found["span"] / found["block"],
        "span / block, three calls": found["span"] / found["block, three calls"],
        "span with attributes at start / block": found["span, attributes at start"] / found["block"],
        "span / block, with exception": found["span with exception"] / found["block with exception"],
        "block, dead and full / block": found["block, server dead and queue full"] / found["block"],
        "the same with exception": found["block with exception, server dead and queue full"]
        / found["block with exception"],
    }
    if asked.json:
        print(json.dumps({"cpu_us": found, "ratios": ratios}, indent=1))
        return
    for name, us in found.items():
        print(f"{us:8.2f} µs  {name}")
    for name, ratio in ratios.items():
        print(f"{ratio:8.1f} ×   {name}")


if __name__ == "__main__":
    main()
