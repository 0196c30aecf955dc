"""Producer sessions as rows: one a session, one for each of its chunks that is not whole, one total a tenant."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from flowtrail.projection.cells import Cell, add_into, decode_cell, encode_cell
from flowtrail.projection.producers import (
    Heard,
    Session,
    decode_session,
    encode_session,
    join,
    moved,
    touched,
)
from flowtrail.storage.producers import StoredSession
from flowtrail.storage.sqlite.names import Names
from flowtrail.storage.sqlite.pool import ReadPool

_AT_ONCE: Final = 200
"""Rows asked for in one statement."""


def hear(connection: sqlite3.Connection, names: Names, all_heard: Sequence[Heard]) -> None:
    """Join what a batch heard, inside the caller's transaction."""
    by_tenant: dict[str, list[Heard]] = {}
    for heard in all_heard:
        by_tenant.setdefault(heard.tenant, []).append(heard)
    for tenant, own in by_tenant.items():
        _hear(connection, names.give_tenant(connection, tenant), own)


def _hear(connection: sqlite3.Connection, tenant: int, all_heard: Sequence[Heard]) -> None:
    held = _sessions(connection, tenant, [heard.producer for heard in all_heard])
    new = [heard.producer for heard in all_heard if heard.producer not in held]
    numbers = {name: number for name, (number, _) in held.items()}
    for name in new:
        added = connection.execute(
            "INSERT INTO producer (tenant, name, lost, body) VALUES (?, ?, 0, x'')", (tenant, name)
        )
        assert added.lastrowid is not None
        numbers[name] = added.lastrowid
    wanted = [
        (numbers[heard.producer], chunk)
        for heard in all_heard
        if heard.producer in held
        for chunk in touched(heard)
    ]
    chunks = _chunks(connection, wanted)
    rows: list[tuple[Any, ...]] = []
    changed: list[tuple[int, int, bytes]] = []
    gone: list[tuple[int, int]] = []
    total: Cell = {}
    for heard in all_heard:
        number = numbers[heard.producer]
        before = held[heard.producer][1] if heard.producer in held else None
        session, bodies = join(before, chunks.get(number, {}), heard)
        add_into(total, moved(before, session))
        if session != before:
            rows.append((session.troubled, encode_session(session), number))
        for chunk, body in bodies.items():
            if body is None:
                gone.append((number, chunk))
            else:
                changed.append((number, chunk, body))
    connection.executemany("UPDATE producer SET lost = ?, body = ? WHERE number = ?", rows)
    connection.executemany("INSERT OR REPLACE INTO producer_chunk VALUES (?, ?, ?)", changed)
    connection.executemany("DELETE FROM producer_chunk WHERE producer = ? AND chunk = ?", gone)
    if total:
        add_into(total, _total(connection, tenant))
        connection.execute(
            "INSERT OR REPLACE INTO producer_total VALUES (?, ?)", (tenant, encode_cell(total))
        )


def _sessions(
    connection: sqlite3.Connection, tenant: int, names: Sequence[str]
) -> dict[str, tuple[int, Session]]:
    found: dict[str, tuple[int, Session]] = {}
    for first in range(0, len(names), _AT_ONCE):
        some = names[first : first + _AT_ONCE]
        marks = ",".join("?" * len(some))
        for name, number, body in connection.execute(
            f"SELECT name, number, body FROM producer WHERE tenant = ? AND name IN ({marks})", (tenant, *some)
        ):
            found[name] = (number, decode_session(body))
    return found


def _chunks(
    connection: sqlite3.Connection, wanted: Iterable[tuple[int, int]]
) -> Mapping[int, dict[int, bytes]]:
    places = list(wanted)
    found: dict[int, dict[int, bytes]] = {}
    for first in range(0, len(places), _AT_ONCE):
        some = places[first : first + _AT_ONCE]
        marks = ",".join(["(?, ?)"] * len(some))
        for number, chunk, body in connection.execute(
            f"SELECT producer, chunk, body FROM producer_chunk WHERE (producer, chunk) IN (VALUES {marks})",
            [value for place in some for value in place],
        ):
            found.setdefault(number, {})[chunk] = body
    return found


def _total(connection: sqlite3.Connection, tenant: int | None) -> Cell:
    row = connection.execute("SELECT body FROM producer_total WHERE tenant = ?", (tenant,)).fetchone()
    return {} if row is None else decode_cell(row[0])


class SqliteProducers:
    """Reads sessions."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    def session(self, tenant: str, producer: str, first_chunk: int, most_chunks: int) -> StoredSession | None:
        with self._pool.snapshot() as snapshot:
            connection = snapshot.connection
            row = connection.execute(
                "SELECT number, body FROM producer WHERE tenant = ? AND name = ?",
                (snapshot.names.tenant(connection, tenant), producer),
            ).fetchone()
            if row is None:
                return None
            return _stored(connection, (tenant, producer), row, first_chunk, most_chunks)

    def sessions(
        self,
        tenant: str,
        name: str | None,
        after: str | None,
        limit: int,
        *,
        troubled: bool = False,
        most_chunks: int = 0,
    ) -> list[StoredSession]:
        with self._pool.snapshot() as snapshot:
            connection = snapshot.connection
            number = snapshot.names.tenant(connection, tenant)
            where, values = ["tenant = ?", "name > ?"], [number, after or ""]
            if name is not None:
                # What begins with `name/` lies before `name0`: a zero is what follows a slash.
                where += ["name > ?", "name < ?"]
                values += [f"{name}/", f"{name}0"]
            if troubled:
                where.append("lost")
            rows = connection.execute(
                f"SELECT name, number, body FROM producer WHERE {' AND '.join(where)} ORDER BY name LIMIT ?",
                (*values, limit),
            ).fetchall()
            return [_stored(connection, (tenant, row[0]), row[1:], 0, most_chunks) for row in rows]

    def totals(self, tenant: str) -> Cell:
        with self._pool.snapshot() as snapshot:
            return _total(snapshot.connection, snapshot.names.tenant(snapshot.connection, tenant))

    def iter_sessions(self) -> Iterator[StoredSession]:
        with self._pool.snapshot() as snapshot:
            rows = snapshot.connection.execute(
                "SELECT n.name, p.name, p.number, p.body FROM producer AS p JOIN tenant AS n ON n.number = p.tenant"
            )
            for tenant, name, *row in rows:
                yield _stored(snapshot.connection, (tenant, name), row, 0, None)


def _stored(
    connection: sqlite3.Connection,
    place: tuple[str, str],
    row: Sequence[Any],
    first_chunk: int,
    most_chunks: int | None,
) -> StoredSession:
    """A session's (number, body) with rows of its chunks, all of them where `most_chunks` is None."""
    number, body = row
    if most_chunks == 0:
        return StoredSession(*place, decode_session(body), [], more=False)
    chunks = connection.execute(
        "SELECT chunk, body FROM producer_chunk WHERE producer = ? AND chunk >= ? ORDER BY chunk LIMIT ?",
        (number, first_chunk, -1 if most_chunks is None else most_chunks + 1),
    ).fetchall()
    more = most_chunks is not None and len(chunks) > most_chunks
    return StoredSession(*place, decode_session(body), chunks[:most_chunks], more)
