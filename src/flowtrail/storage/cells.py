"""The contract of a store for reading cells."""

from collections.abc import Iterator
from typing import Protocol

from flowtrail.projection.cells import Cell, CellKey


class CellReader(Protocol):
    """Statistics' raw material."""

    def cells(
        self,
        tenant: str,
        kind: str,
        width: str,
        since: int | None,
        until: int | None,
        flow: str | None = None,
    ) -> list[tuple[CellKey, Cell]]:
        """The cells of a kind and width whose start lies in [since, until), of one flow when given, sorted by key."""

    def iter_cells(self) -> Iterator[tuple[CellKey, Cell]]:
        """Every cell, sorted: for checks."""
