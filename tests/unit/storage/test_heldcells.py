"""Decoded cells are held by what they weigh, and the longest untouched go first."""

from hypothesis import given
from hypothesis import strategies as st

from flowtrail.storage.heldcells import HeldCells


def cell(size):
    return dict.fromkeys(range(size), 1)


def touch(held, place, size):
    found = held.get(place)
    if found is None:
        found = held.put(place, {})
    found.clear()
    found.update(cell(size))
    held.settle([place])


def test_wide_cells_are_fewer_than_narrow_ones():
    narrow, wide = HeldCells(1_000), HeldCells(1_000)
    for number in range(500):
        touch(narrow, number, 10)
        touch(wide, number, 250)

    assert sum(number in narrow for number in range(500)) == 100
    assert sum(number in wide for number in range(500)) == 4


def test_who_is_touched_again_stays():
    held = HeldCells(30)
    for place in ("first", "second", "third"):
        touch(held, place, 10)
    held.get("first")
    touch(held, "fourth", 10)

    assert [place in held for place in ("first", "second", "third", "fourth")] == [True, False, True, True]


def test_a_batch_is_held_whole_until_it_is_weighed_and_what_is_empty_goes():
    held = HeldCells(15)
    for place in range(5):
        held.put(place, cell(10))
    assert all(place in held for place in range(5))

    held.get(4).clear()
    held.settle(range(5))

    assert [place in held for place in range(5)] == [False, False, False, True, False]
    assert held.counters == 10


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 12)), max_size=60), st.integers(0, 40))
def test_what_is_held_weighs_what_its_cells_do_and_no_more_than_is_allowed(touches, most):
    held = HeldCells(most)
    for place, size in touches:
        touch(held, place, size)
        cells = {at: held.get(at) for at in range(10) if at in held}
        assert held.counters == sum(map(len, cells.values())) <= most
        if 0 < size <= most:
            assert cells[place] == cell(size)
