"""Ranges are sets of integers: held to Python's own."""

from hypothesis import given
from hypothesis import strategies as st

from flowtrail.projection.ranges import contains, of_numbers, pack, pairs, size, union, unpack, without

numbers = st.sets(st.integers(1, 60))


def members(ranges):
    return {number for first, last in pairs(ranges) for number in range(first, last + 1)}


@given(numbers, numbers)
def test_they_are_sets(one, other):
    left, right = of_numbers(one), of_numbers(other)

    assert members(left) == one
    assert size(left) == len(one)
    assert union(left, right) == of_numbers(one | other)
    assert without(left, right) == of_numbers(one - other)
    assert [contains(left, number) for number in range(62)] == [number in one for number in range(62)]


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9))))
def test_runs_may_come_in_any_order_and_overlap(runs):
    told = [bound for first, more in runs for bound in (first, first + more)]

    assert union(told, []) == of_numbers(members(told))


@given(numbers, st.integers(0, 1))
def test_packed_they_come_back_and_equal_sets_are_equal_bytes(told, base):
    ranges = of_numbers(told)

    assert unpack(pack(ranges, base), base) == ranges
    assert pack(of_numbers(sorted(told, reverse=True)), base) == pack(ranges, base)
