"""Changes of transactions as rows: new ones in bulk, open ones by row number, pieces appended and now and then merged.

A locator is (row, list of pieces, pages of batches without a piece), so that an update reads nothing first.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from flowtrail.model.limits import MAX_PIECE_BYTES
from flowtrail.projection.header import Header
from flowtrail.projection.state import merge_pieces
from flowtrail.storage.interface import Change
from flowtrail.storage.sqlite.names import Cohort, Names
from flowtrail.storage.sqlite.rows import (
    UNMERGED,
    Bodies,
    created_of,
    marks_of,
    pack_pages,
    piece_count,
    piece_entries,
    piece_entry,
    unpack_pages,
)

Locator = tuple[int, bytes, bytes | None]

MERGE_PIECES: Final = 16
"""So many of one level become one of the next: ten thousand executions that come one by one are rewritten three
times each, and a transaction is never more than some fifty pieces."""

_INSERT: Final = (
    "INSERT INTO tx (row, tenant, id, opened, updated, ended, cohort, revision, born, deadline, created, block, marks,"
    " version, object, facts, pieces, pages) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)


class ChangeWriter:
    """Writes the changes of batches. Forget it after a write that may have failed."""

    def __init__(self, connection: sqlite3.Connection, names: Names, bodies: Bodies) -> None:
        self._connection = connection
        self._names = names
        self._bodies = bodies
        self._next_row = _next(connection, "tx")
        self._next_piece = _next(connection, "piece")
        self._packed_pages: dict[int, bytes] = {}
        self._tenants: dict[str, int] = {}
        self._cohorts: dict[tuple[str, tuple[str, str, str, bool]], int] = {}

    def write(self, changes: Sequence[Change], revision: int) -> list[Locator]:
        """Write changes inside the caller's transaction; a locator for each."""
        self._packed_pages.clear()
        totals: dict[int, int] = {}
        locators: list[Locator] = []
        inserts: list[tuple[Any, ...]] = []
        updates: dict[str, list[list[Any]]] = {}
        pieces: list[tuple[int, bytes, bytes]] = []
        for change in changes:
            before, after = change.before, change.after
            cohort = self._cohort(change.tenant, after)
            totals[cohort] = totals.get(cohort, 0) + 1
            if before is None:
                locator = self._new(change, cohort, revision, inserts, pieces)
            else:
                held = self._cohort(change.tenant, before)
                totals[held] = totals.get(held, 0) - 1
                locator = self._extended(change, pieces)
                statement, values = _update(change, before, held, cohort, revision, locator, self._bodies)
                updates.setdefault(statement, []).append(values)
            locators.append(locator)
        self._insert_pieces(pieces)
        self._connection.executemany(_INSERT, inserts)
        for statement, rows in updates.items():
            self._connection.executemany(statement, rows)
        self._connection.executemany(
            "UPDATE cohort SET total = total + ? WHERE number = ?",
            [(amount, number) for number, amount in totals.items() if amount],
        )
        self._write_terms(changes)
        return locators

    def _new(
        self,
        change: Change,
        cohort: int,
        revision: int,
        inserts: list[tuple[Any, ...]],
        pieces: list[tuple[int, bytes, bytes]],
    ) -> Locator:
        header, row = change.after, self._next_row
        self._next_row = row + 1
        entries, pages = b"", None
        if change.piece is None:
            pages = self._pages(change.pages)
        else:
            entries = self._piece(change.piece, self._pages(change.pages), pieces)
        opened = header.opened_at
        inserts.append(
            (
                row,
                self._tenants[change.tenant],
                change.id,
                opened,
                header.updated_at,
                header.ended_at,
                cohort,
                revision,
                revision,
                header.deadline_at,
                created_of(header),
                header.current_block,
                marks_of(header),
                header.version,
                header.object_id,
                self._bodies.pack(change.facts or b""),
                entries,
                pages,
            )
        )
        return (row, entries, pages)

    def _extended(self, change: Change, pieces: list[tuple[int, bytes, bytes]]) -> Locator:
        row, entries, pages = change.locator
        if change.piece is None:
            if change.pages:
                pages = pack_pages([*unpack_pages(pages), *change.pages])
            return (row, entries, pages)
        entries += self._piece(change.piece, self._pages(change.pages), pieces)
        if piece_count(entries) >= MERGE_PIECES:
            entries = self._merged(entries, pieces)
        return (row, entries, pages)

    def _piece(self, piece: bytes, pages: bytes, pieces: list[tuple[int, bytes, bytes]]) -> bytes:
        row = self._next_piece
        self._next_piece = row + 1
        pieces.append((row, pages, self._bodies.pack(piece)))
        return piece_entry(row, 0)

    def _merged(self, packed: bytes, pieces: list[tuple[int, bytes, bytes]]) -> bytes:
        """The list after merging every level that is full."""
        entries = piece_entries(packed)
        for level in range(UNMERGED):
            full = [row for row, held in entries if held == level]
            if len(full) < MERGE_PIECES:
                continue
            self._insert_pieces(pieces)
            marks = ",".join(map(str, full))
            held_rows = self._connection.execute(
                f"SELECT pages, body FROM piece WHERE row IN ({marks})"
            ).fetchall()
            bodies = [self._bodies.unpack(body) for _, body in held_rows]
            if sum(map(len, bodies)) > MAX_PIECE_BYTES:
                entries = [(row, UNMERGED if held == level else held) for row, held in entries]
                continue
            self._connection.execute(f"DELETE FROM piece WHERE row IN ({marks})")
            pages = pack_pages(page for packed_pages, _ in held_rows for page in unpack_pages(packed_pages))
            row, self._next_piece = self._next_piece, self._next_piece + 1
            pieces.append((row, pages, self._bodies.pack(merge_pieces(bodies))))
            entries = [entry for entry in entries if entry[1] != level]
            entries.append((row, level + 1))
        return b"".join(piece_entry(row, level) for row, level in entries)

    def _insert_pieces(self, pieces: list[tuple[int, bytes, bytes]]) -> None:
        self._connection.executemany("INSERT INTO piece (row, pages, body) VALUES (?, ?, ?)", pieces)
        pieces.clear()

    def _write_terms(self, changes: Sequence[Change]) -> None:
        tenants = self._tenants
        gone = [
            (tenants[change.tenant], term, change.before.opened_at, change.id)
            for change in changes
            if change.before is not None
            for term in change.terms_gone
        ]
        if gone:
            self._connection.executemany(
                "DELETE FROM term WHERE tenant = ? AND term = ? AND opened = ? AND id = ?", gone
            )
        new = [
            (tenants[change.tenant], term, change.after.opened_at, change.id)
            for change in changes
            for term in change.terms_new
        ]
        new.sort()
        self._connection.executemany(
            "INSERT OR IGNORE INTO term (tenant, term, opened, id) VALUES (?, ?, ?, ?)", new
        )

    def _cohort(self, tenant: str, header: Header) -> int:
        key = (tenant, header.cohort)
        number = self._cohorts.get(key)
        if number is None:
            owner = self._tenants[tenant] = self._names.give_tenant(self._connection, tenant)
            number = self._cohorts[key] = self._names.give_cohort(self._connection, Cohort(owner, *key[1]))
        return number

    def _pages(self, pages: Sequence[int]) -> bytes:
        if len(pages) != 1:
            return pack_pages(pages)
        packed = self._packed_pages.get(pages[0])
        if packed is None:
            packed = self._packed_pages[pages[0]] = pack_pages(pages)
        return packed


