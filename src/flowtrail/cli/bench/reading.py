"""How fast questions are answered with many transactions in the store, and how a huge transaction behaves."""

from statistics import median
from typing import Any, Final

import httpx2
import msgspec

from flowtrail.cli.bench.load import send
from flowtrail.cli.bench.speed import assert_queryable
from flowtrail.cli.bench.subject import Subject
from flowtrail.model.clock import monotonic_s
from flowtrail.simulator.workload import Workload, bodies, transaction_id

_ROUNDS: Final = 21
_LOAD_AT_ONCE: Final = 2_000
"""Bodies held in memory while filling."""

QUERIES: Final = {
    "everything": "",
    "status": "status:failed",
    "status that never occurs": "status:cancelled",
    "version": "version:3",
    "type and status": "type:order status:failed",
    "flow": "flow:shop-to-erp",
    "exception": "exception:KeyError",
    "block failed": "block:map/failed",
    "block failed and key": "block:map/failed key.customer:C-17",
    "key": "key.customer:C-17",
    "version and status": "version:3 status:failed",
    "duration": "duration:>900ms",
    "duration and status": "duration:>900ms status:failed",
    "two terms": "exception:KeyError block:deliver/failed",
    "not": "-status:delivered",
    "failures": "has:failures",
    "in transit and late": "is:late",
}


def measure(subject: Subject, transactions: int) -> dict[str, Any]:
    """Fill the store, then ask; medians in milliseconds over one connection."""
    workload = Workload(transactions=transactions, spacing_us=max(30 * 86_400_000_000 // transactions, 1))
    _fill(subject, workload)
    with httpx2.Client(base_url=subject.url, timeout=120, trust_env=False) as client:
        told: dict[str, Any] = {"transactions": transactions}
        keys = [transaction_id(workload, number * transactions // _ROUNDS) for number in range(_ROUNDS)]
        told["by id"] = _p50(client, [f"/v1/transactions/{key}" for key in keys])
        told["page"] = _pages(client)
        told["page without its total"] = _pages(client, count="none")
        told["deep page"] = _deep(client)
        told["statistics by block, 30 days in days"] = _p50(
            client, ["/v1/statistics"] * _ROUNDS, group_by="block", step="1d"
        )
        told["statistics by block, 30 days in hours"] = _p50(
            client, ["/v1/statistics"] * _ROUNDS, group_by="block", step="1h"
        )
    told["memory_mb"] = round(subject.memory_bytes() / 1e6)
    return told


def _fill(subject: Subject, workload: Workload) -> None:
    held: list[bytes] = []
    tokens: list[str] = []
    for body in bodies(workload):
        held.append(body)
        if len(held) == _LOAD_AT_ONCE:
            tokens = send(subject.url, held).tokens
            held = []
    if held:
        tokens = send(subject.url, held).tokens
    assert_queryable(subject, workload, tokens)


def _pages(client: httpx2.Client, **parameters: str) -> dict[str, float]:
    return {
        name: _p50(client, ["/v1/transactions"] * _ROUNDS, q=q, **parameters) for name, q in QUERIES.items()
    }


def _p50(client: httpx2.Client, paths: list[str], **parameters: str) -> float:
    times = []
    for path in paths:
        began = monotonic_s()
        answer = client.get(path, params=parameters)
        answer.raise_for_status()
        times.append(monotonic_s() - began)
    return round(median(times) * 1e3, 2)


def _deep(client: httpx2.Client) -> dict[str, float]:
    """The first page, and one deep in the list, by its token."""
    first = _p50(client, ["/v1/transactions"] * _ROUNDS, page_size="50", count="none")
    token = ""
    for _ in range(60):
        parameters = {"page_size": "1000", "count": "none"} | ({"page_token": token} if token else {})
        token = client.get("/v1/transactions", params=parameters).json()["next_page_token"]
        if not token:
            return {"first": first}
    deep = _p50(client, ["/v1/transactions"] * _ROUNDS, page_size="50", count="none", page_token=token)
    return {"first": first, "after 60,000 rows": deep}


def large_transaction(subject: Subject, executions: int = 10_000) -> dict[str, Any]:
    """A transaction whose executions arrive one by one, while neighbours arrive whole."""
    neighbours = list(bodies(Workload(transactions=2_000, seed=99)))
    alone = _records_a_second(subject, neighbours)
    key = "f" * 32
    opened = {"kind": "transaction", "id": key, "flow": "huge", "object_type": "batch", "object_id": "huge"}
    began = 1_790_000_000_000_000
    lines = [msgspec.json.encode({**opened, "created_at": began})]
    for number in range(executions):
        at = began + number * 1_000
        lines.append(
            msgspec.json.encode(
                {
                    "kind": "block",
                    "transaction": key,
                    "id": f"{number + 1:016x}",
                    "block": f"step{number % 20}",
                    "status": "succeeded",
                    "started_at": at,
                    "ended_at": at + 900,
                }
            )
        )
    began_s = monotonic_s()
    sent = send(subject.url, lines, connections=1)
    for token in sent.tokens:
        subject.get("/v1/transactions", after=token, page_size=1)
    took = monotonic_s() - began_s
    beside = _records_a_second(subject, list(bodies(Workload(transactions=2_000, seed=100))))
    times = []
    for _ in range(5):
        at_s = monotonic_s()
        found = subject.get(f"/v1/transactions/{key}").json()
        times.append(monotonic_s() - at_s)
    return {
        "executions": executions,
        "shown": len(found["blocks"]),
        "requests_s": round(executions / took),
        "read_ms": round(median(times) * 1e3, 1),
        "neighbours_records_s_before": round(alone),
        "neighbours_records_s_after": round(beside),
    }


def _records_a_second(subject: Subject, prepared: list[bytes]) -> float:
    began = monotonic_s()
    sent = send(subject.url, prepared)
    for token in sent.tokens:
        subject.get("/v1/transactions", after=token, page_size=1)
    return sent.records / (monotonic_s() - began)
