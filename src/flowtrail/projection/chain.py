"""The edges of one nesting level: from each execution to the final one before it.

Executions with the same parent are kept in the order of `executions.order_key`; an edge leads from the previous
*final* execution to each. Inserting or removing one changes only the edges from it up to the next final one, so a
transaction of ten thousand executions costs a search and a shift per arrival, not a recount.
"""

from bisect import bisect_left
from collections.abc import Callable

from flowtrail.model.records import BlockRecord
from flowtrail.model.statuses import FINAL
from flowtrail.projection.executions import OrderKey, end_at, order_key

Emit = Callable[[int, str, str, int, int], None]
"""Receives an edge: sign, from block, to block, the instant it counts at, its time (negative when they overlap)."""


class Chain:
    """Executions of one parent, in order. Mutable; owned by the transaction it belongs to."""

    __slots__ = ("_keys", "_steps")

    def __init__(self) -> None:
        self._keys: list[OrderKey] = []
        self._steps: list[tuple[str, int | None]] = []  # block; where it ended, None while it is not final

    def insert(self, record: BlockRecord, emit: Emit) -> None:
        """Take an execution in and emit what changes; one without an instant to order it by is left out."""
        key = order_key(record)
        if key is None:
            return
        keys, steps = self._keys, self._steps
        step = (record.block, end_at(record) if record.status in FINAL else None)
        if not keys or keys[-1] < key:
            # Told in order, as most are: it goes to the end, and nothing follows it.
            for block, ended in reversed(steps):
                if ended is not None:
                    emit(1, block, step[0], key[0], key[0] - ended)
                    break
            keys.append(key)
            steps.append(step)
            return
        place = bisect_left(keys, key)
        self._splice(place, key, step, 1, emit)
        keys.insert(place, key)
        steps.insert(place, step)

    def remove(self, record: BlockRecord, emit: Emit) -> None:
        """Take an execution out that was inserted as exactly this record, and emit what changes."""
        key = order_key(record)
        if key is None:
            return
        place = bisect_left(self._keys, key)
        del self._keys[place]
        step = self._steps.pop(place)
        self._splice(place, key, step, -1, emit)

    def _splice(self, place: int, key: OrderKey, step: tuple[str, int | None], sign: int, emit: Emit) -> None:
        before = None
        for index in range(place - 1, -1, -1):
            if self._steps[index][1] is not None:
                before = self._steps[index]
                break
        block, ended = step
        if before is not None:
            emit(sign, before[0], block, key[0], key[0] - before[1])  # type: ignore[operator]
        if ended is None:
            return
        for index in range(place, len(self._keys)):
            instant = self._keys[index][0]
            target, target_ended = self._steps[index]
            if before is not None:
                emit(-sign, before[0], target, instant, instant - before[1])  # type: ignore[operator]
            emit(sign, block, target, instant, instant - ended)
            if target_ended is not None:
                return
