"""The journal in SQLite: pages by number, every commit synced before it is acknowledged.

One connection writes, under a lock; after any failure it is closed, and the next write opens another, which reads
the durable state from the file: what a failed sync left in memory is never trusted.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final

from flowtrail.model.errors import PageConflict
from flowtrail.model.pages import SEQUENCE_BITS, Page, Writer, page_number, split_number
from flowtrail.storage.interface import Head, Position
from flowtrail.storage.sqlite.connection import (
    Log,
    connect_writer,
    prepare,
    refuse_newer,
    size_of,
    store_errors,
    sync_directory,
    transaction,
)
from flowtrail.storage.sqlite.pool import ReadPool
from flowtrail.storage.sqlite.schema import JOURNAL, JOURNAL_MIGRATIONS, JOURNAL_VERSION

CACHE_KIB: Final = 8_192
LOG_BYTES: Final = 4 * 1024 * 1024
"""The log is copied back often: what it holds is appended and never written twice, so that waiting saves nothing."""
READ_PAGES: Final = 64
"""Pages read at once by a walk: at most 64 MiB."""
_PAGE: Final = "number, header, previous, hash, secret, body"
_AS_BYTES: Final = "number, " + ", ".join(f"CAST({name} AS BLOB)" for name in _PAGE.split(", ")[1:])
"""A column that somebody altered may hold text: it is read as what it is, so that `check` can name the page."""
_HEADS: Final = f"""
SELECT ordinal, tenant, name,
       (SELECT max(number) FROM page
        WHERE number > writer.ordinal << {SEQUENCE_BITS} AND number < (writer.ordinal + 1) << {SEQUENCE_BITS})
