"""The states of open transactions that the projector holds, so that an arrival need not read them back."""

from collections.abc import Sequence
from typing import Any, Final

from flowtrail.projection.tracked import Tracked
from flowtrail.storage.interface import Change

MAX_WEIGHT: Final = 350_000
"""In executions, a transaction weighing two more: 50,000 open transactions of seven records, which with a batch in
hand make a process of 320 MB."""
_OWN_WEIGHT: Final = 2


class Cache:
    """Tracked states by tenant and transaction; ended ones leave once they are stored, then the longest held."""

    def __init__(self, max_weight: int = MAX_WEIGHT) -> None:
        self._held: dict[tuple[str, bytes], Tracked] = {}
        self._weights: dict[tuple[str, bytes], int] = {}
        self.weight = 0
        """Of all that is held."""
        self._max_weight = max_weight

    def get(self, tenant: str, key: bytes) -> Tracked | None:
        """The state held of a transaction."""
        return self._held.get((tenant, key))

    def put(self, tenant: str, key: bytes, tracked: Tracked) -> Tracked:
        """Hold a state; it stays at least until the next `trim`, unless it ends."""
        self._held[tenant, key] = tracked
        return tracked

    def stored(self, changes: Sequence[Change], locators: Sequence[Any]) -> None:
        """Take over where changed states now stand, and let go of what is not needed."""
        for change, locator in zip(changes, locators, strict=True):
            place = (change.tenant, change.id)
            tracked = self._held.get(place)
            if tracked is None:
                continue
            tracked.locator = locator
            self._settle(place, tracked, change.after.status)

    def unchanged(self, tenant: str, key: bytes, tracked: Tracked) -> None:
        """Let go of a state that what came did not change, unless it is needed: it may have been loaded for that alone,
        as are all of a log that is imported again."""
        assert tracked.header is not None
        self._settle((tenant, key), tracked, tracked.header.status)

    def _settle(self, place: tuple[str, bytes], tracked: Tracked, status: str) -> None:
        if status != "in_transit":
            self._forget(place)
            return
        weight = len(tracked.state.executions) + _OWN_WEIGHT
        self.weight += weight - self._weights.get(place, 0)
        self._weights[place] = weight

    def trim(self) -> None:
        """Let go of the longest held while there are too many: between two steps, since within one whoever was
        found here must stay until it is folded."""
        while self.weight > self._max_weight and self._weights:
            self._forget(next(iter(self._weights)))

    def _forget(self, place: tuple[str, bytes]) -> None:
        self._held.pop(place, None)
        self.weight -= self._weights.pop(place, 0)

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()
        self._weights.clear()
        self.weight = 0
