"""`ViewWriter`: what one atomic write makes visible. Everything is read back through a second handle."""

import pytest

from flowtrail.model.conditions import Moment
from flowtrail.model.errors import LeaseLost
from flowtrail.model.records import BlockRecord, TransactionRecord
from flowtrail.projection.contributions import contributions
from flowtrail.projection.derive import header_of, terms_of
from flowtrail.projection.state import State
from flowtrail.storage.interface import Batch, Definition, Lease, LinkRow, Selection, SetAside
from tests.support.records import BASE, an_order, order_id

NOW = Moment(BASE)


def terms(store, tenant):
    return list(store.transactions.iter_terms(tenant))


def cells(store, tenant):
    return {key: cell for key, cell in store.cells.iter_cells() if key.tenant == tenant}


def assert_consistent(store, tenant, *numbers):
    """Header, terms and cells are what the stored states say."""
    expected_terms, expected_cells = [], {}
    for number in numbers:
        stored = store.transactions.find(tenant, order_id(number))
        state = State.load(stored.facts, stored.pieces)
        assert stored.header == header_of(state)
        expected_terms += [(term, stored.header.opened_at, stored.id) for term in terms_of(state)]
        for key, cell in contributions(tenant, state).items():
            held = expected_cells.setdefault(key, {})
            for code, amount in cell.items():
                held[code] = held.get(code, 0) + amount
    assert terms(store, tenant) == sorted(expected_terms)
    assert cells(store, tenant) == expected_cells


def test_headers_terms_pieces_cells_log_and_position_must_be_visible_together(folder, reading):
    batch = folder.fold("acme", an_order(1), page=7)
    batch.links.append(LinkRow("acme", order_id(1), order_id(2), "split"))
    batch.position = {3: 9}

    revision = folder.write(batch)

    assert reading.changes.revision() == revision
    assert reading.changes.visible() == {3: 9}
    assert reading.changes.changed("acme", 0, 10) == ([(revision.number, order_id(1))], False)
    stored = reading.transactions.find("acme", order_id(1))
    assert (stored.tenant, stored.id, stored.pages, stored.revision) == (
        "acme",
        order_id(1),
        [7],
        revision.number,
    )
    assert reading.transactions.children("acme", order_id(1)) == batch.links
    assert_consistent(reading, "acme", 1)


def test_a_write_that_loses_its_lease_must_leave_nothing_behind(folder, reading):
    batch = folder.fold("acme", an_order(1))
    batch.position = {3: 9}
    batch.set_aside.append(SetAside("acme", 1, 0, None, "why"))

    with pytest.raises(LeaseLost):
        folder.write(batch, Lease(folder.lease.epoch, "somebody else"))

    assert reading.transactions.find("acme", order_id(1)) is None
    assert terms(reading, "acme") == []
    assert list(reading.cells.iter_cells()) == []
    assert reading.transactions.set_aside() == []
    assert reading.changes.visible() == {}
    assert reading.changes.revision().number == 0


def test_a_transaction_that_is_told_bit_by_bit_is_what_it_would_be_told_whole(folder, reading):
    for number, record in enumerate(an_order(1, outcome="failed"), 1):
        folder.tell("acme", record, page=number)
        assert_consistent(reading, "acme", 1)

    stored = reading.transactions.find("acme", order_id(1))
    assert stored.pages == [1, 2, 3, 4]
    assert stored.header.status == "failed"
    assert stored.header.has_failures


def test_load_gives_back_the_state_and_a_locator_that_can_be_written_to(folder, store, reading):
    folder.tell("acme", *an_order(1)[:2])
    folder.tell("acme", *an_order(2)[:2])
    folder.forget()

    folder.tell("acme", *an_order(1)[2:], *an_order(3))

    assert_consistent(reading, "acme", 1, 2, 3)
    loaded = folder.writer.load("acme", [order_id(1), order_id(9)])
    assert list(loaded) == [order_id(1)]
    assert (
        State.load(loaded[order_id(1)].facts, loaded[order_id(1)].pieces).encode()
        == State.load(
            (stored := reading.transactions.find("acme", order_id(1))).facts, stored.pieces
        ).encode()
    )
    assert folder.writer.load("globex", [order_id(1)]) == {}


def test_an_opened_instant_that_is_corrected_moves_every_term(folder, reading):
    folder.tell("acme", *an_order(1))
    corrected = TransactionRecord(id=order_id(1), at=BASE + 9_000_000_000, created_at=BASE - 86_400_000_000)

    folder.tell("acme", corrected)

    assert reading.transactions.find("acme", order_id(1)).header.opened_at == BASE - 86_400_000_000
    assert {opened for _, opened, _ in terms(reading, "acme")} == {BASE - 86_400_000_000}
    assert_consistent(reading, "acme", 1)


