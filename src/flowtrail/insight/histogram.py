"""Nearest-rank percentiles, of histograms in cells and of raw values.

The p-th percentile of n values is the ceil(p/100 × n)-th smallest (nearest rank). A histogram knows it by its
bucket, whose middle is at most 1.1 % off; raw values give it exactly.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from flowtrail.projection.cells import HISTOGRAM_CODES, bucket_value

PERCENTILES: Final = (50, 95, 99)


def percentiles_of_cell(cell: Mapping[int | str, int], base: int) -> dict[int, int]:
    """Each of `PERCENTILES` in microseconds, of the histogram whose codes begin at `base`; empty when it is empty."""
    counts = sorted(
        (code - base, amount)
        for code, amount in cell.items()
        if isinstance(code, int) and base <= code < base + HISTOGRAM_CODES
    )
    total = sum(amount for _, amount in counts)
    if total <= 0:
        return {}
    found: dict[int, int] = {}
    wanted = [(percent, rank(percent, total)) for percent in PERCENTILES]
    reached = 0
    for bucket, amount in counts:
        reached += amount
        while wanted and reached >= wanted[0][1]:
            found[wanted.pop(0)[0]] = bucket_value(bucket)
    return found


def percentiles_of_values(ordered: Sequence[int]) -> dict[int, int]:
    """Each of `PERCENTILES` of ascending values; empty when there are none."""
    return {percent: ordered[rank(percent, len(ordered)) - 1] for percent in PERCENTILES} if ordered else {}


def rank(percent: int, total: int) -> int:
    """Which of `total` ascending values the percentile is, from 1."""
    return max(-(-percent * total // 100), 1)
