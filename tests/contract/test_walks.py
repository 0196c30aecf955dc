"""`TransactionReader.select`: pages that keep their promises while others write."""

from dataclasses import replace

import pytest

from flowtrail.model.conditions import AllOf, Between, FlowIs, HasTerm, KeyStarts, Moment, StatusIs
from flowtrail.model.records import BlockRecord, TransactionRecord
from flowtrail.projection import terms
from flowtrail.storage.interface import Cursor, Selection
from tests.support.records import BASE, an_order, order_id
from tests.support.reference import walk

NOW = Moment(BASE)
ORDERS = 12


@pytest.fixture
def orders(folder):
    """Orders 1 to 12, every third failed, all opened at one of four instants: most are ties."""
    for number in range(1, ORDERS + 1):
        opened = BASE + number // 4 * 1_000_000
        outcome = "failed" if number % 3 == 0 else "delivered"
        folder.tell("acme", *an_order(number, outcome=outcome, opened=opened))


def numbers(rows):
    return [int.from_bytes(row.id, "big") for row in rows]


def asked(**more):
    return Selection("acme", NOW, **{"budget_s": None, "limit": 3, **more})


@pytest.mark.parametrize("sort", ["opened", "updated", "ended"])
@pytest.mark.parametrize("limit", [1, 3, 4, 12, 50])
def test_a_walk_shows_everything_once_newest_first_with_ties_by_id(orders, reading, sort, limit):
    assert numbers(walk(reading, asked(sort=sort, limit=limit))) == list(range(ORDERS, 0, -1))


@pytest.mark.parametrize("limit", [1, 2, 4])
@pytest.mark.parametrize(
    "condition",
    [
        StatusIs("failed"),
        HasTerm(terms.block_term("ship", "failed")),
        AllOf((FlowIs("shop"), HasTerm(terms.exception_term("KeyError")))),
    ],
)
def test_a_page_is_full_whenever_more_matches_and_next_is_none_exactly_at_the_end(
    orders, reading, condition, limit
):
    rows, after = [], None
    for _ in range(-(-4 // limit)):
        page = reading.transactions.select(asked(condition=condition, limit=limit, after=after))
        rows += page.rows
        after = page.next

    assert numbers(rows) == [12, 9, 6, 3]
    assert after is None


@pytest.mark.parametrize("sort", ["opened", "updated", "ended"])
def test_a_walk_must_show_what_was_there_at_its_start_exactly_once_whatever_is_written(
    orders, folder, reading, sort
):
    page = reading.transactions.select(asked(sort=sort))
    first = page.rows
    folder.tell("acme", *an_order(100))
    folder.tell("acme", *an_order(101, opened=BASE + 1))
    late = [
        BlockRecord(
            transaction=order_id(number), at=BASE + 99_000_000, id=b"\0" * 7 + b"\3", block="late",
            status="succeeded", ended_at=BASE + 99_000_000,
        )
        for number in (12, 2)
    ]  # fmt: skip
    folder.tell("acme", *late)

    rows = list(first)
    while page.next is not None:
        page = reading.transactions.select(asked(sort=sort, after=page.next))
        rows += page.rows

    found = numbers(rows)
    assert len(found) == len(set(found))
    if sort == "opened":
        assert set(range(1, ORDERS + 1)) - set(found) == set()
        assert page.changed_since == 0
    else:
        # Order 2 changed after the first page was pinned: it left the later pages, and is counted with order 12.
        assert sorted(found) == [number for number in range(1, ORDERS + 1) if number != 2]
        assert page.changed_since == 2


def test_a_corrected_opened_instant_is_counted_in_changed_since(orders, folder, reading):
    page = reading.transactions.select(asked())
    assert page.changed_since == 0
    corrected = TransactionRecord(id=order_id(1), at=BASE + 99_000_000, created_at=BASE + 77_000_000)
    folder.tell("acme", corrected)

    assert reading.transactions.select(asked(after=page.next)).changed_since == 1
    assert reading.transactions.select(asked()).changed_since == 0


def test_a_page_carries_the_revision_of_its_first_page(orders, folder, reading):
    pinned = reading.changes.revision().number
    page = reading.transactions.select(asked(sort="updated"))
    folder.tell("acme", *an_order(50))

    following = reading.transactions.select(asked(sort="updated", after=page.next))

    assert page.pinned == following.pinned == page.next.pinned == pinned


def test_bounds_are_half_open_on_the_opened_instant(orders, reading):
    bounds = {"since": BASE + 1_000_000, "until": BASE + 2_000_000}

    assert numbers(walk(reading, asked(**bounds))) == [7, 6, 5, 4]
    assert numbers(walk(reading, asked(**bounds, sort="updated"))) == [7, 6, 5, 4]
    assert numbers(walk(reading, asked(condition=Between("opened", *bounds.values())))) == [7, 6, 5, 4]
    assert reading.transactions.count(asked(**bounds)) == (4, True)


@pytest.mark.parametrize("sort", ["opened", "updated", "ended"])
def test_one_whose_keys_begin_alike_is_shown_and_counted_once(folder, reading, sort):
    told = [record for number in range(1, 301) for record in an_order(number)]
    batches = [
        TransactionRecord(id=order_id(number), at=BASE, keys={"batch": "B-7", "lot": "B-70"})
        for number in (3, 5)
    ]
    folder.tell("acme", *told, *batches)

    selection = asked(condition=KeyStarts("batch", "B-7"), sort=sort)

    assert numbers(walk(reading, selection)) == [5, 3]
    assert reading.transactions.count(selection) == (2, True)


def test_a_cursor_beyond_the_end_is_an_empty_last_page(orders, reading):
    page = reading.transactions.select(asked(after=Cursor(BASE - 1, b"\0" * 16, 1 << 40)))

    assert (page.rows, page.next, page.short) == ([], None, False)


def test_a_walk_whose_time_is_over_comes_back_short_and_still_finds_everything(folder, reading):
    told = [record for number in range(1, 601) for record in an_order(number)[:1]]
    folder.tell("acme", *told, *an_order(601, outcome="failed")[1:])
    selection = asked(condition=Between("ended"), limit=50, budget_s=0.0)

    rows, pages, page = [], 0, None
    while page is None or page.next is not None:
        page = reading.transactions.select(replace(selection, after=page and page.next))
        assert page.short == (page.next is not None and len(page.rows) < 50)
        rows += page.rows
        pages += 1
        assert pages < 700

    assert numbers(rows) == [601]
    total, exact = reading.transactions.count(selection)
    assert total == 1 if exact else total <= 1


def test_a_tenant_that_has_nothing_has_an_empty_list(orders, reading):
    page = reading.transactions.select(Selection("nobody", NOW))

    assert (page.rows, page.next, page.short, page.changed_since) == ([], None, False, 0)
    assert reading.transactions.count(Selection("nobody", NOW)) == (0, True)
