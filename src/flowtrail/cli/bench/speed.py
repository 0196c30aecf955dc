"""How fast records become durable and queryable, and how soon after their acknowledgement they can be read."""

import threading
from collections import deque
from dataclasses import dataclass, replace
from statistics import median, quantiles
from typing import Any, Final

import httpx2

from flowtrail.cli.bench.load import send
from flowtrail.cli.bench.reference import reference_rate
from flowtrail.cli.bench.subject import Subject
from flowtrail.model.clock import monotonic_s
from flowtrail.simulator.workload import BLOCKS, RECORDS_A_TRANSACTION, Workload, bodies, transaction_id

INTERLEAVED: Final = 50_000


class NotQueryable(Exception):
    """What was acknowledged could not be found as it should; the figure would be worth nothing."""


@dataclass(frozen=True, slots=True)
class Speed:
    """One run: records a second until queryable, and as a multiple of the reference."""

    records: int
    reference: float
    durable: float
    queryable: float
    latency_p50_s: float
    latency_p99_s: float

    def as_dict(self) -> dict[str, Any]:
        """For reports."""
        return {
            "records": self.records,
            "reference_records_s": round(self.reference),
            "durable_records_s": round(self.durable),
            "durable_ratio": round(self.durable / self.reference, 3),
            "queryable_records_s": round(self.queryable),
            "queryable_ratio": round(self.queryable / self.reference, 3),
            "ack_p50_ms": round(self.latency_p50_s * 1e3, 2),
            "ack_p99_ms": round(self.latency_p99_s * 1e3, 2),
        }


def measure(subject: Subject, workload: Workload, prepared: list[bytes]) -> Speed:
    """Send the prepared bodies and stop the clock when everything was found. The store must be empty before."""
    reference = reference_rate(prepared)
    began = monotonic_s()
    sent = send(subject.url, prepared)
    durable = monotonic_s() - began
    assert_queryable(subject, workload, sent.tokens)
    took = monotonic_s() - began
    times = sent.latencies_s
    return Speed(
        sent.records,
        reference,
        sent.records / durable,
        sent.records / took,
        median(times),
        quantiles(times, n=100)[98] if len(times) > 1 else times[0],
    )


def acknowledgement(subject: Subject, prepared: list[bytes]) -> dict[str, float]:
    """Records a second until all are acknowledged, as a multiple of the reference, and how long a request took."""
    reference = reference_rate(prepared)
    sent = send(subject.url, prepared)
    times = sent.latencies_s
    return {
        "records_s": round(sent.records / sent.seconds),
        "ratio": round(sent.records / sent.seconds / reference, 3),
        "p50_ms": round(median(times) * 1e3, 2),
        "p99_ms": round(quantiles(times, n=100)[98] * 1e3, 2),
    }


def assert_queryable(subject: Subject, workload: Workload, tokens: list[str]) -> None:
    """Everything is there: exact totals, statistics, by id with every execution, and by its terms. Raises: NotQueryable."""
    assert_visible(subject, tokens)
    count = workload.transactions
    expect(subject.get("/v1/transactions", page_size=1, count="exact").json()["total"], count, "total")
    ended = subject.get("/v1/transactions", page_size=1, count="exact", q="status:delivered,failed").json()
    expect(ended["total"], count, "ended")
    counted = subject.get("/v1/statistics", group_by="block").json()
    executions = {
        b["group"]["block"]: b["executions"]["arrivals"] for b in counted["buckets"] if b.get("executions")
    }
    for block, _ in BLOCKS:
        expect(executions.get(block), count, f"executions of {block}")
    for number in {0, count // 2, count - 1}:
        key = transaction_id(workload, number)
        found = subject.get(f"/v1/transactions/{key}").json()
        expect(len(found["blocks"]), len(BLOCKS), f"executions of {key}")
        for q in (found["object_id"], f"key.customer:{found['keys']['customer']}", f"version:3 {key}"):
            listed = subject.get("/v1/transactions", q=q, page_size=1000).json()["transactions"]
            expect(key in [row["id"] for row in listed], True, f"{q} finds {key}")


def assert_visible(subject: Subject, tokens: list[str]) -> None:
    """Wait until everything that these tokens name is visible. Raises: NotQueryable."""
    for token in tokens:
        while True:
            answer = subject.get("/v1/transactions", after=token, page_size=1, count="none")
            if answer.status_code == httpx2.codes.OK:
                break
            if answer.status_code != httpx2.codes.GATEWAY_TIMEOUT:
                raise NotQueryable(answer.text)


def expect(found: object, wanted: object, what: str) -> None:
    """Raises: NotQueryable when something else was found."""
    if found != wanted:
        raise NotQueryable(f"{what}: found {found!r}, expected {wanted!r}")


def prepare(workload: Workload) -> list[bytes]:
    """Every request's body, so that the client does nothing but send."""
    return list(bodies(workload))


def sized(records: int, *, interleaved: bool) -> Workload:
    """The workload of about that many records."""
    workload = Workload(transactions=records // RECORDS_A_TRANSACTION)
    return replace(workload, open_transactions=INTERLEAVED) if interleaved else workload


def visibility(subject: Subject, prepared: list[bytes], records_a_second: float) -> tuple[float, float]:
    """Seconds from an acknowledgement to when its records can be read, p50 and p99, at that load.

    One probe at a time asks with `Flowtrail-After`, always for the newest acknowledgement.
    """
    newest: deque[tuple[float, str]] = deque(maxlen=1)
    delays: list[float] = []
    done = threading.Event()

    def probe() -> None:
        with httpx2.Client(base_url=subject.url, timeout=60, trust_env=False) as client:
            while not done.is_set():
                if not newest:
                    done.wait(0.001)
                    continue
                acknowledged, token = newest.pop()
                client.get("/v1/transactions?page_size=1&count=none", headers={"Flowtrail-After": token})
                delays.append(monotonic_s() - acknowledged)

    thread = threading.Thread(target=probe)
    thread.start()
    try:
        send(
            subject.url,
            prepared,
            records_a_second=records_a_second,
            on_answer=lambda at, t: newest.append((at, t)),
        )
    finally:
        done.set()
        thread.join()
    return median(delays), quantiles(delays, n=100)[98]
