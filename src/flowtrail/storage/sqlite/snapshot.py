"""One read transaction: what a row of `tx` means inside it."""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from flowtrail.projection.header import Header
from flowtrail.projection.state import State
from flowtrail.storage.interface import Stored
from flowtrail.storage.sqlite.bundles import BundleReader
from flowtrail.storage.sqlite.names import Names
from flowtrail.storage.sqlite.rows import HEADER_COLUMNS, header_of_row, piece_places, unpack_pages

STORED_COLUMNS: Final = ", ".join(f"t.{name}" for name in HEADER_COLUMNS.split(", ")) + (
    ", t.facts, t.pages, t.revision, t.pieces"
)
_HEADER: Final = len(HEADER_COLUMNS.split(", "))
REMEMBERED_BUNDLES: Final = 256
"""1 MiB and some: neighbours in a list stand in the same ones."""


class Snapshot:
    """A connection inside a read transaction, with what is remembered of its file. One thread at a time."""

    __slots__ = ("bundles", "connection", "names")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.names = Names()
        self.bundles = BundleReader(connection)

    def header(self, row: Sequence[Any]) -> Header:
        """The header of a row of `STORED_COLUMNS`."""
        return header_of_row(row[:_HEADER], self.names.cohort(self.connection, row[4]))

    def stored(self, tenant: str, row: Sequence[Any], *, pieces: bool) -> Stored:
        """A row of `STORED_COLUMNS`; its pieces and their pages are read when asked for."""
        key, facts, packed_pages, revision, entries = row[0], *row[_HEADER:]
        pages = unpack_pages(packed_pages)
        bodies: list[bytes] | None = None
        self.bundles.forget(REMEMBERED_BUNDLES)
        if pieces:
            bodies = []
            for piece_pages, body in self.bundles.parts(piece_places(entries)):
                bodies.append(body)
                pages += unpack_pages(piece_pages)
        return Stored(
            tenant, key, self.header(row), self.bundles.part(facts)[1], bodies, sorted(set(pages)), revision
        )

    def state(self, row: Sequence[Any]) -> State:
        """The joined state of a row of `STORED_COLUMNS`."""
        self.bundles.forget(REMEMBERED_BUNDLES)
        pieces = [body for _, body in self.bundles.parts(piece_places(row[_HEADER + 3]))]
        return State.load(self.bundles.part(row[_HEADER])[1], pieces)
