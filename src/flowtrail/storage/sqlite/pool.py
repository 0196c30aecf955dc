"""Read-only connections to one database, taken and given back; each use is one snapshot."""

import os
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

from flowtrail.storage.sqlite.connection import connect_reader, store_errors

F = TypeVar("F")


class ReadPool(Generic[F]):
    """Connections to the file that stands at `path` now: when another one takes its place, they are replaced.

    `opened` is called before a connection is made and gives the context in which the file may be opened. `facts`
    makes what is remembered of one file: all connections to the same file share it.
    """

    def __init__(self, path: Path, opened: Callable[[], "contextmanager[None]"], facts: Callable[[], F]) -> None:
        self._path = path
        self._opened = opened
        self._new_facts = facts
        self._free: deque[tuple[int, int, sqlite3.Connection]] = deque()
        self._facts: tuple[int, F] = (0, facts())
        self._pid = os.getpid()

    @contextmanager
    def snapshot(self) -> Iterator[tuple[sqlite3.Connection, F]]:
        """A connection inside a read transaction, with what is remembered of its file."""
        with store_errors(f"reading {self._path}"):
            inode, connection = self._take()
            try:
                connection.execute("BEGIN")
                yield connection, self._facts_of(inode)
                connection.execute("ROLLBACK")
            except BaseException:
                connection.close()
                raise
            self._free.append((self._pid, inode, connection))

    def _take(self) -> tuple[int, sqlite3.Connection]:
        inode = self._inode()
        while self._free:
            pid, held, connection = self._free.pop()
            if held == inode and pid == os.getpid():
                return inode, connection
            if pid == os.getpid():
                connection.close()
        with self._opened():
            return self._inode(), connect_reader(self._path)

    def _inode(self) -> int:
        return os.stat(self._path).st_ino

    def _facts_of(self, inode: int) -> F:
        held, facts = self._facts
        if held != inode:
            facts = self._new_facts()
            self._facts = (inode, facts)
        return facts

    def close(self) -> None:
        """Close what is free; what is in use is closed when it comes back to a pool nobody holds."""
        while self._free:
            self._free.pop()[2].close()
