"""Sets of integers as ranges: `[first, last, first, last, …]`, ascending, with a gap between any two of them.

Equal sets are equal lists, so that whatever is kept of them is comparable to the byte.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

import msgspec

Ranges = list[int]

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[int]).decode


def of_numbers(numbers: Iterable[int]) -> Ranges:
    """The set of these numbers, which may come in any order and twice."""
    ordered = sorted(set(numbers))
    if not ordered:
        return []
    if ordered[-1] - ordered[0] == len(ordered) - 1:
        return [ordered[0], ordered[-1]]
    found = [ordered[0]]
    for before, after in pairwise(ordered):
        if after != before + 1:
            found += (before, after)
    found.append(ordered[-1])
    return found


def pairs(ranges: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The ranges as (first, last)."""
    numbers = iter(ranges)
    return zip(numbers, numbers, strict=True)


def size(ranges: Sequence[int]) -> int:
    """How many numbers the set has."""
    return sum(ranges[1::2]) - sum(ranges[::2]) + len(ranges) // 2


def union(one: Sequence[int], other: Sequence[int]) -> Ranges:
    """What is in either; runs that overlap, touch or come in no order are allowed."""
    if not one or not other:
        held = one or other
        if len(held) <= 2:
            return list(held)
    elif len(one) == len(other) == 2 and one[0] <= other[0] <= one[1] + 1:
        return [one[0], max(one[1], other[1])]
    found: Ranges = []
    for first, last in sorted([*pairs(one), *pairs(other)]):
        if found and first <= found[-1] + 1:
            found[-1] = max(found[-1], last)
        else:
            found += (first, last)
    return found


def without(ranges: Sequence[int], gone: Sequence[int]) -> Ranges:
    """What is in the first set and not in the second."""
    if not ranges or not gone:
        return list(ranges)
    found: Ranges = []
    rest = list(pairs(gone))
    at = 0
    for first, last in pairs(ranges):
        while at < len(rest) and rest[at][1] < first:
            at += 1
        start, here = first, at
        while here < len(rest) and rest[here][0] <= last:
            if rest[here][0] > start:
                found += (start, rest[here][0] - 1)
            start = rest[here][1] + 1
            here += 1
        if start <= last:
            found += (start, last)
    return found


def contains(ranges: Sequence[int], number: int) -> bool:
    """Whether a number is in the set."""
    place = bisect_left(ranges, number)
    return place % 2 == 1 or (place < len(ranges) and ranges[place] == number)


def pack(ranges: Sequence[int], base: int = 0) -> bytes:
    """The set in few bytes: each bound as its distance from the one before, the first from `base`."""
    return _encode([after - before for before, after in pairwise([base, *ranges])])


def unpack(packed: bytes, base: int = 0) -> Ranges:
    """What `pack` was given. Raises: msgspec.DecodeError."""
    found = _decode(packed)
    for place, distance in enumerate(found):
        base += distance
        found[place] = base
    return found
