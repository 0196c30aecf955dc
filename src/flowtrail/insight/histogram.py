"""Nearest-rank percentiles, of histograms in cells and of raw values.

The p-th percentile of n values is the ceil(p/100 × n)-th smallest (nearest rank). A histogram knows it by its
bucket, whose middle is at most 1.1 % off; raw values give it exactly.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from flowtrail.projection.cells import HISTOGRAM_CODES, Cell, bucket_value

PERCENTILES: Final = (50, 95, 99)


def percentiles_of_cell(cell: Cell, base: int) -> dict[int, int]:
    """Each of `PERCENTILES` in microseconds, of the histogram whose codes begin at `base`; empty when it is empty."""
    last = base + HISTOGRAM_CODES
    # Hours of many blocks make thousands of cells with hundreds of codes each: this loop is what they cost.
    codes = sorted([code for code in cell if code.__class__ is int and base <= code < last])
    if not codes:
        return {}
    amounts = [cell[code] for code in codes]
    total = sum(amounts)
    reached = list(accumulate(amounts))
    return {
        percent: bucket_value(codes[bisect_left(reached, rank(percent, total))] - base)
        for percent in PERCENTILES
    }


def percentiles_of_values(ordered: Sequence[int]) -> dict[int, int]:
    """Each of `PERCENTILES` of ascending values; empty when there are none."""
    return {percent: ordered[rank(percent, len(ordered)) - 1] for percent in PERCENTILES} if ordered else {}


def rank(percent: int, total: int) -> int:
    """Which of `total` ascending values the percentile is, from 1."""
    return max(-(-percent * total // 100), 1)
