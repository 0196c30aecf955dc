"""Records as producers send them, from a seed: what a day in an integration holds, in small.

Transactions are interleaved, told late, corrected, tried again, split and linked; some records come twice. Every
instant is stated, so that states depend on the records alone and not on when they came.
"""

import json
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from flowtrail.intake.wire import decode_body
from flowtrail.model.records import AnyRecord

BASE = 1_790_000_000_000_000
OPEN = 60
"""Transactions that are under way together."""
BLOCKS = ("receive", "validate", "map", "enrich", "deliver")

Json = dict[str, Any]


def story(seed: int, transactions: int, *, repeats: float = 0.05) -> list[Json]:
    """All records of so many transactions, interleaved; `repeats` of them come again."""
    random = Random(seed)
    told = [list(_way(random, seed, number)) for number in range(transactions)]
    flow = {
        "kind": "flow",
        "flow": "shop",
        "version": "3",
        "at": BASE,
        "stages": ["in", "out"],
        "blocks": [{"name": block, "stage": "in"} for block in BLOCKS],
    }
    records = [flow]
    while told:
        reach = min(len(told), OPEN)
        place = min(random.randrange(reach), random.randrange(reach))
        records.append(told[place].pop(0))
        if not told[place]:
            del told[place]
    for seq, record in enumerate(records, 1):
        record.update(producer=f"shop-{seed}/{seed:x}", seq=seq)
    again = [record for record in records if random.random() < repeats]
    for record in again:
        records.insert(random.randrange(len(records)), record)
    return records


def transaction_id(seed: int, number: int) -> str:
    """The id of a story's transaction."""
    return f"{BASE // 1000:012x}7{seed & 0xFFF:03x}8{number + 1:015x}"


def _way(random: Random, seed: int, number: int) -> Iterator[Json]:
    key, at = transaction_id(seed, number), BASE + number * 7_000_000
    announced = {
        "kind": "transaction",
        "id": key,
        "flow": random.choice(("shop", "shop", "bill")),
        "version": random.choice(("3", "4")),
        "object_type": random.choice(("order", "item")),
        "object_id": f"{4700 + number}",
        "keys": {"customer": f"C-{random.randrange(9)}"},
        "created_at": at,
        "trace": f"t{number % 5}",
    }
    late = random.random() < 0.2
    if not late:
        yield announced
    failed = False
    for index, block in enumerate(BLOCKS[: random.randrange(2, 6)]):
        queued = at + index * 1_000_000 + random.randrange(400_000)
        started, ended = queued + random.randrange(1, 90_000), queued + random.randrange(100_000, 900_000)
        execution = {
            "kind": "block",
            "transaction": key,
            "id": f"{(number + 1) * 16 + index:016x}",
            "block": block,
            "queued_at": queued,
            "started_at": started,
            "worker": f"w{random.randrange(3)}",
        }
        if random.random() < 0.5:
            yield execution | {"status": "running", "at": started}
        failed = random.random() < 0.1
        status = "failed" if failed else random.choice(("succeeded",) * 8 + ("skipped",))
        last = execution | {
            "status": status,
            "ended_at": ended,
            "at": ended,
            "usage": {"bytes_in": index * 100},
        }
        if failed:
            last["exceptions"] = [{"type": "KeyError", "message": f"'sku-{random.randrange(3)}'"}]
        if status == "skipped":
            last["skip"] = {"predicate": "allowed_country"}
        yield last
        if random.random() < 0.05:
            yield last | {"worker": "corrected", "at": ended + 86_400_000_000}
    if number and random.random() < 0.2:
        yield {"kind": "link", "parent": transaction_id(seed, number - 1), "child": key, "relation": "split"}
    if late:
        yield announced
    if random.random() < 0.85:
        ended = at + 6_000_000 + random.randrange(1_000_000)
        outcome = "failed" if failed else "delivered"
        yield {"kind": "end", "transaction": key, "outcome": outcome, "ended_at": ended, "at": ended}
        if failed and random.random() < 0.5:
            yield {"kind": "transaction", **announced, "attempt": 2, "at": ended + 1}
            done = ended + 2_000_000
            yield {
                "kind": "end",
                "transaction": key,
                "outcome": "delivered",
                "attempt": 2,
                "ended_at": done,
                "at": done,
            }


def bodies(records: Sequence[Json], size: int) -> list[bytes]:
    """The records as bodies of requests, `size` in each."""
    return [
        "\n".join(json.dumps(record) for record in records[first : first + size]).encode()
        for first in range(0, len(records), size)
    ]


def canonical(records: Sequence[Json]) -> list[AnyRecord]:
    """The records as the journal has them. None of them may be refused."""
    found: list[AnyRecord] = []
    for body in bodies(records, 1_000):
        decoded = decode_body(body, "application/x-ndjson", None, BASE)
        assert decoded.rejected == []
        found += decoded.records
    return found
