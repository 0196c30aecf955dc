"""Facts and pieces on disk: packed together, merged, and gone once nobody holds them."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail.model.limits import MAX_PIECE_BYTES
from flowtrail.model.pages import page_number
from flowtrail.model.records import BlockRecord
from flowtrail.projection.difference import add_record
from flowtrail.projection.state import State
from flowtrail.storage.sqlite import changelog
from flowtrail.storage.sqlite.bundles import INDEX_BITS
from flowtrail.storage.sqlite.changes import MERGE_PIECES
from flowtrail.storage.sqlite.compile import after_prefix
from flowtrail.storage.sqlite.rows import (
    PAGES_GO_ON,
    is_full,
    pack_pages,
    piece_entries,
    piece_entry,
    piece_places,
    unpack_pages,
)
from tests.support.records import BASE, an_order, order_id


def step(number, details=None):
    return BlockRecord(
        transaction=order_id(1), at=BASE + number, id=number.to_bytes(8, "big"), block="step", status="succeeded",
        ended_at=BASE + number, details=details,
    )  # fmt: skip


def bundles(store):
    with store._views.snapshot() as snapshot:
        return dict(snapshot.connection.execute("SELECT row, held FROM bundle").fetchall())


def pieces(store):
    with store._views.snapshot() as snapshot:
        return piece_entries(snapshot.connection.execute("SELECT pieces FROM tx").fetchone()[0])


def test_pieces_that_come_one_by_one_are_merged_in_levels(folder, reading):
    for number in range(1, MERGE_PIECES * MERGE_PIECES + 3):
        folder.tell("acme", step(number), page=number)
        assert len(pieces(reading)) < 2 * MERGE_PIECES

    assert [level for _, level in pieces(reading)] == [2, 0, 0]
    held = bundles(reading)
    assert len(held) < 2 * MERGE_PIECES, "what was merged is gone"
    assert min(held.values()) > 0
    stored = reading.transactions.find("acme", order_id(1))
    assert len(State.load(stored.facts, stored.pieces).executions) == MERGE_PIECES * MERGE_PIECES + 2
    assert stored.pages == list(range(1, MERGE_PIECES * MERGE_PIECES + 3))


def test_a_piece_beyond_the_limit_is_not_merged_again(folder, reading):
    large = {"text": "x" * (MAX_PIECE_BYTES // MERGE_PIECES)}
    for number in range(1, 2 * MERGE_PIECES + 2):
        folder.tell("acme", step(number, large))

    levels = [level for _, level in pieces(reading)]
    assert levels == [15] * 2 * MERGE_PIECES + [0]
    stored = reading.transactions.find("acme", order_id(1))
    assert len(State.load(stored.facts, stored.pieces).executions) == 2 * MERGE_PIECES + 1


def test_facts_that_were_replaced_leave_their_bundle(folder, reading):
    folder.tell("acme", *an_order(1)[:1])
    before = bundles(reading)

    folder.tell("acme", an_order(1)[-1])

    assert before.keys() & bundles(reading).keys() == set()


def test_a_bundle_stays_while_anybody_holds_a_part_of_it(folder, reading):
    folder.tell("acme", an_order(1)[0], an_order(2)[0])
    (shared,) = bundles(reading)

    folder.tell("acme", an_order(1)[-1])
    assert bundles(reading)[shared] == 1
    assert reading.transactions.find("acme", order_id(2)).header.object_id == "o-2"

    folder.tell("acme", an_order(2)[-1])
    assert shared not in bundles(reading)


def test_a_bundle_of_which_one_batch_frees_many_parts_counts_who_still_holds_one(folder, reading):
    orders = {number: an_order(number) for number in range(1, 100)}
    folder.tell("acme", *[record for records in orders.values() for record in records[:2]])

    folder.tell("acme", *[record for records in orders.values() for record in records[2:]])

    with reading._views.snapshot() as snapshot:
        rows = snapshot.connection.execute("SELECT facts, pieces FROM tx").fetchall()
    held = Counter(place >> INDEX_BITS for facts, packed in rows for place in (facts, *piece_places(packed)))
    assert bundles(reading) == held


def test_everybody_gets_back_what_they_said_from_many_bundles(folder, reading):
    orders = {number: an_order(number) for number in range(1, 200)}

    folder.tell("acme", *[record for records in orders.values() for record in records])

    assert len(bundles(reading)) > 6
    for number, records in orders.items():
        stored = reading.transactions.find("acme", order_id(number))
        expected = State()
        for record in records:
            add_record(expected, record)
        assert State.load(stored.facts, stored.pieces).encode() == expected.encode()


def test_the_change_log_forgets_what_is_old_and_says_so(folder, reading, monkeypatch):
    monkeypatch.setattr(changelog, "PRUNE_EVERY", 1)
    monkeypatch.setattr(changelog, "KEPT_REVISIONS", 3)
    numbers = [folder.tell("acme", *an_order(number)).number for number in range(1, 8)]

    assert reading.changes.changed("acme", 0, 100) is None
    assert reading.changes.changed("acme", numbers[2], 100) is None
    assert reading.changes.changed("acme", numbers[3], 100) == (
        [(number, order_id(order)) for order, number in zip(range(5, 8), numbers[4:], strict=True)],
        False,
    )


def test_the_change_log_keeps_no_more_ids_than_it_may(folder, reading, monkeypatch):
    monkeypatch.setattr(changelog, "PRUNE_EVERY", 1)
    monkeypatch.setattr(changelog, "KEPT_IDS", 4)
    numbers = [
        folder.tell("acme", *an_order(number), *an_order(number + 50)).number for number in range(1, 8)
    ]

    assert reading.changes.changed("acme", numbers[3], 100) is None
    changed, _ = reading.changes.changed("acme", numbers[4], 100)
    assert {number for number, _ in changed} == set(numbers[5:])


page_numbers = st.sets(
    st.builds(page_number, st.integers(1, 1 << 20), st.integers(1, (1 << 40) - 1)), max_size=20
)


@given(page_numbers)
def test_packed_pages_come_back_sorted(pages):
    assert unpack_pages(pack_pages(pages)) == sorted(pages)


@given(page_numbers, page_numbers)
def test_lists_of_pages_are_added_by_adding_bytes(pages, more):
    packed = pack_pages(pages) + PAGES_GO_ON + pack_pages(more)

    assert unpack_pages(packed) == sorted(pages) + sorted(more)


@given(st.lists(st.tuples(st.integers(0, (1 << 52) - 1), st.integers(0, 15)), max_size=20))
def test_lists_of_pieces_come_back(entries):
    packed = b"".join(piece_entry(place, level) for place, level in entries)

    assert piece_entries(packed) == entries
    assert piece_places(packed) == [place for place, _ in entries]
    for count in (1, 3):
        assert is_full(packed, count) == (len(entries) >= count and entries[-count][1] == 0)


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    st.text(st.characters(exclude_categories=["Cs"])),
)
def test_every_text_with_a_prefix_lies_below_what_follows_it(prefix, rest):
    assert (prefix + rest).encode() < after_prefix(prefix).encode()
    assert prefix.encode() < after_prefix(prefix).encode()


@pytest.mark.parametrize("prefix", ["a", "a\uffff", "a\U0010ffff", "\ud7ff"])
def test_what_follows_a_prefix_is_the_least_that_does(prefix):
    following = after_prefix(prefix)

    assert not following.startswith(prefix)
    assert following.encode() > (prefix + "\U0010ffff").encode()
