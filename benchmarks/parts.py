"""Where a record's time goes: microseconds of processor time a record, by the file whose lines were running.

    .venv/bin/python benchmarks/parts.py [TRANSACTIONS [OPEN_TRANSACTIONS [STORE]]]

First the way in, then the projector, both in one thread of this process, so that neither waits for the other; default:
a fresh SQLite store. HTTP is not in it. A profiling timer looks 500 times a second which file of Flowtrail's is
innermost, so that what it calls in C (msgspec, SQLite, zstd, hashing) counts for it and nothing is slowed by being
traced. The writing thread of MongoDB, and mongod itself, are not seen.
"""

import signal
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from types import FrameType

import flowtrail
from flowtrail.cli.bench.reference import reference_rate
from flowtrail.intake.paging import build_pages, open_chain, submission_of
from flowtrail.intake.projector import Projector
from flowtrail.intake.wire import decode_body
from flowtrail.model.clock import now_us
from flowtrail.server.tuning import tune
from flowtrail.simulator.workload import RECORDS_A_TRANSACTION, Workload, bodies
from flowtrail.storage import open_store
from flowtrail.storage.interface import Store

EVERY_S = 0.002
BODIES_A_GROUP = 4
SHOWN = 14

_HOUSE = str(Path(flowtrail.__file__).parent)


def sampled(work: Callable[[], object]) -> tuple[float, Counter[str]]:
    """Processor seconds of the work, and how often each file was found innermost."""
    seen: Counter[str] = Counter()

    def look(_: int, frame: FrameType | None) -> None:
        while frame is not None:
            path = frame.f_code.co_filename
            if path.startswith(_HOUSE):
                seen[path.removeprefix(_HOUSE + "/").removesuffix(".py")] += 1
                return
            frame = frame.f_back

    before = signal.signal(signal.SIGPROF, look)
    began = process_time()
    signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)
    try:
        work()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    return process_time() - began, seen


def take(store: Store, sent: list[bytes]) -> None:
    """What the server's two threads do, one after the other: decode, hash, pack, commit."""
    chain = open_chain(store.journal, "default", "parts")
    rest = iter(sent)
    while group := list(islice(rest, BODIES_A_GROUP)):
        now = now_us()
        read = [decode_body(body, "application/x-ndjson", None, now) for body in group]
        pages = build_pages(chain, [submission_of("default", each, Future(), 0.0) for each in read], now)
        store.journal.append(pages)
        chain.advance(pages[-1])


def project(store: Store) -> None:
    projector = Projector(store.journal, store.view_writer())
    projector.catch_up()
    projector.close()


def tell(title: str, seconds: float, seen: Counter[str], records: int) -> None:
    print(f"\n{title:<44}{seconds / records * 1e6:6.2f} µs a record")
    looks = sum(seen.values())
    shown = seen.most_common(SHOWN)
    for name, times in [*shown, ("all else", looks - sum(times for _, times in shown))]:
        print(f"  {name:<42}{seconds * times / max(looks, 1) / records * 1e6:6.2f}")


def main(transactions: str = "50000", open_transactions: str = "1", place: str = "") -> None:
    workload = Workload(int(transactions), int(open_transactions))
    sent = list(bodies(workload))
    records = workload.transactions * RECORDS_A_TRANSACTION
    print(f"{records} records, {open_transactions} transactions open at a time")
    print(f"{'json.loads':<44}{1e6 / reference_rate(sent):6.2f} µs a record")
    tune()
    with TemporaryDirectory() as directory:
        store = open_store(place or f"sqlite:{directory}")
        tell("the way in", *sampled(lambda: take(store, sent)), records)
        tell("the projector", *sampled(lambda: project(store)), records)
        store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
