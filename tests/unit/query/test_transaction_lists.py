"""Lists of transactions: walks page by page, totals, bounds, and what is out of range."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail.model.instants import format_instant
from flowtrail.model.records import EndRecord
from flowtrail.query.objects import list_object
from flowtrail.query.transactions import list_transactions
from tests.support.orders import NOW, S, T, ids, orders, walk
from tests.support.refusals import refused
from tests.support.stores import TENANT, store_of, tell


@given(size=st.integers(1, 12), count=st.integers(0, 25))
def test_a_walk_shows_every_transaction_once_newest_first(size, count):
    told = list(orders(count))
    pages = walk(store_of(told), page_size=str(size))

    expected = sorted(told, key=lambda record: (record.created_at, record.id), reverse=True)
    assert ids(pages) == [record.id.hex() for record in expected]
    assert all(page["total"] == count for page in pages)
    assert all(len(page["transactions"]) == size for page in pages[:-1])


def test_a_walk_is_not_disturbed_by_what_is_written_meanwhile():
    store = store_of(orders(10))
    first = list_transactions(store, TENANT, page_size="4", now=NOW)
    tell(store, orders(5, first=100))

    rest = list_transactions(store, TENANT, page_size="50", page_token=first["next_page_token"], now=NOW)

    assert len(set(ids([first, rest]))) == 10


def test_a_walk_by_update_leaves_out_what_changed_since_and_counts_it():
    store = store_of(orders(6))
    first = list_transactions(store, TENANT, page_size="2", sort="updated", now=NOW)
    oldest = (1).to_bytes(16, "big")
    tell(store, [EndRecord(transaction=oldest, at=NOW, outcome="delivered", ended_at=NOW)])

    rest = list_transactions(
        store, TENANT, page_size="50", sort="updated", page_token=first["next_page_token"], now=NOW
    )

    assert oldest.hex() not in ids([first, rest])
    assert len(ids([first, rest])) == 5
    assert rest["changed_since"] == 1


def test_all_pages_of_a_walk_are_asked_at_the_moment_of_the_first():
    told = list(orders(4))
    for record in told:
        record.deadline_at = T + 30 * S
    store = store_of(told)
    before = T + 10 * S
    first = list_transactions(store, TENANT, q="-is:late", page_size="2", now=before)

    rest = list_transactions(store, TENANT, q="-is:late", page_token=first["next_page_token"], now=T + 90 * S)

    assert len(ids([first, rest])) == 4
    assert list_transactions(store, TENANT, q="is:late", now=T + 90 * S)["total"] == 4


def test_from_and_to_bound_the_opened_instant_half_open():
    store = store_of(orders(6))
    asked = {"from_": format_instant(T + S), "to": str(T + 2 * S)}

    assert ids(walk(store, **asked)) == [n.to_bytes(16, "big").hex() for n in (3, 2)]


def test_a_total_can_be_skipped_and_insisted_on():
    store = store_of(orders(3))

    assert list_transactions(store, TENANT, count="none", now=NOW)["total"] is None
    assert list_transactions(store, TENANT, count="exact", now=NOW)["total"] == 3


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"page_size": "0"}, "page_size"),
        ({"page_size": "1001"}, "page_size"),
        ({"page_size": "١"}, "page_size"),
        ({"page_size": "ten"}, "page_size"),
        ({"page_size": ""}, "page_size"),
        ({"sort": "size"}, "sort"),
        ({"count": "some"}, "count"),
        ({"from_": "2026-11-01"}, "from"),
        ({"to": "2026-11-01T00:00:00"}, "to"),
        ({"from_": "2026-11-02T00:00:00Z", "to": "2026-11-01T00:00:00Z"}, "to"),
        ({"q": "status:"}, "q"),
    ],
)
def test_what_is_out_of_range_is_refused_with_its_parameter(parameters, field):
    error = refused(list_transactions, store_of([]), TENANT, now=NOW, **parameters)

    assert (error.status, error.field) == (400, field)


def test_an_object_has_all_its_ways_newest_first_and_no_other_objects():
    told = list(orders(6))
    for record in told[:4]:
        record.object_id = "4711"
    told[3].object_type = "item"
    store = store_of(told)

    first = list_object(store, TENANT, "order", "4711", page_size="2", now=NOW)
    rest = list_object(store, TENANT, "order", "4711", page_token=first["next_page_token"], now=NOW)

    assert ids([first, rest]) == [n.to_bytes(16, "big").hex() for n in (3, 2, 1)]
    assert list_object(store, TENANT, "order", "nobody", now=NOW)["total"] == 0
    assert refused(list_object, store, TENANT, "order", "").code == "missing_parameter"
