"""One read transaction: what a row of `tx` means inside it."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, Final

from flowtrail.projection.header import Header
from flowtrail.projection.state import State
from flowtrail.storage.interface import Stored
from flowtrail.storage.sqlite.names import Names
from flowtrail.storage.sqlite.rows import (
    HEADER_COLUMNS,
    Bodies,
    header_of_row,
    piece_entries,
    unpack_pages,
)

STORED_COLUMNS: Final = ", ".join(f"t.{name}" for name in HEADER_COLUMNS.split(", ")) + (
    ", t.facts, t.pages, t.revision, t.pieces"
)
_HEADER: Final = len(HEADER_COLUMNS.split(", "))


class Snapshot:
    """A connection inside a read transaction, with what is remembered of its file. One thread at a time."""

    __slots__ = ("bodies", "connection", "names")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.names = Names()
        self.bodies = Bodies()

    def header(self, row: Sequence[Any]) -> Header:
        """The header of a row of `STORED_COLUMNS`."""
        return header_of_row(row[:_HEADER], self.names.cohort(self.connection, row[4]))

    def stored(self, tenant: str, row: Sequence[Any], *, pieces: bool) -> Stored:
        """A row of `STORED_COLUMNS`; its pieces and their pages are read when asked for."""
        key, facts, packed_pages, revision, entries = row[0], *row[_HEADER:]
        pages = unpack_pages(packed_pages)
        bodies: list[bytes] | None = None
        if pieces:
            bodies = []
            for piece_pages, body in self._pieces(entries):
                bodies.append(self.bodies.unpack(body))
                pages += unpack_pages(piece_pages)
        return Stored(
            tenant, key, self.header(row), self.bodies.unpack(facts), bodies, sorted(set(pages)), revision
        )

    def state(self, row: Sequence[Any]) -> State:
        """The joined state of a row of `STORED_COLUMNS`."""
        pieces = [self.bodies.unpack(body) for _, body in self._pieces(row[_HEADER + 3])]
        return State.load(self.bodies.unpack(row[_HEADER]), pieces)

    def _pieces(self, entries: bytes) -> Iterator[tuple[bytes, bytes]]:
        for number, _ in piece_entries(entries):
            yield self.connection.execute("SELECT pages, body FROM piece WHERE row = ?", (number,)).fetchone()
