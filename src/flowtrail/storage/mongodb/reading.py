"""Transactions' documents as a reader sees them, all from one snapshot."""

from collections.abc import Sequence
from typing import Final

from pymongo.client_session import ClientSession

from flowtrail.storage.interface import Stored
from flowtrail.storage.mongodb.beside import mark_key
from flowtrail.storage.mongodb.changes import pieces_of
from flowtrail.storage.mongodb.connection import Document
from flowtrail.storage.mongodb.rows import Bodies, decode_header, id_of, transaction_key, unpack_pages
from flowtrail.storage.mongodb.schema import PIECES, TRANSACTIONS, Views

HEADERS: Final = {"o": 1, "u": 1, "e": 1, "r": 1, "h": 1, "f": 1}
"""What lists need: not the entries, which make up most of a document."""


class Rows:
    """Reads documents of one tenant in one generation and one snapshot; without a session, in none."""

    def __init__(
        self, views: Views, session: ClientSession | None, tenant: tuple[int, str], bodies: Bodies
    ) -> None:
        self.views = views
        self.session = session
        self._number, self._tenant = tenant
        self._bodies = bodies

    def key(self, id: bytes) -> bytes:
        """A transaction's key."""
        return transaction_key(self._number, id)

    def find(self, id: bytes) -> Stored | None:
        """One transaction with its pieces."""
        row = self.document(id)
        return None if row is None else self.whole(row)

    def document(self, id: bytes) -> Document | None:
        """The document of one transaction."""
        return self.views[TRANSACTIONS].find_one({"_id": self.key(id)}, session=self.session)

    def with_mark(self, id: bytes) -> tuple[Document | None, Document]:
        """The document of one transaction, and the mark of its tenant (empty when it has none), by one command."""
        key, mark = self.key(id), mark_key(self._number)
        found = self.views[TRANSACTIONS].find({"_id": {"$in": [key, mark]}}, session=self.session)
        rows: dict[bytes, Document] = {row["_id"]: row for row in found}
        return rows.get(key), rows.get(mark, {})

    def whole(self, row: Document) -> Stored:
        """A whole document with its pieces, those beside it too."""
        return self.stored(row, pieces=self._entries(row))

    def joined(self, row: Document, beside: Sequence[bytes]) -> Stored:
        """A whole document with those of its pieces that were read beside it."""
        return self.stored(row, pieces=[self._bodies.open_entry(entry) for entry in (*row["p"], *beside)])

    def stored(self, row: Document, *, pieces: Sequence[tuple[bytes, bytes]] | None) -> Stored:
        """A document as the contract has it; without `pieces` the pages are left out too."""
        pages: set[int] = set()
        for _, packed in pieces or ():
            pages.update(unpack_pages(packed))
        return Stored(
            self._tenant,
            id_of(row["_id"]),
            decode_header(row["h"]),
            self._bodies.unpack(row["f"]),
            None if pieces is None else [piece for piece, _ in pieces if piece],
            sorted(pages),
            row["r"],
        )

    def bodies(self, key: bytes) -> tuple[bytes, list[bytes]]:
        """Facts and pieces of a transaction."""
        row = self.views[TRANSACTIONS].find_one({"_id": key}, {"f": 1, "p": 1, "s": 1}, session=self.session)
        if row is None:
            return b"", []
        return self._bodies.unpack(row["f"]), [piece for piece, _ in self._entries(row) if piece]

    def _entries(self, row: Document) -> list[tuple[bytes, bytes]]:
        entries = list(row["p"])
        if row.get("s"):
            found = self.views[PIECES].find({"_id": pieces_of(row["_id"])}, session=self.session)
            entries += [each["p"] for each in found]
        return [self._bodies.open_entry(entry) for entry in entries]
