"""What keeping account of producer sessions costs the projector, as processor time a record.

    .venv/bin/python benchmarks/producers.py [ROUNDS]

Pages of one producer, of four one after the other (as group commits have them), and of four mixed record by record.
`hearing` is the looking at pages, `writing` the join in SQLite; each round also projects the same pages as a whole into
new stores, with and without hearing (`before`), and the ratios are to that with it. Medians over the rounds, and the
least seen.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from time import process_time

from flowtrail.intake.hearing import Hearing
from flowtrail.intake.projector import Projector
from flowtrail.intake.wire import decode_body
from flowtrail.ledger.pages import build_page, read_header, read_records
from flowtrail.model.pages import Page, Writer
from flowtrail.projection.producers import Heard
from flowtrail.simulator.workload import Workload, bodies
from flowtrail.storage import open_store
from flowtrail.storage.interface import Batch

TRANSACTIONS = 8_000
PRODUCERS = 4
AT = 1_790_000_000_000_000


def encoded(workload: Workload) -> list[bytes]:
    return [
        record
        for body in bodies(workload)
        for record in decode_body(body, "application/x-ndjson", None, AT).encoded
    ]


def paged(records: Sequence[bytes], size: int = 2_000) -> Iterator[list[bytes]]:
    for first in range(0, len(records), size):
        yield list(records[first : first + size])


def pages_of(groups: Iterator[list[bytes]], writer: Writer) -> list[Page]:
    pages: list[Page] = []
    for number, group in enumerate(groups, 1):
        pages.append(build_page(writer, number, pages[-1].hash if pages else b"", AT + number, group))
    return pages


def layouts() -> dict[str, list[list[bytes]]]:
    """Each way records may stand in pages, of the same records but for their producers."""
    own = [
        encoded(Workload(TRANSACTIONS // PRODUCERS, seed=seed, producer=f"shop-{seed}/7f3a09"))
        for seed in range(PRODUCERS)
    ]
    batches = [list(paged(each, 500)) for each in own]
    return {
        "one producer": list(paged(encoded(Workload(TRANSACTIONS)))),
        "four, batch by batch": list(
            paged([record for group in zip(*batches, strict=True) for batch in group for record in batch])
        ),
        "four, record by record": list(paged([each for four in zip(*own, strict=True) for each in four])),
    }


def timed(work: Callable[[], object]) -> float:
    began = process_time()
    work()
    return process_time() - began


def measure(groups: list[list[bytes]], folder: Path) -> dict[str, float]:
    """Seconds of processor time of each part, over all pages."""
    store = open_store(f"sqlite:{folder / 'parts'}")
    writer = store.journal.register("default", "bench")
    pages = pages_of(iter(groups), writer)
    store.journal.append(pages)
    heard: list[list[Heard]] = []
    hearing = 0.0
    # Ten pages are one step of the projector, which looks at each right after decoding it.
    for first in range(0, len(pages), 10):
        listening = Hearing()
        for page in pages[first : first + 10]:
            header, records = read_header(page), read_records(page)
            began = process_time()
            listening.take(header.tenant, header.received_at, records, header.rejected)
            hearing += process_time() - began
        heard.append(listening.heard)
    views = store.view_writer()
    lease = views.acquire("bench", 600)
    assert lease is not None
    apart = timed(lambda: [views.write(Batch(position={0: 1}, set_aside=[]), lease) for _ in heard])
    writing = timed(lambda: [views.write(Batch(heard=each), lease) for each in heard])
    views.release(lease)
    store.close()
    whole = projected(groups, folder / "with")
    take, Hearing.take = Hearing.take, lambda *_: None  # type: ignore[method-assign]
    try:
        before = projected(groups, folder / "without")
    finally:
        Hearing.take = take  # type: ignore[method-assign]
    return {"hearing": hearing, "writing": max(writing - apart, 0.0), "whole": whole, "before": before}


def projected(groups: list[list[bytes]], folder: Path) -> float:
    store = open_store(f"sqlite:{folder}")
    pages = pages_of(iter(groups), store.journal.register("default", "bench"))
    store.journal.append(pages)
    projector = Projector(store.journal, store.view_writer())
    taken = timed(projector.catch_up)
    projector.close()
    store.close()
    return taken


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    print(f"{TRANSACTIONS * 7} records, {rounds} rounds: median and least\n")
    for name, groups in layouts().items():
        count = sum(map(len, groups))
        found = []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                found.append(measure(groups, Path(folder)))
        for part in ("hearing", "writing", "whole", "before"):
            each = [one[part] / count * 1e6 for one in found]
            share = median(one[part] / one["whole"] for one in found)
            print(f"{name:24}{part:10}{median(each):8.3f} µs {min(each):8.3f} µs {share:8.2%} of the whole")


if __name__ == "__main__":
    main()