def _update(
    change: Change, before: Header, held: int, cohort: int, revision: int, locator: Locator, bodies: Bodies
) -> tuple[str, list[Any]]:
    """The statement and its values: a column that does not change stays out, and so do the indexes it stands in."""
    after = change.after
    columns = "revision = ?"
    values: list[Any] = [revision]
    if before.updated_at != after.updated_at:
        columns += ", updated = ?"
        values.append(after.updated_at)
    if before.current_block != after.current_block:
        columns += ", block = ?"
        values.append(after.current_block)
    if change.piece is not None:
        columns += ", pieces = ?"
        values.append(locator[1])
    elif change.pages:
        columns += ", pages = ?"
        values.append(locator[2])
    if held != cohort:
        columns += ", cohort = ?"
        values.append(cohort)
    if before.ended_at != after.ended_at:
        columns += ", ended = ?"
        values.append(after.ended_at)
    if change.facts is not None:
        columns += ", facts = ?"
        values.append(bodies.pack(change.facts))
    rest = _rest(after)
    if rest != _rest(before):
        columns += ", deadline = ?, created = ?, version = ?, object = ?"
        values += rest
    if before.opened_at != after.opened_at:
        columns += ", opened = ?, corrected = ?"
        values += (after.opened_at, revision)
    marks = marks_of(after)
    if marks != marks_of(before):
        columns += ", marks = ?"
        values.append(marks)
    values.append(locator[0])
    return f"UPDATE tx SET {columns} WHERE row = ?", values


def _rest(header: Header) -> tuple[int | None, int | None, str | None, str]:
    return (header.deadline_at, created_of(header), header.version, header.object_id)


def _next(connection: sqlite3.Connection, table: str) -> int:
    last = connection.execute(f"SELECT max(row) FROM {table}").fetchone()[0]
    return (last or 0) + 1