def test_an_executions_new_result_takes_its_old_terms_away(folder, reading):
    folder.tell("acme", *an_order(1, outcome="failed"))
    assert any(term == "bfship" for term, _, _ in terms(reading, "acme"))

    mended = BlockRecord(
        transaction=order_id(1), at=BASE + 99_000_000, id=b"\0" * 7 + b"\2", block="ship", status="succeeded",
        ended_at=BASE + 99_000_000,
    )  # fmt: skip
    folder.tell("acme", mended)

    assert not any(term.startswith(("bf", "e", "f")) for term, _, _ in terms(reading, "acme"))
    assert_consistent(reading, "acme", 1)


def test_a_cell_whose_counters_all_become_zero_must_disappear(folder, reading):
    batch = folder.fold("acme", an_order(1))
    difference = {key: {code: -amount for code, amount in cell.items()} for key, cell in batch.cells.items()}
    folder.write(batch)
    assert cells(reading, "acme") != {}

    folder.write(Batch(cells=difference))

    assert cells(reading, "acme") == {}


def test_links_are_a_set_and_are_found_from_both_ends(folder, reading):
    one, two, three = order_id(1), order_id(2), order_id(3)
    rows = [LinkRow("acme", one, two, "split"), LinkRow("acme", one, three, "split")]

    folder.write(Batch(links=[*rows, rows[0]]))
    folder.write(
        Batch(links=[rows[1], LinkRow("acme", one, three, "clone"), LinkRow("globex", one, two, "merge")])
    )

    assert reading.transactions.children("acme", one) == sorted([*rows, LinkRow("acme", one, three, "clone")])
    assert reading.transactions.parents("acme", three) == [
        LinkRow("acme", one, three, "clone"),
        LinkRow("acme", one, three, "split"),
    ]
    assert reading.transactions.parents("acme", one) == []
    assert reading.transactions.children("globex", one) == [LinkRow("globex", one, two, "merge")]


def test_of_two_definitions_the_greater_stamp_wins_and_ties_go_by_body(folder, reading):
    def told(at, producer, seq, body, name=("shop", "")):
        return Definition("acme", "flow", name, (at, producer, seq), body)

    folder.write(Batch(definitions=[told(5, "a", 1, b"first"), told(4, "z", 9, b"older")]))
    folder.write(Batch(definitions=[told(5, "a", 1, b"earlier body"), told(5, "", 7, b"nobody")]))
    folder.write(Batch(definitions=[told(1, "", 0, b"another", name=("bill", "2"))]))

    held = reading.transactions.definitions("acme", "flow")
    assert held == [told(1, "", 0, b"another", name=("bill", "2")), told(5, "a", 1, b"first")]
    folder.write(Batch(definitions=[told(5, "b", 0, b"a later producer")]))
    assert reading.transactions.definitions("acme", "flow")[1].body == b"a later producer"
    assert reading.transactions.definitions("acme", "report") == []
    assert reading.transactions.definitions("globex", "flow") == []


def test_records_set_aside_are_kept_once(folder, reading):
    entries = [SetAside("acme", 1, 0, None, "unreadable"), SetAside("acme", 1, 1, order_id(1), "odd")]

    folder.write(Batch(set_aside=entries))
    folder.write(Batch(set_aside=entries))

    assert sorted(reading.transactions.set_aside(), key=repr) == sorted(entries, key=repr)


def test_a_batch_that_only_saves_the_position_changes_nothing_else(folder, reading):
    revision = folder.tell("acme", *an_order(1))

    folder.write(Batch(position={1: 4, 2: 1 << 39}))

    assert reading.changes.visible() == {1: 4, 2: 1 << 39}
    assert reading.view_writer().position() == {1: 4, 2: 1 << 39}
    assert reading.changes.changed("acme", revision.number, 10) == ([], False)


def test_tenants_do_not_see_each_other(folder, reading):
    folder.tell("acme", *an_order(1))
    folder.tell("globex", *an_order(1, outcome="failed"))

    assert reading.transactions.find("acme", order_id(1)).header.status == "delivered"
    assert reading.transactions.find("globex", order_id(1)).header.status == "failed"
    assert len(reading.transactions.select(Selection("acme", NOW)).rows) == 1
    assert [stored.tenant for stored in reading.transactions.iter_states()] == ["acme", "globex"]
    assert [stored.tenant for stored in reading.transactions.iter_states("globex")] == ["globex"]
    assert_consistent(reading, "acme", 1)
    assert_consistent(reading, "globex", 1)


def test_pieces_that_come_one_by_one_are_all_there(folder, reading):
    key, count = order_id(1), 700

    for number in range(1, count + 1):
        record = BlockRecord(
            transaction=key, at=BASE + number, id=number.to_bytes(8, "big"), block="step", status="succeeded",
            started_at=BASE + number, ended_at=BASE + number,
        )  # fmt: skip
        folder.tell("acme", record, page=number)

    stored = reading.transactions.find("acme", key)
    assert len(State.load(stored.facts, stored.pieces).executions) == count
    assert stored.pages == list(range(1, count + 1))
    assert_consistent(reading, "acme", 1)
