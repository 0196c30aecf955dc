"""The projector: what cannot be projected is set aside alone, and what was folded on a failed write is dropped."""

import gc
import threading

import msgspec
import pytest
import zstandard

from flowtrail.intake.cache import Cache
from flowtrail.intake.projector import LEASE_S, Projector
from flowtrail.intake.rebuild import rebuild
from flowtrail.ledger import recount
from flowtrail.ledger.check import check
from flowtrail.ledger.pages import encoded_records
from flowtrail.model.clock import MICROS
from flowtrail.model.errors import LeaseLost, StoreUnavailable
from flowtrail.model.records import EndRecord
from flowtrail.projection.derive import tally_state
from flowtrail.projection.tracked import Tracked
from flowtrail.projection.whole import fold_whole
from flowtrail.storage.memory.store import MemoryStore
from flowtrail.storage.memory.views import MemoryViewWriter
from tests.support.journaling import Journaling, project
from tests.support.records import BASE, an_order, order_id
from tests.support.stories import canonical, story
from tests.support.views import differences, expected, seen


@pytest.fixture
def poison(monkeypatch):
    """Statements about blocks called "ship" cannot be folded, until this is set."""
    mended = threading.Event()

    def poisoned(fold):
        def folding(whose, records, tally):
            if not mended.is_set() and any(getattr(record, "block", "") == "ship" for record in records):
                raise ArithmeticError("nobody thought of this")
            return fold(whose, records, tally)

        return folding

    monkeypatch.setattr(Tracked, "fold", poisoned(Tracked.fold))
    monkeypatch.setattr("flowtrail.intake.projector.fold_whole", poisoned(fold_whole))
    return mended


def poisoned(number):
    return an_order(number, outcome="failed")


def harmless(number):
    return [record for record in an_order(number) if getattr(record, "block", "") != "ship"]


def test_a_record_that_cannot_be_projected_is_set_aside_by_its_leaf_and_nothing_waits(store, poison):
    pages = Journaling(store)
    pages.append(harmless(1))
    page = pages.append([*harmless(2), *poisoned(3), *harmless(4)])
    project(store)

    (aside,) = store.transactions.set_aside()
    assert (aside.tenant, aside.page, aside.leaf, aside.transaction) == (
        "default",
        page.number,
        5,
        order_id(3),
    )
    assert "nobody thought of this" in aside.reason
    assert store.transactions.find("default", order_id(3)).header.status == "failed"
    for number in (1, 2, 4):
        assert store.transactions.find("default", order_id(number)).header.status == "delivered"


def test_a_rebuild_tries_what_was_set_aside_again(store, poison):
    Journaling(store).append(poisoned(1))
    project(store)
    assert not store.transactions.find("default", order_id(1)).header.has_failures

    poison.set()
    rebuild(store)

    assert store.transactions.set_aside() == []
    assert store.transactions.find("default", order_id(1)).header.has_failures
    assert check(store).ok


def test_a_record_that_cannot_be_read_is_set_aside_by_its_leaf(store):
    pages = Journaling(store)
    page = pages.append(an_order(1))
    encoded = encoded_records(page)
    encoded[2] = msgspec.msgpack.encode(["block", 1])
    body = zstandard.ZstdCompressor().compress(b"\x94" + b"".join(encoded))
    store.journal.replace_secret(page.number, page.secret, body)
    project(store)

    (aside,) = store.transactions.set_aside()
    assert (aside.page, aside.leaf) == (page.number, 2)
    assert store.transactions.find("default", order_id(1)).header.status == "delivered"


def test_a_page_that_cannot_be_read_is_set_aside_as_a_whole(store):
    pages = Journaling(store)
    page = pages.append(an_order(1))
    pages.append(an_order(2))
    store.journal.replace_secret(page.number, page.secret, b"not zstd")
    project(store)

    (aside,) = store.transactions.set_aside()
    assert (aside.page, aside.leaf, aside.transaction) == (page.number, -1, None)
    assert store.transactions.find("default", order_id(2)) is not None


class Slow:
    """A view writer as one over a network: small writes, beside folding; the write of that number fails."""

    max_changes = 3
    hold_back_s = 0.5

    def __init__(self, writer, failing):
        self._writer = writer
        self._failing = failing
        self.writes = []

    def __getattr__(self, name):
        return getattr(self._writer, name)

    def write(self, batch, lease):
        self.writes.append((len(batch.changes), threading.current_thread().name))
        if len(self.writes) == self._failing:
            raise StoreUnavailable("the network is gone")
        return self._writer.write(batch, lease)


