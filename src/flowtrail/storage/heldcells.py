"""The cells that a writer touched last, decoded, so that adding to one reads nothing: both stores hold them alike."""

from collections import OrderedDict
from collections.abc import Hashable, Iterable
from typing import Final, Generic, TypeVar

from flowtrail.projection.cells import Cell

MOST_COUNTERS: Final = 500_000
"""Some 50 MB, at about 100 bytes a counter, and more than a batch of 160,000 records touches. Cells themselves say
little: one of a quiet minute has twenty counters, one of a busy day a thousand."""

Place = TypeVar("Place", bound=Hashable)


class HeldCells(Generic[Place]):
    """Cells by where they are stored. One thread."""

    def __init__(self, most: int = MOST_COUNTERS) -> None:
        self._most = most
        self._cells: OrderedDict[Place, Cell] = OrderedDict()
        self._weights: dict[Place, int] = {}
        self.counters = 0
        """How many are held in all, as of the last `settle`."""

    def __contains__(self, place: Place) -> bool:
        return place in self._cells

    def get(self, place: Place) -> Cell | None:
        """The cell held there, which the caller may add to; it is the last to go now."""
        cell = self._cells.get(place)
        if cell is not None:
            self._cells.move_to_end(place)
        return cell

    def put(self, place: Place, cell: Cell) -> Cell:
        """Hold a cell, at least until the next `settle`."""
        self._cells[place] = cell
        return cell

    def settle(self, touched: Iterable[Place]) -> None:
        """Weigh what was put or added to; what became empty goes, and what was not touched for longest while there
        is too much."""
        cells, weights = self._cells, self._weights
        for place in touched:
            weight = len(cells[place])
            self.counters += weight - weights.get(place, 0)
            weights[place] = weight
            if not weight:
                del cells[place], weights[place]
        while self.counters > self._most:
            place, _ = cells.popitem(last=False)
            self.counters -= weights.pop(place, 0)
