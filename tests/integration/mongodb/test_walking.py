"""Every way of walking a list gives the same list: with slices of a few documents, and without sets to sort."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowtrail.model.clock import sleep_s
from flowtrail.model.conditions import AllOf, Between, HasTerm, Moment, Not
from flowtrail.projection.terms import version_term
from flowtrail.storage.interface import Selection
from flowtrail.storage.mongodb import orders, sources, walk
from tests.support.conditions import selections
from tests.support.records import BASE, MANY_IDS, an_order, order_id, records
from tests.support.reference import assert_answers_equal, new_tenant, written

batches = st.lists(st.lists(records(MANY_IDS), min_size=4, max_size=20), min_size=1, max_size=3)


@pytest.fixture
def tiny_slices(monkeypatch):
    """Slices of one document and up, so that a dozen transactions are many slices."""
    monkeypatch.setattr(walk, "FIRST_SLICE", 2)
    monkeypatch.setattr(walk, "LARGEST_SLICE", 3)
    monkeypatch.setattr(walk, "FIRST_COUNT", 1)
    monkeypatch.setattr(walk, "LARGEST_COUNT", 2)
    monkeypatch.setattr(orders, "KEYS_AT_ONCE", 2)


@pytest.fixture(params=[1, 3])
def small_sets(monkeypatch, request):
    """Only the smallest sets are sorted, and sources are compared by few of their entries."""
    monkeypatch.setattr(walk, "SMALL", request.param)
    monkeypatch.setattr(sources, "SMALL", request.param)
    monkeypatch.setattr(walk, "COUNT_BOUND", 2)
    monkeypatch.setattr(sources, "COUNT_BOUND", 2)
    monkeypatch.setattr(sources, "MAX_MERGED", 64 if request.param > 1 else 2)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(data=st.data(), told=batches)
def test_slice_by_slice_a_list_equals_the_reference(
    folder,
    reading,
    tiny_slices,
    small_sets,
    data,
    told,
):
    tenant = new_tenant()
    reference = written(folder, tenant, told)

    for _ in range(4):
        assert_answers_equal(reading, reference, data.draw(selections(tenant, limits=(1, 3, 50))))


@pytest.mark.timeout(60)
def test_a_second_that_holds_more_than_a_slice_is_left_behind(folder, reading, tiny_slices, monkeypatch):
    """Whoever was updated in it was looked for again and again, without end."""
    monkeypatch.setattr(walk, "SMALL", 0)
    numbers = range(1, 12)
    folder.tell("acme", *(record for number in numbers for record in an_order(number, opened=BASE + number)))
    folder.tell(
        "acme", *(record for number in (20, 21) for record in an_order(number, opened=BASE - 9_000_000))
    )
    # Asked of each document, and true of none that was updated in that second.
    early = Between("updated", None, BASE - 1_000_000)
    asked = Selection(
        "acme", Moment(BASE), AllOf((early, HasTerm(version_term("3")))), sort="updated", budget_s=None
    )

    for selection in (asked, replace(asked, condition=Not(Not(asked.condition)))):
        assert reading.transactions.count(selection) == (2, True)
        assert [row.id for row in reading.transactions.select(selection).rows] == [order_id(21), order_id(20)]


def test_a_walk_of_all_states_takes_longer_than_mongodb_keeps_a_moment(folder, reading, mongodb_client):
    folder.tell("acme", *(record for number in range(1, 400) for record in an_order(number)))
    keep, admin = "minSnapshotHistoryWindowInSeconds", mongodb_client.admin
    kept = admin.command("getParameter", 1, **{keep: 1})[keep]
    walk = reading.transactions.iter_states("acme")
    found = [next(walk)]
    admin.command("setParameter", 1, **{keep: 1})
    try:
        for number in range(400, 420):
            folder.tell("globex", *an_order(number))
            sleep_s(0.25)
        found += walk
    finally:
        admin.command("setParameter", 1, **{keep: kept})

    assert [stored.id for stored in found] == [order_id(number) for number in range(1, 400)]


def test_a_step_of_any_number_of_transactions_is_read_by_commands_of_bounded_size(
    folder, reading, monkeypatch
):
    """Of a log that knows days and no time a day's transactions are one step: their keys were one command."""
    monkeypatch.setattr(walk, "SMALL", 0)
    monkeypatch.setattr(orders, "KEYS_AT_ONCE", 10)
    folder.tell(
        "acme", *(record for number in range(1, 61) for record in an_order(number, opened=BASE + number))
    )
    asked, query = [], orders.UpdatedOrder._query

    def watched(self, keys, after, rest):
        asked.append(len(keys))
        return query(self, keys, after, rest)

    monkeypatch.setattr(orders.UpdatedOrder, "_query", watched)
    selection = Selection("acme", Moment(BASE), sort="updated", limit=7, budget_s=None)
    found = []
    while True:
        page = reading.transactions.select(selection)
        found += [row.id for row in page.rows]
        if page.next is None:
            break
        selection = replace(selection, after=page.next)

    assert found == [order_id(number) for number in range(60, 0, -1)]
    assert max(asked) <= 10
