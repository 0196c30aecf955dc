"""Reading many transactions at once: a statement for all of them instead of a snapshot and a statement for each."""

from collections.abc import Sequence
from typing import Final

from flowtrail.storage.interface import LinkRow, Stored
from flowtrail.storage.sqlite.snapshot import STORED_COLUMNS, Snapshot

AT_ONCE: Final = 256
"""Rows of one statement: a row is some hundred bytes, since facts and pieces stand elsewhere."""
ENOUGH_BYTES: Final = 1024 * 1024
"""Of facts and pieces, from where on the rest is left to another call."""


def read_many(snapshot: Snapshot, tenant: str, ids: Sequence[bytes], *, pieces: bool) -> list[Stored | None]:
    """The first of these transactions, at least one of any, None for one that is not there."""
    wanted = ids[:AT_ONCE]
    rows = snapshot.connection.execute(
        f"SELECT {STORED_COLUMNS} FROM tx AS t WHERE t.tenant = ? AND t.id IN ({_marks(wanted)})",
        (snapshot.names.tenant(snapshot.connection, tenant), *wanted),
    )
    held = {row[0]: row for row in rows}
    found: list[Stored | None] = []
    size = 0
    for key in wanted:
        row = held.get(key)
        stored = None if row is None else snapshot.stored(tenant, row, pieces=pieces)
        found.append(stored)
        if stored is not None:
            size += _size(stored)
        if size > ENOUGH_BYTES:
            break
    return found


def read_next(snapshot: Snapshot, tenant: str, after: bytes) -> list[Stored]:
    """The next of a tenant's transactions by id, with their pieces; none at the end."""
    rows = snapshot.connection.execute(
        f"SELECT {STORED_COLUMNS} FROM tx AS t INDEXED BY tx_id WHERE t.tenant = ? AND t.id > ? ORDER BY t.id"
        f" LIMIT {AT_ONCE}",
        (snapshot.names.tenant(snapshot.connection, tenant), after),
    )
    found: list[Stored] = []
    size = 0
    for row in rows:
        stored = snapshot.stored(tenant, row, pieces=True)
        found.append(stored)
        size += _size(stored)
        if size > ENOUGH_BYTES:
            break
    return found


def _size(stored: Stored) -> int:
    return len(stored.facts) + sum(map(len, stored.pieces or ()))


def read_links(snapshot: Snapshot, tenant: str, ids: Sequence[bytes], most: int) -> list[LinkRow] | None:
    """Links from or to any of these, sorted; None when there are more than `most`."""
    number = snapshot.names.tenant(snapshot.connection, tenant)
    found: set[LinkRow] = set()
    for first in range(0, len(ids), AT_ONCE):
        wanted = ids[first : first + AT_ONCE]
        for end in ("parent", "child"):
            rows = snapshot.connection.execute(
                f"SELECT parent, child, relation FROM link WHERE tenant = ? AND {end} IN ({_marks(wanted)})"
                f" LIMIT {most + 1}",
                (number, *wanted),
            )
            found.update(LinkRow(tenant, *row) for row in rows)
            if len(found) > most:
                return None
    return sorted(found)


def _marks(values: Sequence[bytes]) -> str:
    return ", ".join("?" * len(values))
