"""Connections to SQLite: opened the same way everywhere, every PRAGMA read back, every error translated."""

import errno
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec
import zstandard

from flowtrail.model.errors import Damaged, StoreError, StoreFull, StoreTooNew, StoreUnavailable

BUSY_TIMEOUT_MS: Final = 5_000
CHECKPOINT_BYTES: Final = 16 * 1024 * 1024
"""Write-ahead log before it is copied back: measured best between pauses and disk."""
LOG_GROWTH: Final = 4
"""So many times larger the log may grow before it is cut down to nothing, readers or not."""
CUT_WAIT_MS: Final = 250
"""How long cutting the log waits for readers: most take some milliseconds, and who takes seconds is not waited for."""
PAGE_BYTES: Final = 4_096
VALUES_AT_ONCE: Final = 8_000
"""Values in one statement of many rows: a fifth faster than row by row, and no faster above."""
STATEMENTS: Final = 256

UNREADABLE: Final = (msgspec.DecodeError, zstandard.ZstdError)
"""What unpacking stored bytes raises that are not those that were stored: SQLite itself has no checksums."""

_PRIMARY: Final = 0xFF
"""The primary result code is the low byte of an extended one."""

SYNCHRONOUS: Final = {"FULL": 2, "NORMAL": 1}


def connect_writer(
    path: Path,
    synchronous: str,
    cache_kib: int,
    page_bytes: int = PAGE_BYTES,
    log_bytes: int = CHECKPOINT_BYTES,
) -> sqlite3.Connection:
    """A connection that writes, in write-ahead mode. Creates the file, with pages of that size, when it is missing.

    Commits beyond `log_bytes` of log copy it back into the file.
    """
    connection = _connect(path, "rwc")
    try:
        if connection.execute("PRAGMA page_count").fetchone()[0] == 0:
            _pragma(connection, "page_size", page_bytes, page_bytes)
        _pragma(connection, "journal_mode", "WAL", "wal")
        _pragma(connection, "synchronous", synchronous, SYNCHRONOUS[synchronous])
        pages = log_bytes // page_bytes
        _pragma(connection, "wal_autocheckpoint", pages, pages)
        # A log that a long read made grow is cut again, with room for what one commit adds.
        most = LOG_GROWTH * log_bytes
        _pragma(connection, "journal_size_limit", most, most)
        _pragma(connection, "cache_size", -cache_kib, -cache_kib)
        # What is erased must not linger in free pages; there are no other deletes of weight.
        secure = 1 if synchronous == "FULL" else 0
        _pragma(connection, "secure_delete", secure, secure)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(path: Path, cache_kib: int = 16_384) -> sqlite3.Connection:
    """A connection that cannot write. Raises: sqlite3.OperationalError when the file is missing."""
    connection = _connect(path, "ro")
    try:
        _pragma(connection, "query_only", 1, 1)
        _pragma(connection, "cache_size", -cache_kib, -cache_kib)
        # The first read opens the log by its name: it must be the one that belongs to the file just opened.
        user_version(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"file:{quote(str(path.absolute()))}?mode={mode}"
    connection = sqlite3.connect(
        uri, uri=True, isolation_level=None, check_same_thread=False, cached_statements=STATEMENTS, timeout=0
    )
    try:
        _pragma(connection, "busy_timeout", BUSY_TIMEOUT_MS, BUSY_TIMEOUT_MS)
        _pragma(connection, "temp_store", "MEMORY", 2)
    except BaseException:
        connection.close()
        raise
    return connection


def _pragma(connection: sqlite3.Connection, name: str, value: str | int, expected: str | int) -> None:
    """Set a PRAGMA and compare what it is now: one that is not fetched hides an I/O error."""
    connection.execute(f"PRAGMA {name} = {value}").fetchall()
    held = connection.execute(f"PRAGMA {name}").fetchone()
    if held is None or held[0] != expected:
        raise StoreUnavailable(f"SQLite refused {name} = {value}; it says {held and held[0]}")


Migrations = Mapping[int, str]
"""Statements that lead from the tables of a version to those of the next."""


def prepare(
    connection: sqlite3.Connection, schema: str, version: int, migrations: Migrations, what: str
) -> None:
    """Create the tables of an empty database, or bring older ones up to date, in one step. Raises: StoreTooNew."""
    if refuse_newer(connection, version, what) == version:
        return
    with transaction(connection):
        held = refuse_newer(connection, version, what)
        steps = [schema] if held == 0 else [migrations[step] for step in range(held, version)]
        for statement in ";".join(steps).split(";"):
            if statement.strip():
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {version}")


def refuse_newer(connection: sqlite3.Connection, version: int, what: str) -> int:
    """The version of the tables. Raises: StoreTooNew when it is above `version`."""
    held = user_version(connection)
    if held > version:
        raise StoreTooNew(
            f"{what} was written by a newer Flowtrail (format {held}; this one knows {version}); upgrade this one"
        )
    return held


def user_version(connection: sqlite3.Connection) -> int:
    """The version of the tables; 0 when there are none."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One atomic write that takes the write lock at once; rolled back on any exception."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def run_many(
    connection: sqlite3.Connection, statement: str, rows: Sequence[Sequence[Any]], rest: str = ""
) -> None:
    """Run a statement that ends in `VALUES`, without its values, for all rows, in their order; `rest` follows them."""
    for marks, values in _grouped(rows):
        connection.execute(f"{statement} {marks} {rest}", values)


def update_many(
    connection: sqlite3.Connection, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Set columns of rows by their number: a row of values is the columns', then the number."""
    names = ", ".join(f"{column} = v.column{place}" for place, column in enumerate(columns, 1))
    run_many(
        connection,
        f"UPDATE {table} SET {names} FROM (VALUES",
        rows,
        f") AS v WHERE {table}.row = v.column{len(columns) + 1}",
    )


def _grouped(rows: Sequence[Sequence[Any]]) -> Iterator[tuple[str, list[Any]]]:
    """Marks and values of as many rows at once as one statement takes; whole groups share their statement."""
    if not rows:
        return
    width = len(rows[0])
    size = max(VALUES_AT_ONCE // width, 1)
    first = 0
    while first < len(rows):
        while size > len(rows) - first:
            # Halves, so that few different statements are ever made.
            size //= 2
        yield _marks(width, size), list(chain.from_iterable(rows[first : first + size]))
        first += size


@cache
def _marks(width: int, size: int) -> str:
    return ", ".join([f"({', '.join('?' * width)})"] * size)


class Log:
    """The write-ahead log of a writing connection, kept from growing for as long as somebody reads.

    After a commit SQLite copies back what no reader needs any more, and begins the log anew once all is copied and nobody
    reads: where one read follows the other, never.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path.with_name(f"{path.name}-wal")
        self._most: int = connection.execute("PRAGMA journal_size_limit").fetchone()[0]
        self._next = self._most

    def cut(self) -> None:
        """Cut the log when it is too long, or has become so much longer since that was tried; after a commit."""
        size = size_of(self._path)
        if size <= self._most:
            self._next = self._most
        if size <= self._next:
            return
        _pragma(self._connection, "busy_timeout", CUT_WAIT_MS, CUT_WAIT_MS)
        try:
            busy = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        finally:
            _pragma(self._connection, "busy_timeout", BUSY_TIMEOUT_MS, BUSY_TIMEOUT_MS)
        self._next = size + self._most if busy else self._most


@contextmanager
def synced(connection: sqlite3.Connection) -> Iterator[None]:
    """Inside, commits are synced to disk whatever the connection does otherwise."""
    held = connection.execute("PRAGMA synchronous").fetchone()[0]
    _pragma(connection, "synchronous", "FULL", SYNCHRONOUS["FULL"])
    try:
        yield
    finally:
        _pragma(connection, "synchronous", held, held)


@contextmanager
def store_errors(what: str) -> Iterator[None]:
    """Translate what SQLite and the operating system raise into the error tree."""
    try:
        yield
    except sqlite3.Error as error:
        raise translated(error, what) from error
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        raise (StoreFull if full else StoreUnavailable)(f"{what}: {error.strerror or error}") from error
    except UNREADABLE as error:
        raise Damaged(f"{what}: what is stored there cannot be read: {error}") from error


def translated(error: sqlite3.Error, what: str) -> StoreError:
    """The error of ours that says what a driver's error means."""
    extended = getattr(error, "sqlite_errorcode", 0)
    code = extended & _PRIMARY
    message = f"{what}: {error}"
    if code == sqlite3.SQLITE_FULL:
        return StoreFull(message)
    if extended == sqlite3.SQLITE_IOERR_SHMSIZE:
        # The index of the log, which the first of all who open a database makes, if only for reading.
        return StoreFull(f"{what}: no space is left for the index of its log ({error})")
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return Damaged(message)
    return StoreUnavailable(message)


def sync_directory(path: Path) -> None:
    """Make new names in a directory durable; SQLite itself ignores a failure of this."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def size_of(path: Path) -> int:
    """A file's size; 0 when there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
