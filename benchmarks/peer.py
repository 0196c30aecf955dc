"""A tracing server that speaks OTLP beside Flowtrail: the same spans to both, in turns, until they can be read.

    .venv/bin/python benchmarks/peer.py OTLP_URL QUERY_URL [SPANS [RUNS]]

The peer is yours to start, with its traces on the same disk; OTLP_URL takes `/v1/traces`, QUERY_URL answers Jaeger's
`/api/traces`. For a server started with its defaults that is `http://127.0.0.1:4318 http://127.0.0.1:16686`.
A run counts for the peer when three traces, first, middle and last, are found by id with all their spans; Flowtrail
also has to show every trace in exact totals and in statistics before its clock stops.
"""

import sys
from dataclasses import replace
from http.client import HTTPMessage
from itertools import count
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import httpx2

from flowtrail.cli.bench.load import TRACES, LoadFailed, send
from flowtrail.cli.bench.reference import reference_rate
from flowtrail.cli.bench.subject import running
from flowtrail.cli.bench.tracing import RECORDS_A_TRACE, Prepared, measure, sized
from flowtrail.model.clock import monotonic_s, sleep_s
from flowtrail.simulator.spans import SPANS_A_TRACE, trace_id

_PATIENCE_S = 60.0


def _accepted(_: HTTPMessage, text: bytes, spans: int) -> str:
    """Some answer with an empty `partial_success`: nothing was refused."""
    if text not in (b"", b"{}", b'{"partialSuccess":{}}', b"\n\x00"):
        raise LoadFailed(f"not all of {spans} spans accepted: {text[:500]!r}")
    return ""


def of_peer(otlp: str, query: str, prepared: Prepared) -> dict[str, float]:
    """Spans a second: until acknowledged, and until they are found."""
    spans, workload = sum(prepared.counts), prepared.workload
    # As many spans a second as json.loads takes of the records that these spans become, as in `flowtrail bench`.
    reference = reference_rate(prepared.lines) * SPANS_A_TRACE / RECORDS_A_TRACE
    with httpx2.Client(base_url=query, timeout=_PATIENCE_S, trust_env=False) as client:
        began = monotonic_s()
        send(otlp, prepared.bodies, protocol=TRACES._replace(token_of=_accepted), counts=prepared.counts)
        acknowledged = monotonic_s() - began
        for number in (0, workload.traces // 2, workload.traces - 1):
            _await_trace(client, trace_id(workload, number).hex())
        took = monotonic_s() - began
    return {
        "acknowledged_spans_s": round(spans / acknowledged),
        "queryable_spans_s": round(spans / took),
        "queryable_ratio": round(spans / took / reference, 3),
    }


def _await_trace(client: httpx2.Client, key: str) -> None:
    until = monotonic_s() + _PATIENCE_S
    found = -1
    while monotonic_s() < until:
        answer = client.get(f"/api/traces/{key}")
        found = len(answer.json()["data"][0]["spans"]) if answer.status_code == httpx2.codes.OK else 0
        if found == SPANS_A_TRACE:
            return
        sleep_s(0.05)
    raise SystemExit(f"trace {key}: {found} of {SPANS_A_TRACE} spans after {_PATIENCE_S:.0f} s")


def of_flowtrail(prepared: Prepared) -> dict[str, Any]:
    """The figure of `flowtrail bench --figure otlp` on a fresh SQLite store."""
    with TemporaryDirectory() as place, running(f"sqlite:{place}") as subject:
        return measure(subject, prepared)


def main(otlp: str, query: str, spans: str = "120000", runs: str = "3") -> None:
    seeds = count(1)
    for name in ("whole", "scattered"):
        told: list[tuple[dict[str, float], dict[str, Any]]] = []
        for _ in range(int(runs)):
            # Other spans each time, as the peer keeps those of before.
            workload = replace(sized(int(spans), scattered=name == "scattered"), seed=next(seeds))
            prepared = Prepared(workload)
            told.append((of_peer(otlp, query, prepared), of_flowtrail(prepared)))
            print(f"{name}: peer {told[-1][0]}, Flowtrail {told[-1][1]}", file=sys.stderr)
        rates = []
        for who, found in zip(("peer", "Flowtrail"), zip(*told, strict=True), strict=True):
            rates.append(median(run["queryable_spans_s"] for run in found))
            ratio = median(run["queryable_ratio"] for run in found)
            print(f"{name}, {who}: {rates[-1]:.0f} spans/s until found, {ratio:.3f} x json.loads")
        print(f"{name}: Flowtrail {rates[1] / rates[0]:.2f} x the peer")


if __name__ == "__main__":
    main(*sys.argv[1:])
