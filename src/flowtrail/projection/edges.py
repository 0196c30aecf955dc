"""The edges of whole transactions, all at once: what `chain.Chain` would emit for each, by column.

An edge leads from the previous final execution at the same nesting to each execution, in the order of
`executions.order_key`.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from flowtrail.model.records import BlockRecord
from flowtrail.projection.counting import Executions, Ints

_NEVER: Final = np.int64(1 << 62)
_NO_PARENT: Final = bytes(8)
"""Never an execution's id."""


def edges_of(
    records: Sequence[BlockRecord], columns: Executions, lengths: Ints, number: Callable[[int, int], int]
) -> Ints | None:
    """Rows (sign, edge, instant, time) of the edges; None when there are none.

    `records` and `columns` hold transactions one after the other, `lengths` executions each; `number` gives an
    edge's number for the numbers of its two blocks.
    """
    first = np.where(columns.started >= 0, columns.started, columns.ended)
    ended = np.where(columns.ended >= 0, columns.ended, _NEVER)
    level = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
    parents = [record.parent for record in records]
    if any(parents):
        level = _levels(level, b"".join([parent or _NO_PARENT for parent in parents]))
    order = _order(records, level, first, ended)
    if order is None:
        return None
    level, first, ends = level[order], first[order], columns.end()[order]
    group, final = columns.group[order], columns.status[order] > 0
    place = np.arange(len(level), dtype=np.int64)
    latest = np.maximum.accumulate(np.where(final, place, -1))
    source = np.empty_like(latest)
    source[0], source[1:] = -1, latest[:-1]
    led = (source >= 0) & (level[source] == level)
    if not led.any():
        return None
    source, target = source[led], place[led]
    pairs = (group[source] << 32) | group[target]
    unique, where = np.unique(pairs, return_inverse=True)
    numbers = np.fromiter(
        (number(pair >> 32, pair & 0xFFFFFFFF) for pair in unique.tolist()), dtype=np.int64, count=len(unique)
    )
    instant = first[target]
    return np.stack([np.ones_like(instant), numbers[where], instant, instant - ends[source]])


def _levels(level: Ints, parents: bytes) -> Ints:
    """A number for each (transaction, parent)."""
    places = np.frombuffer(parents, dtype=">u8").astype(np.uint64)
    order = np.lexsort((places, level))
    new = np.ones(len(order), dtype=np.int64)
    new[1:] = (level[order][1:] != level[order][:-1]) | (places[order][1:] != places[order][:-1])
    numbers = np.empty_like(level)
    numbers[order] = np.cumsum(new)
    return numbers


def _order(records: Sequence[BlockRecord], level: Ints, first: Ints, ended: Ints) -> Ints | None:
    """Places of the executions that can be ordered, by level, then order key; None when there are none."""
    known = first >= 0
    places = np.flatnonzero(known)
    if not len(places):
        return None
    if len(places) > 1:
        one, other = places[:-1], places[1:]
        later = (first[one] < first[other]) | ((first[one] == first[other]) & (ended[one] < ended[other]))
        # Told in order, as most are: no need to sort, nor to look at ids.
        if bool(((level[one] < level[other]) | ((level[one] == level[other]) & later)).all()):
            return places
    ids = np.frombuffer(b"".join([record.id for record in records]), dtype=">u8").astype(np.uint64)
    sorted_places = np.lexsort((ids[places], ended[places], first[places], level[places]))
    ordered: Ints = places[sorted_places]
    return ordered
