"""Readers against the memory store: random batches, then random questions, which it answers by asking each one."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowtrail.projection.cells import COHORT, EDGES, EVENTS, WIDTHS
from flowtrail.projection.state import State
from tests.support.conditions import selections
from tests.support.records import BASE, MANY_IDS, an_order, order_id, records
from tests.support.reference import assert_answers_equal, new_tenant, seen, written

# A store is kept over all examples; each has a tenant of its own.
IN_ONE_STORE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)

batches = st.lists(st.lists(records(MANY_IDS), min_size=1, max_size=12), min_size=1, max_size=4)


@settings(IN_ONE_STORE, max_examples=25)
@given(data=st.data(), told=batches)
def test_lists_and_counts_equal_the_reference(folder, reading, data, told):
    tenant = new_tenant()
    reference = written(folder, tenant, told)

    for _ in range(4):
        assert_answers_equal(reading, reference, data.draw(selections(tenant)))


@IN_ONE_STORE
@given(told=batches, cold=st.booleans())
def test_states_and_terms_equal_the_reference(folder, reading, told, cold):
    tenant = new_tenant()
    folder.cold = cold
    reference = written(folder, tenant, told)

    expected = list(reference.transactions.iter_states(tenant))
    found = list(reading.transactions.iter_states(tenant))

    assert list(map(seen, found)) == list(map(seen, expected))
    for stored, wanted in zip(found, expected, strict=True):
        one = reading.transactions.find(tenant, stored.id)
        assert one == stored
        assert stored.pages == wanted.pages
        state = State.load(stored.facts, stored.pieces)
        assert state.encode() == State.load(wanted.facts, wanted.pieces).encode()
    assert list(reading.transactions.iter_terms(tenant)) == list(reference.transactions.iter_terms(tenant))
    totals = {term: total for term, total in reading.transactions.term_totals(tenant).items() if total}
    assert totals == reference.transactions.term_totals(tenant)


@IN_ONE_STORE
@given(told=batches, since=st.none() | st.integers(-2, 5), flow=st.sampled_from([None, "shop", "none"]))
def test_cells_equal_the_reference(folder, reading, told, since, flow):
    tenant = new_tenant()
    reference = written(folder, tenant, told)
    minute = BASE - BASE % 60_000_000
    low, high = (None, None) if since is None else (minute + since * 60_000_000, minute + 120_000_000)

    for kind in (EVENTS, EDGES, COHORT):
        for width in WIDTHS:
            asked = (tenant, kind, width, low, high, flow)
            assert reading.cells.cells(*asked) == reference.cells.cells(*asked)


def test_every_cell_comes_in_the_order_of_its_key(folder, reading):
    for tenant in ("globex", "acme"):
        folder.tell(tenant, *an_order(1), *an_order(2, outcome="failed"), *an_order(900, outcome=None))

    keys = [key for key, _ in reading.cells.iter_cells()]

    assert keys == sorted(keys)
    assert {key.tenant for key in keys} == {"acme", "globex"}


def test_a_walk_of_all_states_must_not_hold_a_moment(folder, reading, monkeypatch):
    """It may take hours: MongoDB keeps no moment for so long, and SQLite's log grows while one is held."""
    for back_end in ("sqlite", "mongodb"):
        monkeypatch.setattr(f"flowtrail.storage.{back_end}.many.AT_ONCE", 2)
    for number in range(1, 8):
        folder.tell("acme", *an_order(number)[:1])
    walk = reading.transactions.iter_states()
    first = next(walk)

    folder.tell("acme", *an_order(7)[1:])
    rest = list(walk)

    assert [stored.id for stored in (first, *rest)] == [order_id(number) for number in range(1, 8)]
    assert [stored.header.status for stored in rest] == ["in_transit"] * 5 + ["delivered"]