@pytest.mark.parametrize("failing", [0, 1, 2, 5])
def test_what_was_folded_on_a_write_that_failed_is_dropped_with_it(store, failing):
    records = story(4, 30)
    Journaling(store).append(canonical(records))
    writer = Slow(store.view_writer(), failing)
    projector = Projector(store.journal, writer, holder="one")

    if failing:
        with pytest.raises(StoreUnavailable):
            projector.step()
        # The part after it was folded while it failed, and never handed on.
        assert len(writer.writes) == failing
    projector.catch_up()
    projector.close()

    assert all(changes <= 3 and name.startswith("views") for changes, name in writer.writes)
    assert differences(seen(store), expected(records)) == []
    assert check(store).ok


@pytest.mark.parametrize(
    ("pressed", "scattered", "at_once"),
    [(10_000, 0.0, False), (100, 0.0, True), (10_000, 0.5, True)],
    ids=["little", "much", "of few transactions"],
)
def test_what_is_little_and_of_many_is_visible_slice_by_slice_and_all_else_at_once(
    store, monkeypatch, pressed, scattered, at_once
):
    monkeypatch.setattr("flowtrail.intake.projector.PROMPT_RECORDS", 20)
    monkeypatch.setattr("flowtrail.intake.projector.PRESSED", pressed)
    monkeypatch.setattr("flowtrail.intake.projector.SCATTERED", scattered)
    pages, records = Journaling(store), story(6, 40)
    told = canonical(records)
    for first in range(0, len(told), 10):
        pages.append(told[first : first + 10])
    writer, seen_at = Slow(store.view_writer(), 0), []
    write = writer.write

    def watched(batch, lease):
        written = write(batch, lease)
        seen_at.append(*(store.changes.visible().values() or [0]))
        return written

    writer.write = watched
    projector = Projector(store.journal, writer)
    assert projector.step() == len(told) > 200
    projector.close()

    steps = sorted(set(seen_at))
    last = -(-len(told) // 10)
    assert steps == ([0, last] if at_once else sorted({0, *range(2, last, 2), last}))
    assert differences(seen(store), expected(records)) == []
    assert check(store).ok


def test_a_transaction_that_the_store_refuses_is_set_aside_and_the_others_are_written(store, monkeypatch):
    records = story(6, 30)
    told = canonical(records)
    page = Journaling(store).append([*told, *an_order(1)])
    write = MemoryViewWriter.write

    def refusing(self, batch, lease):
        if any(change.id == order_id(1) for change in batch.changes):
            raise OverflowError("too large for this store")
        return write(self, batch, lease)

    monkeypatch.setattr(MemoryViewWriter, "write", refusing)
    writer = Slow(store.view_writer(), 0)
    projector = Projector(store.journal, writer)
    projector.catch_up()
    projector.close()

    aside = store.transactions.set_aside()
    assert [(each.page, each.leaf) for each in aside] == [(page.number, len(told) + n) for n in range(4)]
    assert {each.transaction for each in aside} == {order_id(1)}
    assert differences(seen(store), expected(records)) == []


def test_who_has_nothing_to_do_keeps_its_lease_as_long_as_it_looks(monkeypatch):
    passed = [0.0]
    monkeypatch.setattr("flowtrail.intake.projector.monotonic_s", lambda: passed[0])
    store = MemoryStore(clock=lambda: BASE + round(passed[0] * MICROS))
    store.open()
    one, two = (Projector(store.journal, store.view_writer(), holder=holder) for holder in ("one", "two"))
    assert one.take_lease()

    for _ in range(10):
        passed[0] += LEASE_S / 2
        one.step()
        assert not two.take_lease()

    passed[0] += LEASE_S
    assert two.take_lease()
    with pytest.raises(LeaseLost):
        one.step()


def test_a_batch_leaves_the_collector_as_it_was(store):
    Journaling(store).append(an_order(1))
    assert gc.isenabled()
    project(store)
    assert gc.isenabled()


class Parted(Slow):
    """A view writer in this process that writes in small parts."""

    hold_back_s = 0.0

    def __init__(self, writer):
        super().__init__(writer, 0)


@pytest.mark.parametrize("weight", [0, 7, 500_000])
def test_parts_are_folded_from_states_that_no_write_pushed_out(store, weight):
    pages, records = Journaling(store), story(9, 40)
    told = canonical(records)
    writer = Parted(store.view_writer())
    projector = Projector(store.journal, writer)
    projector._cache = Cache(weight)
    # Every transaction is told in several steps of several parts, and most are open in between.
    for first in range(5):
        pages.append(told[first::5])
        projector.catch_up()
    projector.close()

    assert max(changes for changes, _ in writer.writes) == 3
    # Nothing is gained by a thread of its own where a write does not wait for a network.
    assert {thread for _, thread in writer.writes} == {threading.current_thread().name}
    assert differences(seen(store), expected(records)) == []
    assert check(store).ok


@pytest.mark.parametrize(
    ("writer", "together", "whole", "in_pieces"),
    [
        (Parted, 0, [8, 8, 8, 8], [8, 16, 8]),
        (Parted, 100, [8, 8, 8, 8], [8, 24]),
        (lambda views: Slow(views, 0), 0, [24, 8], [24, 8]),
    ],
    ids=["in this process", "in this process, little held", "over a network"],
)
def test_more_is_taken_at_once_where_that_brings_the_pieces_of_transactions_together(
    store, monkeypatch, writer, together, whole, in_pieces
):
    for name, value in (
        ("BATCH_RECORDS", 8),
        ("HELD_BACK", 2),
        ("HELD_BACK_MOST", 3),
        ("HELD_TOGETHER", together),
        ("IN_PIECES", 2),
        ("READ_PAGES", 1),
    ):
        monkeypatch.setattr(f"flowtrail.intake.projector.{name}", value)
    pages = Journaling(store)
    projector = Projector(store.journal, writer(store.view_writer()))

    for number in range(8):
        pages.append(an_order(number))
    assert [projector.step() for _ in whole] == whole

    orders = [an_order(number) for number in range(20, 28)]
    for step in range(4):
        pages.append([order[step] for order in orders])
    assert [projector.step() for _ in in_pieces] == in_pieces
    assert projector.step() == 0
    projector.close()


def test_a_record_that_cannot_be_projected_costs_the_parts_after_it_nothing(store, poison):
    pages = Journaling(store)
    openings = [record for number in range(2, 12) for record in harmless(number)[:2]]
    pages.append(openings)
    projector = Projector(store.journal, Parted(store.view_writer()))
    projector.catch_up()
    pages.append([*poisoned(1), *(record for number in range(2, 12) for record in harmless(number)[2:])])
    projector.catch_up()
    projector.close()

    assert [each.transaction for each in store.transactions.set_aside()] == [order_id(1)]
    poison.set()
    rebuild(store)
    assert check(store).ok


def test_scattered_sequences_are_written_in_parts_that_a_failure_cannot_tear(store, monkeypatch):
    records = [
        EndRecord(order_id(1), BASE, "shop/1", seq, "delivered", 1, BASE) for seq in range(1, 400_000, 20_000)
    ]
    Journaling(store).append([*records, *an_order(2)])
    writer = Slow(store.view_writer(), 3)
    projector = Projector(store.journal, writer)
    with pytest.raises(StoreUnavailable):
        projector.catch_up()
    assert store.producers.session("default", "shop/1", 0, 0).session.accepted < 20
    projector.catch_up()
    assert store.producers.session("default", "shop/1", 0, 0).session.accepted == 20
    assert len(writer.writes) > 10

    write = MemoryViewWriter.write

    def refusing(self, batch, lease):
        if any(change.id == order_id(3) for change in batch.changes):
            raise OverflowError("too large for this store")
        return write(self, batch, lease)

    monkeypatch.setattr(MemoryViewWriter, "write", refusing)
    again = [
        EndRecord(order_id(1), BASE, "shop/1", seq, "delivered", 1, BASE) for seq in range(2, 400_000, 20_000)
    ]
    Journaling(store, name="writer-2").append([*again, *an_order(3)])
    projector.catch_up()
    projector.close()
    assert store.producers.session("default", "shop/1", 0, 0).session.accepted == 40
    assert {each.transaction for each in store.transactions.set_aside()} == {order_id(3)}


@pytest.fixture(params=["folded", "counted"])
def poisoned_check(request, monkeypatch):
    """What cannot be folded, or not be counted, cannot be so by `check` either."""

    def refold(records):
        records = list(records)
        if any(getattr(record, "block", "") == "ship" for record in records):
            raise ArithmeticError("nobody thought of this")
        return recount_refold(records)

    def count(tally, tenant, state, header, sign):
        if any(record.block == "ship" for record in state.executions.values()):
            raise ArithmeticError("nobody thought of this")
        tally_state(tally, tenant, state, header, sign)

    recount_refold = recount._refold
    changed = ("_refold", refold) if request.param == "folded" else ("tally_state", count)
    monkeypatch.setattr(recount, *changed)
    return request.param


def test_what_was_set_aside_is_not_held_against_the_views(store, poison, poisoned_check):
    Journaling(store).append([*harmless(2), *poisoned(3), *harmless(4)])
    project(store)

    report = check(store)

    assert report.ok, report.lines()
    assert len(report.set_aside) == 1


def test_a_record_that_check_cannot_count_makes_no_other_transaction_wrong(
    store, poison, poisoned_check, monkeypatch
):
    Journaling(store).append([*harmless(2), *poisoned(3), *harmless(4)])
    project(store)
    # Nobody says that it was set aside: it was so just now.
    monkeypatch.setattr(store.transactions, "set_aside", list)

    wrong = {each.where for each in check(store).findings}

    assert wrong == ({f"transaction default/{order_id(3).hex()}"} if poisoned_check == "counted" else set())
