"""Step by step: what the projector holds is bounded whatever is told, and what it has read is where the journal ends."""

import msgspec
import pytest
import zstandard

from flowtrail.intake.cache import Cache
from flowtrail.intake.projector import Projector
from flowtrail.intake.rebuild import rebuild
from flowtrail.ledger.pages import encoded_records
from flowtrail.projection.tracked import Tracked
from flowtrail.storage.memory.views import MemoryViewWriter
from tests.support.journaling import Journaling, project
from tests.support.records import an_order, order_id


def test_a_log_that_is_told_again_and_again_is_not_held_in_memory(store):
    pages = Journaling(store)
    projector = Projector(store.journal, store.view_writer())
    projector._cache = Cache(60)
    orders = [an_order(number) for number in range(50)]
    orders += [an_order(number)[:2] for number in range(50, 100)]
    for _ in range(3):
        for order in orders:
            pages.append(order)
        projector.catch_up()

    held = [number for number in range(100) if projector._cache.get("default", order_id(number)) is not None]
    projector.close()

    assert min(held) >= 50
    assert len(held) == 20


@pytest.mark.parametrize("damage", [b"not zstd", None], ids=["unreadable", "refused alone"])
def test_pages_without_a_record_to_fold_hide_none_behind_them(store, monkeypatch, damage):
    for name, value in (("BATCH_RECORDS", 4), ("BATCH_BYTES", 100), ("READ_PAGES", 1)):
        monkeypatch.setattr(f"flowtrail.intake.projector.{name}", value)
    pages = Journaling(store)
    for number in range(3):
        if damage is None:
            pages.append([], rejected=[("shop/1", number + 1)])
        else:
            page = pages.append(an_order(number))
            store.journal.replace_secret(page.number, page.secret, damage)
    pages.append(an_order(9))

    rebuild(store)

    assert store.transactions.find("default", order_id(9)) is not None
    projector = Projector(store.journal, store.view_writer())
    assert (projector.catch_up(), projector.step()) == (0, 0)
    projector.close()


def test_a_rebuild_is_ready_although_something_comes_at_every_moment(store, monkeypatch):
    pages = Journaling(store)
    pages.append(an_order(1))
    project(store)
    numbers = iter(range(2, 100))
    write = MemoryViewWriter.write

    def writing(self, batch, lease):
        pages.append(an_order(next(numbers)))
        return write(self, batch, lease)

    monkeypatch.setattr(MemoryViewWriter, "write", writing)
    rebuild(store)

    assert next(numbers) < 5
    assert store.transactions.find("default", order_id(1)) is not None


def test_a_record_that_cannot_be_projected_is_found_in_a_page_that_holds_one_that_cannot_be_read(
    store, monkeypatch
):
    fold = Tracked.fold

    def folding(tracked, records, tally):
        if any(getattr(record, "block", "") == "ship" for record in records):
            raise ArithmeticError("nobody thought of this")
        return fold(tracked, records, tally)

    monkeypatch.setattr(Tracked, "fold", folding)
    page = Journaling(store).append([*an_order(1)[:2], *an_order(2, outcome="failed")[:3]])
    encoded = encoded_records(page)
    encoded[0] = msgspec.msgpack.encode(["block", 1])
    body = bytes([0x90 | len(encoded)]) + b"".join(encoded)
    store.journal.replace_secret(page.number, page.secret, zstandard.ZstdCompressor().compress(body))

    project(store)

    poisoned = next(
        leaf
        for leaf, record in enumerate(an_order(2, outcome="failed"))
        if getattr(record, "block", "") == "ship"
    )
    assert sorted(each.leaf for each in store.transactions.set_aside()) == [0, 2 + poisoned]
