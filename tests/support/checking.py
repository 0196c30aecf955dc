"""Stores for `check`, and what its reports name."""

from flowtrail.model.pages import page_number
from flowtrail.model.records import BlockRecord, EndRecord, TransactionRecord
from flowtrail.storage.memory.store import MemoryStore
from tests.support.records import BASE, IDS

ORDER, OTHER = IDS[0], IDS[1]


def opened_store():
    store = MemoryStore()
    store.open()
    return store


def story(key=ORDER, day=0):
    at = BASE + day * 86_400_000_000
    return [
        TransactionRecord(
            key, at, "shop/1", 1, "shop", "order", "4711", keys={"customer": "C-9"}, created_at=at
        ),
        BlockRecord(key, at + 5, "shop/1", 2, b"\1" * 8, "map", "succeeded", at + 1, at + 2, at + 5),
        BlockRecord(key, at + 9, "shop/1", 3, b"\2" * 8, "ship", "failed", at + 5, at + 6, at + 9),
        EndRecord(key, at + 10, "shop/1", 4, "failed", 1, at + 10),
    ]


def rows(store):
    return store.transactions._shelf.views


def codes(report):
    return sorted(report.found)


def places(report):
    return [finding.where for finding in report.findings]


def page_of(store, ordinal=1, sequence=1):
    return store.journal.page(page_number(ordinal, sequence))