FROM writer ORDER BY ordinal
"""


class SqliteJournal:
    """`journal.db`. `hold` is called before the first write; it raises StoreHeld where another process writes.
    `known` gives the greatest ordinal that the views know of."""

    durability = "disk"

    def __init__(
        self, path: Path, pool: ReadPool, hold: Callable[[], None], known: Callable[[], int]
    ) -> None:
        self._path = path
        self._pool = pool
        self._hold = hold
        self._known = known
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None
        self._log: Log

    def exists(self) -> bool:
        """Whether there is a journal."""
        return size_of(self._path) > 0

    def open(self) -> None:
        """Make the journal when there is none, durably, and see that this Flowtrail can read it.

        Raises: StoreTooNew, Damaged.
        """
        if self.exists():
            with self._pool.snapshot() as snapshot:
                if refuse_newer(snapshot.connection, JOURNAL_VERSION, str(self._path)) == JOURNAL_VERSION:
                    return
        connection = connect_writer(self._path, "FULL", CACHE_KIB)
        try:
            prepare(connection, JOURNAL, JOURNAL_VERSION, JOURNAL_MIGRATIONS, str(self._path))
        finally:
            connection.close()
        sync_directory(self._path.parent)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """The write connection inside a transaction that is durable when the block is left."""
        with self._lock, store_errors(f"writing {self._path}"):
            self._hold()
            if self._connection is None:
                self._connection = connect_writer(self._path, "FULL", CACHE_KIB, log_bytes=LOG_BYTES)
                self._log = Log(self._connection, self._path)
            try:
                with transaction(self._connection):
                    yield self._connection
                self._log.cut()
            except PageConflict:
                raise
            except BaseException:
                self._connection.close()
                self._connection = None
                raise

    def register(self, tenant: str, name: str) -> Writer:
        find = "SELECT ordinal FROM writer WHERE tenant = ? AND name = ?"
        # Where an older copy of the journal was put back, the views were folded further than it goes: they would take
        # the pages of a writer under an ordinal that they know for folded.
        known = self._known()
        with self._writing() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO writer (ordinal, tenant, name)"
                " SELECT max(coalesce(max(ordinal), 0), ?) + 1, ?, ? FROM writer",
                (known, tenant, name),
            )
            return Writer(connection.execute(find, (tenant, name)).fetchone()[0], tenant, name)

    def append(self, pages: Sequence[Page]) -> None:
        rows = [
            (page.number, page.header, page.previous, page.hash, page.secret, page.body) for page in pages
        ]
        with self._writing() as connection:
            before = connection.total_changes
            connection.executemany(
                f"INSERT INTO page ({_PAGE}) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (number) DO NOTHING", rows
            )
            if connection.total_changes - before == len(rows):
                return
            for page in pages:
                held = connection.execute("SELECT hash FROM page WHERE number = ?", (page.number,)).fetchone()
                if held[0] != page.hash:
                    raise PageConflict(f"another page stands at {split_number(page.number)}")

    def heads(self) -> list[Head]:
        with self._pool.snapshot() as snapshot:
            connection = snapshot.connection
            heads = []
            for ordinal, tenant, name, number in connection.execute(_HEADS).fetchall():
                writer = Writer(ordinal, tenant, name)
                if number is None:
                    heads.append(Head(writer, 0, b""))
                    continue
                held = connection.execute(
                    "SELECT CAST(hash AS BLOB) FROM page WHERE number = ?", (number,)
                ).fetchone()
                heads.append(Head(writer, split_number(number)[1], held[0]))
            return heads

    def read(self, after: Position, limit: int) -> list[Page]:
        with self._pool.snapshot() as snapshot:
            connection = snapshot.connection
            behind = sorted(
                (
                    (page_number(ordinal, after.get(ordinal, 0)), number)
                    for ordinal, _, _, number in connection.execute(_HEADS).fetchall()
                    if number is not None and split_number(number)[1] > after.get(ordinal, 0)
                ),
                key=lambda bounds: bounds[1] - bounds[0],
            )
            found: list[Page] = []
            for index, (start, end) in enumerate(behind):
                # Shortest backlog first, a share for each: one with a long backlog does not hide the others.
                share = -(-(limit - len(found)) // (len(behind) - index))
                rows = connection.execute(
                    f"SELECT {_AS_BYTES} FROM page WHERE number > ? AND number <= ? ORDER BY number LIMIT ?",
                    (start, end, share),
                )
                for expected, row in enumerate(rows, start + 1):
                    if row[0] != expected:
                        break
                    found.append(Page(*row))
            return found

    def page(self, number: int) -> Page | None:
        with self._pool.snapshot() as snapshot:
            connection = snapshot.connection
            row = connection.execute(f"SELECT {_AS_BYTES} FROM page WHERE number = ?", (number,)).fetchone()
            return None if row is None else Page(*row)

    def iter_pages(self, ordinal: int, first: int = 1) -> Iterator[Page]:
        query = f"SELECT {_AS_BYTES} FROM page WHERE number >= ? AND number < ? ORDER BY number LIMIT {READ_PAGES}"
        start, end = page_number(ordinal, first), page_number(ordinal + 1, 0)
        while True:
            # Pages never change, so that no snapshot has to be held open over a walk of hours.
            with self._pool.snapshot() as snapshot:
                pages = [Page(*row) for row in snapshot.connection.execute(query, (start, end))]
            yield from pages
            if len(pages) < READ_PAGES:
                return
            start = pages[-1].number + 1

    def writers(self) -> list[Writer]:
        with self._pool.snapshot() as snapshot:
            connection = snapshot.connection
            rows = connection.execute("SELECT ordinal, tenant, name FROM writer ORDER BY ordinal")
            return [Writer(*row) for row in rows]

    def replace_secret(self, number: int, secret: bytes, body: bytes) -> None:
        with self._writing() as connection:
            connection.execute(
                "UPDATE page SET secret = ?, body = ? WHERE number = ?", (secret, body, number)
            )
        # The log still holds what was erased until it is copied back and cut.
        with self._lock, store_errors(f"writing {self._path}"):
            if self._connection is not None:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def size_bytes(self) -> int:
        return sum(size_of(self._path.with_name(self._path.name + end)) for end in ("", "-wal"))

    def close(self) -> None:
        """Close the write connection; the pool is its owner's."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
