"""Memory stores that hold given records: what the query side is tested on."""

from collections.abc import Iterable

from flowtrail.intake.projector import Projector
from flowtrail.ledger.pages import build_page
from flowtrail.model.records import AnyRecord, encode_record
from flowtrail.storage.memory.store import MemoryStore

TENANT = "default"


def store_of(records: Iterable[AnyRecord], tenant: str = TENANT) -> MemoryStore:
    """A store into which the records were accepted as one page, and folded."""
    store = MemoryStore()
    store.open()
    tell(store, records, tenant)
    return store


def tell(
    store: MemoryStore, records: Iterable[AnyRecord], tenant: str = TENANT, received_at: int = 0
) -> None:
    """Append the records to the journal as one page, and fold it."""
    writer = store.journal.register(tenant, "test")
    head = next(head for head in store.journal.heads() if head.writer == writer)
    encoded = [encode_record(record) for record in records]
    store.journal.append([build_page(writer, head.sequence + 1, head.hash, received_at, encoded)])
    projector = Projector(store.journal, store.view_writer(), holder="test")
    projector.catch_up()
    projector.close()
