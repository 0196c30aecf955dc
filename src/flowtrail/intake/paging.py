"""From queued batches to pages of one chain: what a page takes, and where the next one begins."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from flowtrail.intake.receipts import Receipt
from flowtrail.intake.wire import Decoded
from flowtrail.ledger.heads import unnamed_heads
from flowtrail.ledger.pages import NamedHead, build_page
from flowtrail.model.limits import MAX_PAGE_BYTES, MAX_PAGE_RECORDS
from flowtrail.model.pages import Page, Writer, split_number
from flowtrail.storage.interface import Journal

MAX_PAGE_REFUSED: Final = 1_000
"""Rejected sequences in one header: below 1 MiB even if each has a producer of its own with the longest name."""
REFUSED_BYTES: Final = 256
"""What a rejected record holds in memory until its page is durable, about."""
RECORD_OVERHEAD_BYTES: Final = 64
"""What an accepted one holds beyond its canonical bytes, about."""


@dataclass(slots=True, eq=False)
class Submission:
    """One batch on its way into the journal. `answered` is guarded by the committer's lock."""

    tenant: str
    decoded: Decoded
    future: "Future[Receipt]"
    queued_s: float
    """When it was queued, monotonic."""
    refused: list[tuple[str, int]] = field(default_factory=list)
    """Producer and sequence of what was rejected, where both are known."""
    size_bytes: int = 0
    answered: bool = False


def submission_of(tenant: str, decoded: Decoded, future: "Future[Receipt]", queued_s: float) -> Submission:
    """A batch with its measures taken, once, by the thread that brings it."""
    refused = [
        (item.producer, item.seq)
        for item in decoded.rejected
        if item.producer is not None and item.seq is not None
    ]
    size = sum(map(len, decoded.encoded)) + RECORD_OVERHEAD_BYTES * len(decoded.encoded)
    return Submission(tenant, decoded, future, queued_s, refused, size + REFUSED_BYTES * len(refused))


@dataclass(slots=True)
class Chain:
    """A writer's chain as far as it is durable."""

    writer: Writer
    sequence: int = 0
    hash: bytes = b""
    named: list[NamedHead] = field(default_factory=list)
    """For the first page."""

    def advance(self, last: Page) -> None:
        """Its pages up to this one are durable."""
        _, self.sequence = split_number(last.number)
        self.hash = last.hash


def open_chain(journal: Journal, tenant: str, name: str) -> Chain:
    """A chain under a name of this tenant's, and what its first page has to name.

    Raises: StoreError; then it may be asked again.
    """
    writer = journal.register(tenant, name)
    return Chain(writer, named=unnamed_heads(journal, tenant))


def build_pages(chain: Chain, batches: Sequence[Submission], received_at: int) -> list[Page]:
    """The chain's next pages, holding all that the batches bring, in order. The chain itself stays where it is."""
    encoded: list[bytes] = []
    refused: list[tuple[str, int]] = []
    for batch in batches:
        encoded += batch.decoded.encoded
        refused += batch.refused
    pages: list[Page] = []
    sequence, previous = chain.sequence, chain.hash
    turned_away = iter(refused)
    slices = _slices(encoded)
    while True:
        records = next(slices, [])
        pairs = list(islice(turned_away, MAX_PAGE_REFUSED))
        if not records and not pairs:
            return pages
        named = chain.named if sequence == 0 else []
        sequence += 1
        page = build_page(chain.writer, sequence, previous, received_at, records, pairs, named)
        previous = page.hash
        pages.append(page)


def _slices(encoded: list[bytes]) -> Iterator[list[bytes]]:
    """The records in parts that fit a page each; a record larger than a page has one of its own."""
    if len(encoded) <= MAX_PAGE_RECORDS and sum(map(len, encoded)) <= MAX_PAGE_BYTES:
        if encoded:
            yield encoded
        return
    start = size = 0
    for index, record in enumerate(encoded):
        size += len(record)
        if index > start and (index - start == MAX_PAGE_RECORDS or size > MAX_PAGE_BYTES):
            yield encoded[start:index]
            start, size = index, len(record)
    yield encoded[start:]
