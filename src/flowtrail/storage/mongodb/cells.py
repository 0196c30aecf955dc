"""Cells in MongoDB: a difference is added to the stored cell, which the writer remembers decoded."""

from collections.abc import Iterator
from typing import Any, Final

from pymongo.client_session import ClientSession

from flowtrail.projection.cells import Cell, CellKey, add_into, decode_cell, encode_cell
from flowtrail.storage.heldcells import HeldCells
from flowtrail.storage.mongodb.connection import Document, delete, insert, update
from flowtrail.storage.mongodb.names import Tenants
from flowtrail.storage.mongodb.schema import CELLS, Views

_LOOKED_UP: Final = 1_000


def front_of(tenant: int, kind: str, width: str) -> str:
    """What the ids of a tenant's cells of a kind and width begin with; then comes the start, then the group."""
    return f"{tenant}\0{kind}\0{width}\0"


def _start(instant: int) -> str:
    # Never negative, since records before 2000 are refused; twenty digits hold every integer that is allowed.
    return f"{max(instant, 0):020d}"


def id_of(tenant: int, key: CellKey) -> str:
    """A cell's `_id`: sorted by time within tenant, kind and width, so that a range of time is a range of ids."""
    return front_of(tenant, key.kind, key.width) + _start(key.start) + "\0" + "\0".join(key.group)


def key_of(id: str, tenant: str) -> CellKey:
    """The cell's key in its `_id`."""
    _, kind, width, start, *group = id.split("\0")
    return CellKey(tenant, kind, width, int(start), tuple(group))


class CellWriter:
    """Adds differences, remembering the cells it touched last. Forget it after a write that may have failed."""

    def __init__(self, views: Views) -> None:
        self._views = views
        self._name = views.name(CELLS)
        self._held = HeldCells[str]()

    def add(self, session: ClientSession, tenants: Tenants, differences: dict[CellKey, Cell]) -> None:
        """Add differences inside the caller's transaction; cells that become empty go."""
        named = [
            (id_of(tenants.give(key.tenant), key), key.group[0], difference)
            for key, difference in differences.items()
            if difference
        ]
        self._fetch(session, [place for place, _, _ in named])
        fresh: list[Document] = []
        changed: list[Document] = []
        gone: list[str] = []
        for place, flow, difference in named:
            cell = self._held.get(place)
            if cell is None:
                cell = self._held.put(place, {})
                add_into(cell, difference)
                if cell:
                    fresh.append({"_id": place, "f": flow, "b": encode_cell(cell)})
                continue
            add_into(cell, difference)
            if cell:
                changed.append({"q": {"_id": place}, "u": {"$set": {"b": encode_cell(cell)}}})
            else:
                gone.append(place)
        database = self._views.database
        insert(session, database, self._name, fresh)
        update(session, database, self._name, changed)
        delete(session, database, self._name, gone)
        self._held.settle([place for place, _, _ in named])

    def _fetch(self, session: ClientSession, places: list[str]) -> None:
        missing = [place for place in places if place not in self._held]
        for first in range(0, len(missing), _LOOKED_UP):
            some = missing[first : first + _LOOKED_UP]
            for row in self._views[CELLS].find({"_id": {"$in": some}}, session=session):
                self._held.put(row["_id"], decode_cell(row["b"]))


def read_cells(
    views: Views,
    session: ClientSession,
    tenant: tuple[int, str],
    kind: str,
    width: str,
    within: tuple[int | None, int | None],
    flow: str | None,
) -> list[tuple[CellKey, Cell]]:
    """The cells of a kind and width that start in [since, until), sorted by key: one range of ids."""
    number, name = tenant
    since, until = within
    front = front_of(number, kind, width)
    query: dict[str, Any] = {
        "_id": {
            "$gte": front + ("" if since is None else _start(since)),
            "$lt": front + (":" if until is None else _start(until)),  # ":" follows the digits
        }
    }
    if flow is not None:
        query["f"] = flow
    rows = views[CELLS].find(query, {"b": 1}, session=session)
    found = [(key_of(row["_id"], name), decode_cell(row["b"])) for row in rows]
    found.sort(key=lambda entry: entry[0])
    return found


def iter_cells(views: Views, session: ClientSession, tenants: Tenants) -> Iterator[tuple[CellKey, Cell]]:
    """Every cell, sorted by key."""
    from flowtrail.projection.cells import COHORT, EDGES, EVENTS, WIDTHS

    for tenant, number in sorted(tenants.all().items()):
        for kind in sorted((COHORT, EDGES, EVENTS)):
            for width in sorted(WIDTHS):
                yield from read_cells(views, session, (number, tenant), kind, width, (None, None), None)
