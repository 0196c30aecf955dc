"""`TransactionReader.find_many` and `find_links`: what is read one by one, read at once."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowtrail.model.records import BlockRecord
from flowtrail.model.statuses import RELATIONS
from flowtrail.storage.interface import Batch, LinkRow
from tests.support.records import BASE, MANY_IDS, an_order, order_id, records
from tests.support.reference import new_tenant, written

# A store is kept over all examples; each has a tenant of its own.
IN_ONE_STORE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
UNKNOWN = b"\xfe" * 16

batches = st.lists(st.lists(records(MANY_IDS), min_size=1, max_size=12), min_size=1, max_size=4)


def whole(reading, tenant, ids, *, pieces=True):
    """All of them, however many calls that takes."""
    left, found = list(ids), []
    while left:
        some = reading.transactions.find_many(tenant, left, pieces=pieces)
        assert 1 <= len(some) <= len(left)
        found += some
        del left[: len(some)]
    return found


@IN_ONE_STORE
@given(told=batches, cold=st.booleans(), data=st.data())
def test_many_are_what_each_is_in_the_order_asked(folder, reading, told, cold, data):
    tenant = new_tenant()
    folder.cold = cold
    reference = written(folder, tenant, told)
    known = [each.id for each in reference.transactions.iter_states(tenant)]
    ids = data.draw(st.permutations([*known, UNKNOWN]))

    found = whole(reading, tenant, ids)

    assert found == [reading.transactions.find(tenant, key) for key in ids]


def test_without_pieces_many_are_what_a_list_has(folder, reading):
    folder.tell("acme", *an_order(1), *an_order(2, outcome="failed"))

    found = whole(reading, "acme", [order_id(2), UNKNOWN, order_id(1)], pieces=False)

    assert found[1] is None
    for stored, number in ((found[0], 2), (found[2], 1)):
        alone = reading.transactions.find("acme", order_id(number))
        assert (stored.id, stored.header, stored.facts) == (alone.id, alone.header, alone.facts)
        assert stored.pieces is None


def test_at_least_the_first_of_any_must_be_read_and_the_others_come_however_long_they_are(folder, reading):
    ids = [order_id(number) for number in range(1, 13)]
    for start in range(0, 60, 20):
        for key in ids:
            told = [
                BlockRecord(
                    transaction=key, at=BASE + n, id=(n + 1).to_bytes(8, "big"), block="map",
                    details={"text": f"{n:04}" * 2_500},
                )
                for n in range(start, start + 20)
            ]  # fmt: skip
            folder.tell("acme", *told)

    found = whole(reading, "acme", ids)

    assert found == [reading.transactions.find("acme", key) for key in ids]


def test_what_is_held_at_once_is_bounded_however_many_are_asked_for(folder, reading):
    for number in range(1, 601):
        folder.tell("acme", *an_order(number))
    ids = [order_id(number) for number in range(1, 601)]

    assert len(reading.transactions.find_many("acme", ids)) < 600
    assert [stored.id for stored in whole(reading, "acme", ids)] == ids


def test_many_of_another_tenant_are_not_there(folder, reading):
    folder.tell("acme", *an_order(1))
    folder.tell("globex", *an_order(2))

    assert whole(reading, "globex", [order_id(1)]) == [None]
    assert whole(reading, "nobody", [order_id(1), order_id(2)]) == [None, None]


numbers = st.integers(1, 9)
rows = st.lists(st.tuples(numbers, numbers, st.sampled_from(RELATIONS)), max_size=30)


@IN_ONE_STORE
@given(told=rows, asked=st.lists(numbers, min_size=1, unique=True))
def test_links_of_many_are_those_of_each_from_either_end_once(folder, reading, told, asked):
    tenant = new_tenant()
    links = [LinkRow(tenant, order_id(a), order_id(b), relation) for a, b, relation in told]
    folder.write(Batch(links=links, position=folder.position))
    ids = [order_id(number) for number in asked]

    found = reading.transactions.find_links(tenant, ids, 100)

    one_by_one = [reading.transactions.parents(tenant, key) for key in ids]
    one_by_one += [reading.transactions.children(tenant, key) for key in ids]
    assert found == sorted({link for some in one_by_one for link in some})
    assert found == sorted({link for link in links if {link.parent, link.child} & set(ids)})


def test_more_links_than_are_wanted_are_not_given(folder, reading):
    links = [LinkRow("acme", order_id(1), order_id(number), "split") for number in range(2, 7)]
    folder.write(Batch(links=[*links, LinkRow("acme", order_id(9), order_id(1), "merge")]))

    assert len(reading.transactions.find_links("acme", [order_id(1)], 6)) == 6
    assert reading.transactions.find_links("acme", [order_id(1)], 5) is None
    assert reading.transactions.find_links("acme", [order_id(3), order_id(4)], 2) == links[1:3]
    assert reading.transactions.find_links("globex", [order_id(1)], 5) == []


@pytest.mark.parametrize("count", [300, 700])
def test_links_of_very_many_are_found(folder, reading, count):
    links = [LinkRow("acme", order_id(n), order_id(n + 1), "derive") for n in range(1, count + 1)]
    folder.write(Batch(links=links))

    assert reading.transactions.find_links("acme", [order_id(n) for n in range(1, count + 1)], 1_000) == links
