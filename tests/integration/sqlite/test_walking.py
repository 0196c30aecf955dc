"""Every way of walking a list gives the same list: with slices of a few rows, and without sets to sort."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowtrail.storage.sqlite import plan, rows, slices, walk
from flowtrail.storage.sqlite import sources as found_in
from tests.support.conditions import selections
from tests.support.records import MANY_IDS, records
from tests.support.reference import assert_answers_equal, new_tenant, written

batches = st.lists(st.lists(records(MANY_IDS), min_size=4, max_size=20), min_size=1, max_size=3)


@pytest.fixture
def tiny_slices(monkeypatch):
    """Slices of two rows and up, so that a dozen transactions are many slices."""
    monkeypatch.setattr(walk, "FIRST_SLICE", 2)
    monkeypatch.setattr(walk, "LARGEST_SLICE", 3)
    monkeypatch.setattr(walk, "COUNT_SLICE", 2)


@pytest.fixture(params=[0, 2])
def small_sets(monkeypatch, request):
    """No set, or only the smallest, is sorted: everything else is walked in order."""
    monkeypatch.setattr(plan, "SMALL", request.param)
    monkeypatch.setattr(plan, "SMALL_WITHOUT_ORDER", request.param)
    monkeypatch.setattr(plan, "PROBE", 2 + request.param)
    monkeypatch.setattr(plan, "MAX_MERGED", 64 if request.param else 2)


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


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(data=st.data(), told=batches, bits=st.sampled_from([4, 25, 40]))
def test_ticks_of_any_length_give_the_same_order(folder, reading, data, told, bits):
    from unittest.mock import patch

    from flowtrail.storage.sqlite import changes

    tenant = new_tenant()
    with (
        patch.object(changes, "TICK_BITS", bits),
        patch.object(slices, "TICK_BITS", bits),
        patch.object(found_in, "TICK_BITS", bits),
        patch.object(walk, "FIRST_SLICE", 2),
        patch.object(plan, "SMALL", 0),
    ):
        reference = written(folder, tenant, told)
        for _ in range(4):
            asked = data.draw(selections(tenant, limits=(1, 3, 50)))
            assert_answers_equal(reading, reference, asked)
    assert rows.TICK_BITS == 20
