"""Percentiles are nearest-rank: exact of values, within 2.2 % of histograms."""

import math

from hypothesis import given
from hypothesis import strategies as st

from flowtrail.insight.histogram import PERCENTILES, percentiles_of_cell, percentiles_of_values
from flowtrail.projection.cells import WAIT_HISTOGRAM, WORK_HISTOGRAM, bucket_of

values = st.lists(st.integers(0, 10**12), min_size=1, max_size=300).map(sorted)


def nearest_rank(ordered, percent):
    return ordered[math.ceil(percent / 100 * len(ordered)) - 1]


@given(values)
def test_percentiles_of_values_are_exactly_the_nearest_rank(ordered):
    assert percentiles_of_values(ordered) == {
        percent: nearest_rank(ordered, percent) for percent in PERCENTILES
    }


@given(values, values)
def test_percentiles_of_a_cell_are_within_two_point_two_percent_and_of_their_own_histogram(waits, works):
    cell = {1: 7, 12: 9, "u:cpu_seconds": 5}
    for base, ordered in ((WAIT_HISTOGRAM, waits), (WORK_HISTOGRAM, works)):
        for value in ordered:
            cell[base + bucket_of(value)] = cell.get(base + bucket_of(value), 0) + 1

    for base, ordered in ((WAIT_HISTOGRAM, waits), (WORK_HISTOGRAM, works)):
        for percent, found in percentiles_of_cell(cell, base).items():
            expected = nearest_rank(ordered, percent)
            assert abs(found - expected) <= 0.022 * expected


def test_nothing_has_no_percentiles():
    assert percentiles_of_values([]) == {}
    assert percentiles_of_cell({1: 3}, WAIT_HISTOGRAM) == {}
