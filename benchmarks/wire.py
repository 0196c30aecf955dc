"""What reading a request's body costs, as microseconds of processor time a record and as a multiple of `json.loads`.

    .venv/bin/python benchmarks/wire.py [ROUNDS]

The reference runs right before each subject, over the same lines in the same process, since the same loop varies by a
factor of two over a day; medians over the rounds are printed, and the least seen.
"""

import json
import sys
from collections.abc import Callable
from statistics import median
from time import process_time

from flowtrail.intake import chunks, shapes, suspects, typed, wire
from flowtrail.model.records import encode_record
from flowtrail.simulator.workload import Workload
from flowtrail.simulator.workload import bodies as workload_bodies

LINES = "application/x-ndjson"


def timed(work: Callable[[], object]) -> float:
    began = process_time()
    work()
    return process_time() - began


def with_details(text: bytes) -> bytes:
    """The same record as the SDK sends it: a detail, a usage, a worker."""
    if b'"kind":"block"' not in text:
        return text
    extra = (
        b',"worker":"w-17","details":{"lines":3,"country":"DE"},"usage":{"cpu_seconds":0.31,"bytes_in":2048}}'
    )
    return text[:-1] + extra


def changed(body: bytes, change: Callable[[bytes], bytes]) -> bytes:
    return b"\n".join(map(change, body.split(b"\n")))


def measure(title: str, sent: list[bytes], work: Callable[[bytes], object], rounds: int) -> None:
    texts = [text for body in sent for text in body.split(b"\n")]
    ratios, costs = [], []
    for _ in range(rounds):
        reference = timed(lambda: [json.loads(text) for text in texts])
        cost = timed(lambda: [work(body) for body in sent])
        ratios.append(cost / reference)
        costs.append(cost / len(texts) * 1e6)
    print(
        f"{title:44} {median(costs):8.2f} µs {min(costs):8.2f} µs {median(ratios):8.2f} × {min(ratios):8.2f} ×"
    )


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    whole = list(workload_bodies(Workload(2_000)))
    scattered = list(workload_bodies(Workload(2_000, open_transactions=2_000)))
    size = sum(map(len, whole)) / sum(len(body.split(b"\n")) for body in whole)
    print(
        f"{size:.0f} bytes a record; processor time a record, and as a multiple of json.loads: median and least\n"
    )

    def decoded(body: bytes) -> object:
        return wire.decode_body(body, LINES, None, 0)

    def read(body: bytes) -> object:
        return [typed.read_typed(chunk) for chunk in chunks.cut(body, lines=True)]

    records = {body: wire.decode_body(body, LINES, None, 0).records for body in whole}
    measure("decode_body, whole journeys", whole, decoded, rounds)
    measure("decode_body, 2,000 open", scattered, decoded, rounds)
    measure("decode_body, with details and usage", [changed(b, with_details) for b in whole], decoded, rounds)
    nulls = [changed(b, lambda text: text[:-1] + b',"at":null}') for b in whole]
    measure("decode_body, a null in every record", nulls, decoded, rounds)
    one_bad = [b + b'\n{"kind":"nothing"}' for b in whole]
    measure("decode_body, one record in 500 refused", one_bad, decoded, rounds)
    milliseconds = [b.replace(b'00Z"', b'Z"') for b in whole]
    measure("decode_body, instants of mixed lengths", milliseconds, decoded, rounds)
    print()
    measure("  of it: the typed reading", whole, read, rounds)
    measure("  of it: msgspec alone", whole, shapes.decode_wires, rounds)
    measure("  of it: canonical bytes", whole, lambda b: [encode_record(each) for each in records[b]], rounds)
    measure(
        "the exact reading", whole[:4], lambda b: [suspects.read_exact(t) for t in b.split(b"\n")], rounds
    )


if __name__ == "__main__":
    main()
