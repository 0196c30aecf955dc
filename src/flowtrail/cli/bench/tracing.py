"""How fast spans that come over OTLP become queryable, against `json.loads` over the same spans as our records."""

from dataclasses import replace
from statistics import median
from typing import Any, Final

from flowtrail.cli.bench.load import TRACES, send
from flowtrail.cli.bench.reference import reference_rate
from flowtrail.cli.bench.speed import assert_visible, expect
from flowtrail.cli.bench.subject import Subject
from flowtrail.model.clock import monotonic_s
from flowtrail.simulator.spans import SPANS_A_TRACE, STEPS, Traces, bodies, lines, trace_id

SCATTERED: Final = 2_000
RECORDS_A_TRACE: Final = SPANS_A_TRACE + 2
"""A trace's root also announces and ends its transaction."""
_LINES_A_BODY: Final = 500


def sized(spans: int, *, scattered: bool) -> Traces:
    """The workload of about that many spans."""
    return Traces(spans // SPANS_A_TRACE, SCATTERED if scattered else 1)


class Prepared:
    """A workload's bodies, so that the client does nothing but send, and its reference."""

    def __init__(self, workload: Traces) -> None:
        self.workload = workload
        told = list(bodies(self.workload))
        self.bodies = [body for body, _ in told]
        self.counts = [count for _, count in told]
        sample = list(lines(replace(workload, traces=min(workload.traces, 10_000))))
        self.lines = [
            b"\n".join(sample[first : first + _LINES_A_BODY])
            for first in range(0, len(sample), _LINES_A_BODY)
        ]


def measure(subject: Subject, prepared: Prepared) -> dict[str, Any]:
    """Send all and stop the clock when everything was found. The store must be empty before."""
    spans = sum(prepared.counts)
    # As many spans a second as json.loads takes of the records that these spans become.
    reference = reference_rate(prepared.lines) * SPANS_A_TRACE / RECORDS_A_TRACE
    began = monotonic_s()
    sent = send(subject.url, prepared.bodies, protocol=TRACES, counts=prepared.counts)
    durable = monotonic_s() - began
    _assert_queryable(subject, prepared.workload, sent.tokens)
    took = monotonic_s() - began
    return {
        "spans": spans,
        "bytes_span": round(sum(map(len, prepared.bodies)) / spans, 1),
        "reference_spans_s": round(reference),
        "durable_spans_s": round(spans / durable),
        "durable_ratio": round(spans / durable / reference, 3),
        "queryable_spans_s": round(spans / took),
        "queryable_ratio": round(spans / took / reference, 3),
        "ack_p50_ms": round(median(sent.latencies_s) * 1e3, 2),
    }


def _assert_queryable(subject: Subject, workload: Traces, tokens: list[str]) -> None:
    """Every trace is there, ended, with all its spans. Raises: NotQueryable."""
    assert_visible(subject, tokens)
    count = workload.traces
    ended = subject.get("/v1/transactions", page_size=1, count="exact", q="status:delivered").json()
    expect(ended["total"], count, "ended")
    counted = subject.get("/v1/statistics", group_by="block").json()
    executions = {
        each["group"]["block"]: each["executions"]["arrivals"]
        for each in counted["buckets"]
        if each.get("executions")
    }
    for block, _ in STEPS:
        expect(executions.get(block), count, f"executions of {block}")
    for number in {0, count // 2, count - 1}:
        key = trace_id(workload, number).hex()
        found = subject.get(f"/v1/transactions/{key}").json()
        expect(len(found["blocks"]), SPANS_A_TRACE, f"spans of {key}")
