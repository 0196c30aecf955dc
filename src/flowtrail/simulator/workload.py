"""The load that Flowtrail is measured with: an order's way through five blocks, whole or interleaved.

Seven records a transaction (announced, five finished executions, ended) of about 250 bytes of JSON each, with
instants as strings; two in a hundred fail in one block, with an exception. Everything follows from the seed.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from flowtrail.model.instants import format_instant

BLOCKS: Final = (
    ("validate", "ingress"),
    ("map", "processing"),
    ("enrich", "processing"),
    ("route", "processing"),
    ("deliver", "egress"),
)
FLOW: Final = "shop-to-erp"
RECORDS_A_TRANSACTION: Final = 7
FAILURE_RATE: Final = 0.02
_START_US: Final = 1_790_000_000_000_000


@dataclass(frozen=True, slots=True)
class Workload:
    """How much of what: `open_transactions` 1 tells each transaction's records together, more interleaves them."""

    transactions: int
    open_transactions: int = 1
    seed: int = 7
    producer: str = "shop-1/7f3a09"
    spacing_us: int = 5_000
    """Between the creations of two transactions."""


def transaction_id(workload: Workload, number: int) -> str:
    """A UUIDv7 of the transaction's creation, its noise from the seed."""
    noise = Random(workload.seed << 40 | number).getrandbits(74)
    stamp = (_START_US + number * workload.spacing_us) // 1_000
    value = stamp << 80 | 0x7 << 76 | (noise >> 62) << 64 | 0x2 << 62 | (noise & ((1 << 62) - 1))
    return f"{value:032x}"


def records(workload: Workload) -> Iterator[dict[str, Any]]:
    """All records, in the order they are told. `seq` counts them from 1."""
    for seq, (number, step) in enumerate(_order(workload), 1):
        record = _record(workload, number, step)
        record["seq"] = seq
        yield record


def lines(workload: Workload) -> Iterator[bytes]:
    """The same as lines of JSON, without line ends."""
    for record in records(workload):
        yield json.dumps(record, separators=(",", ":")).encode()


def bodies(workload: Workload, records_a_request: int = 500) -> Iterator[bytes]:
    """The same as bodies of requests."""
    held: list[bytes] = []
    for line in lines(workload):
        held.append(line)
        if len(held) == records_a_request:
            yield b"\n".join(held)
            held = []
    if held:
        yield b"\n".join(held)


def _order(workload: Workload) -> Iterator[tuple[int, int]]:
    """(transaction, step): round robin over groups of open transactions, each group told to its end."""
    size = max(workload.open_transactions, 1)
    for first in range(0, workload.transactions, size):
        group = range(first, min(first + size, workload.transactions))
        for step in range(RECORDS_A_TRANSACTION):
            for number in group:
                yield number, step


def _record(workload: Workload, number: int, step: int) -> dict[str, Any]:
    random = Random(workload.seed << 40 | number)
    random.getrandbits(74)
    created = _START_US + number * workload.spacing_us
    failing = random.randrange(len(BLOCKS)) if random.random() < FAILURE_RATE else None
    times = [(random.randrange(200, 40_000), random.randrange(500, 250_000)) for _ in BLOCKS]
    key = transaction_id(workload, number)
    if step == 0:
        return {
            "kind": "transaction",
            "producer": workload.producer,
            "id": key,
            "flow": FLOW,
            "version": "3",
            "object_type": "order",
            "object_id": f"4711{number:07d}",
            "keys": {"customer": f"C-{random.randrange(50_000)}"},
            "created_at": format_instant(created),
        }
    if step == RECORDS_A_TRANSACTION - 1:
        ended = created + sum(wait + work for wait, work in times)
        outcome = "delivered" if failing is None else "failed"
        return {
            "kind": "end",
            "producer": workload.producer,
            "transaction": key,
            "outcome": outcome,
            "ended_at": format_instant(ended),
        }
    return _execution(workload, key, created, times, step - 1, failing=failing)


def _execution(
    workload: Workload,
    key: str,
    created: int,
    times: list[tuple[int, int]],
    index: int,
    *,
    failing: int | None,
) -> dict[str, Any]:
    queued = created + sum(wait + work for wait, work in times[:index])
    started = queued + times[index][0]
    ended = started + times[index][1]
    block, stage = BLOCKS[index]
    record: dict[str, Any] = {
        "kind": "block",
        "producer": workload.producer,
        "transaction": key,
        "id": f"{int(key[-14:], 16) * 8 + index + 1 & (1 << 64) - 1:016x}",
        "block": block,
        "stage": stage,
        "status": "failed" if index == failing else "succeeded",
        "queued_at": format_instant(queued),
        "started_at": format_instant(started),
        "ended_at": format_instant(ended),
    }
    if index == failing:
        record["exceptions"] = [{"type": "KeyError", "message": f"'sku-{key[-5:]}'"}]
    return record
