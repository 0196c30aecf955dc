"""Cells in SQLite: a difference is added to the stored cell, which the writer remembers decoded."""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final

from flowtrail.projection.cells import WIDTHS, Cell, CellKey, add_into, decode_cell, encode_cell
from flowtrail.storage.heldcells import HeldCells
from flowtrail.storage.sqlite.connection import run_many
from flowtrail.storage.sqlite.names import Group, Names

WIDTH_NUMBERS: Final[dict[str, int]] = {width: number for number, width in enumerate(WIDTHS)}
_GROUPS_AT_ONCE: Final = 500

Place = tuple[int, int, int]
"""Group, width and start."""


class CellWriter:
    """Adds differences, remembering the cells it touched last. Forget it after a write that may have failed."""

    def __init__(self) -> None:
        self._held = HeldCells[Place]()

    def add(self, connection: sqlite3.Connection, names: Names, differences: dict[CellKey, Cell]) -> None:
        """Add differences inside the caller's transaction; cells that become empty go."""
        changed: list[tuple[int, int, int, bytes]] = []
        gone: list[Place] = []
        touched: list[Place] = []
        tenants: dict[str, int] = {}
        for key, difference in differences.items():
            if not difference:
                continue
            tenant = tenants.get(key.tenant)
            if tenant is None:
                tenant = tenants[key.tenant] = names.give_tenant(connection, key.tenant)
            place = (
                names.give_group(connection, Group(tenant, key.kind, key.group)),
                WIDTH_NUMBERS[key.width],
                key.start,
            )
            cell = self._held.get(place)
            if cell is None:
                cell = self._held.put(place, self._read(connection, place))
            touched.append(place)
            add_into(cell, difference)
            if cell:
                changed.append((*place, encode_cell(cell)))
            else:
                gone.append(place)
        run_many(
            connection,
            "INSERT INTO cell (grp, width, start, body) VALUES",
            changed,
            "ON CONFLICT (grp, width, start) DO UPDATE SET body = excluded.body",
        )
        connection.executemany("DELETE FROM cell WHERE grp = ? AND width = ? AND start = ?", gone)
        self._held.settle(touched)

    @staticmethod
    def _read(connection: sqlite3.Connection, place: Place) -> Cell:
        row = connection.execute(
            "SELECT body FROM cell WHERE grp = ? AND width = ? AND start = ?", place
        ).fetchone()
        return {} if row is None else decode_cell(row[0])


def read_cells(
    connection: sqlite3.Connection,
    names: Names,
    groups: Iterable[int],
    width: str,
    since: int | None,
    until: int | None,
) -> list[tuple[CellKey, Cell]]:
    """The cells of these groups in [since, until), sorted by key."""
    found: list[tuple[CellKey, Cell]] = []
    numbers = list(groups)
    low, high = -(1 << 63) if since is None else since, (1 << 63) - 1 if until is None else until
    for first in range(0, len(numbers), _GROUPS_AT_ONCE):
        some = ",".join(map(str, numbers[first : first + _GROUPS_AT_ONCE]))
        rows = connection.execute(
            f"SELECT grp, start, body FROM cell WHERE grp IN ({some}) AND width = ? AND start >= ? AND start < ?",
            (WIDTH_NUMBERS[width], low, high),
        )
        for number, start, body in rows:
            group = names.groups[number]
            tenant = names.tenant_name(connection, group.tenant)
            found.append((CellKey(tenant, group.kind, width, start, group.parts), decode_cell(body)))
    found.sort(key=lambda entry: entry[0])
    return found


def iter_cells(connection: sqlite3.Connection, names: Names) -> Iterator[tuple[CellKey, Cell]]:
    """Every cell, sorted by key."""
    names.load_tenants(connection)
    names.load_groups(connection)
    of_kind: dict[tuple[str, str], list[int]] = {}
    for number, group in names.groups.items():
        of_kind.setdefault((names.tenant_names[group.tenant], group.kind), []).append(number)
    for kind in sorted(of_kind):
        for width in sorted(WIDTHS):
            yield from read_cells(connection, names, of_kind[kind], width, None, None)
