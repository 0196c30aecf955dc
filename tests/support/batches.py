"""Batches for the committer, and what stands in the journal afterwards."""

from itertools import count

from flowtrail.intake.wire import Decoded, Rejected
from flowtrail.ledger.chain import chain_problems
from flowtrail.ledger.pages import read_records
from flowtrail.model.records import BlockRecord, encode_record
from flowtrail.storage import open_store
from tests.support.records import BASE

WAIT_S = 30
"""For answers that must come; how soon is not judged here."""

_numbers = count(1)


def batch(records: int = 1, *, worker: str | None = None, rejected=()) -> Decoded:
    made = [
        BlockRecord(b"t" * 16, BASE, id=next(_numbers).to_bytes(8, "big"), block="map", worker=worker)
        for _ in range(records)
    ]
    return Decoded(made, [encode_record(record) for record in made], list(rejected), BASE)


def rejection(seq: int | None, code: str = "unknown_kind") -> Rejected:
    producer = None if seq is None else "shop/1"
    return Rejected(
        index=0,
        code=code,
        message="unknown kind",
        field="kind",
        received="x",
        allowed=None,
        producer=producer,
        seq=seq,
    )


def stored(url: str, tenant: str = "default"):
    """Pages of a tenant's writers as a second handle reads them from the file, each chain verified."""
    store = open_store(url, create=False)
    try:
        pages = []
        for writer in store.journal.writers():
            chain = list(store.journal.iter_pages(writer.ordinal))
            assert list(chain_problems(writer, chain)) == []
            if writer.tenant == tenant:
                pages.extend(chain)
        return pages
    finally:
        store.close()


def stored_records(url: str, tenant: str = "default"):
    return [record for page in stored(url, tenant) for record in read_records(page)]
