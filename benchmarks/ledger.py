"""What a page costs: building, reading and proving, a record, as a multiple of `json.loads` in the same run.

python benchmarks/ledger.py [RECORDS_A_PAGE]
"""

import json
import sys
import time
from collections.abc import Callable
from statistics import median

from flowtrail.intake.wire import decode_body
from flowtrail.ledger.merkle import leaf_hashes, root_of, salts_of
from flowtrail.ledger.pages import _pack, build_page, encoded_records, leaves, read_records
from flowtrail.ledger.proofs import prove, verify
from flowtrail.model.clock import now_us
from flowtrail.model.pages import Writer
from flowtrail.simulator.workload import RECORDS_A_TRANSACTION, Workload, lines

RUNS = 15


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main(records: int) -> None:
    told = list(lines(Workload(records // RECORDS_A_TRANSACTION + 1)))[:records]
    decoded = decode_body(b"\n".join(told), "application/x-ndjson", None, now_us())
    assert not decoded.rejected
    encoded = decoded.encoded
    secret = b"s" * 32
    hashed = leaf_hashes(secret, encoded)
    page = build_page(Writer(1, "default", "bench"), 1, b"", now_us(), encoded)
    parts: dict[str, Callable[[], object]] = {
        "json.loads": lambda: [json.loads(line) for line in told],
        "build a page": lambda: build_page(Writer(1, "default", "bench"), 1, b"", now_us(), encoded),
        "  salts": lambda: salts_of(secret, records),
        "  salts and leaves": lambda: leaf_hashes(secret, encoded),
        "  tree": lambda: root_of(hashed),
        "  join and zstd": lambda: _pack(encoded),
        "read its records": lambda: read_records(page),
        "verify it": lambda: leaves(page),
        "split it": lambda: encoded_records(page),
    }
    # Side by side in each round, so that a busy moment falls on all of them.
    rounds = [{name: seconds(work) for name, work in parts.items()} for _ in range(RUNS)]
    print(f"{records} records a page, median of {RUNS} rounds")
    for name in parts:
        taken = median(times[name] for times in rounds)
        ratio = median(times[name] / times["json.loads"] for times in rounds)
        print(f"{name:<20}{taken / records * 1e6:8.3f} µs a record{ratio:8.3f} × json.loads")
    print(f"stored: {(len(page.header) + len(page.body) + 96) / records:.1f} B a record")
    proof = prove(page, records // 2)
    print(
        f"a proof: {len(proof.path) * 32 + len(proof.salt)} B, verified in {seconds(lambda: verify(proof, page.hash)) * 1e6:.0f} µs"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000)
