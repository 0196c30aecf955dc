"""What a block costs the host's thread, against a span of OpenTelemetry's SDK doing the same, in the same run.

    python benchmarks/host_cost.py [--rounds 41] [--json]

A block, or span, with three details inside a transaction, or parent span, both ends; then the same with an exception
raised inside. CPU time of the host's thread alone.

Compared are short rounds that lie side by side, each side first in every other one, so that whatever else the machine
does meets both; a ratio is the median of those of the rounds, and its spread their middle half. Before each round the
garbage is collected and what waits is let go, on both sides, and neither is counted; while it runs the collector is on.
OpenTelemetry: BatchSpanProcessor, an exporter that drops. Ours: the outbox as it is; then with its delivery thread at
a server that takes everything, and with a dead server and the queue full.
"""

import argparse
import gc
import json
import socket
import statistics
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

import flowtrail
from flowtrail.sdk.delivery import open_sink
from flowtrail.sdk.outbox import Outbox
from flowtrail.sdk.producer import producer
from flowtrail.sdk.settings import read_settings

Work = Callable[[int], float]
"""Does it that often, and returns the CPU seconds it took; opening the transaction, or parent span, is not counted."""
Pairs = list[tuple[float, float]]
"""Microseconds of the one and of the other, round by round."""
BURST = 500
"""Fewer than make OpenTelemetry's processor wake its thread: that would be an export in the middle of a round."""


class Dropping(SpanExporter):
    def export(self, spans):
        return SpanExportResult.SUCCESS

    def shutdown(self):
        return None


class Emptied:
    """The real outbox, behind which nothing runs: its items are let go between rounds."""

    def __init__(self) -> None:
        self.outbox = Outbox(1 << 40, lambda: True)
        self.put, self.grow, self.direct = self.outbox.put, self.outbox.grow, self.outbox

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


class Side(NamedTuple):
    """One of the two that are compared: what it does, how often in one burst, and how what waits is let go."""

    work: Work
    bursts: int
    let_go: Callable[[], Any]


def host_us(side: Side) -> float:
    """Microseconds of this thread's CPU for each, in one round."""
    gc.collect()
    spent = 0.0
    for _ in range(side.bursts):
        side.let_go()
        spent += side.work(BURST)
    side.let_go()
    return spent / (side.bursts * BURST) * 1e6


def compared(first: Side, second: Side, rounds: int) -> Pairs:
    """What each costs, round by round."""
    host_us(first), host_us(second)
    found = []
    for number in range(rounds):
        if number % 2:
            cost = host_us(second)
            found.append((host_us(first), cost))
        else:
            found.append((host_us(first), host_us(second)))
    return found


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


def measure(rounds: int) -> dict[str, Pairs]:
    """Spans against blocks."""
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Dropping()))
    tracer = provider.get_tracer("host_cost")
    sink = Emptied()
    flowtrail.init(flow="shop-to-erp", sink=sink)

    def span(work: Work) -> Side:
        return Side(work, 1, provider.force_flush)

    def block(work: Work) -> Side:
        return Side(work, 20, sink.empty)

    found = {
        "span / block": compared(span(spans(tracer)), block(our_block), rounds),
        "span with attributes at start / block": compared(
            span(spans_at_start(tracer)), block(our_block), rounds
        ),
        "span / block, three calls": compared(span(spans(tracer)), block(our_block_three_calls), rounds),
        "span / block, both with exception": compared(
            span(spans_with_exception(tracer)), block(our_exception), rounds
        ),
    }
    provider.shutdown()
    return found


def measure_delivering(rounds: int) -> dict[str, Pairs]:
    """Blocks that are delivered, or cannot be, against blocks that wait."""
    sink = Emptied()
    alive = open_sink(read_settings(url=taking_server()))
    # 4 MiB, since it has to be filled first; every round then finds the queue full.
    dead = open_sink(read_settings(url="http://127.0.0.1:9", memory_mib=4))
    flowtrail.init(flow="shop-to-erp", sink=dead)
    our_block(20_000)

    def heard_by(sink: Any, work: Work, let_go: Callable[[], Any]) -> Side:
        def run(n: int) -> float:
            producer.listen(sink)
            return work(n)

        return Side(run, 10, let_go)

    found = {}
    for what, work in (("block", our_block), ("block with exception", our_exception)):
        waiting = heard_by(sink, work, sink.empty)
        delivered = heard_by(alive, work, lambda: alive.flush(10))
        full = heard_by(dead, work, lambda: None)
        found[f"{what}, delivered beside / waiting"] = compared(delivered, waiting, rounds)
        found[f"{what}, server dead and queue full / waiting"] = compared(full, waiting, rounds)
    producer.listen(sink)
    alive.close(1)
    dead.close(0)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = measure(asked.rounds) | measure_delivering(asked.rounds)
    summed = {name: summary(pairs) for name, pairs in found.items()}
    if asked.json:
        print(json.dumps(summed, indent=1))
        return
    for name, each in summed.items():
        low, high = each["middle_half"]
        print(
            f"{each['ratio']:6.2f} ({low:5.2f} to {high:5.2f})   "
            f"{each['first_us']:7.2f} µs / {each['second_us']:5.2f} µs   {name}"
        )


def summary(pairs: Pairs) -> dict[str, Any]:
    """The medians, and the middle half of the ratios."""
    ratios = [first / second for first, second in pairs]
    low, ratio, high = statistics.quantiles(ratios, n=4)
    return {
        "ratio": ratio,
        "middle_half": [low, high],
        "first_us": statistics.median([first for first, _ in pairs]),
        "second_us": statistics.median([second for _, second in pairs]),
        "rounds": len(pairs),
    }


if __name__ == "__main__":
    main()
