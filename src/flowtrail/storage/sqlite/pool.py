"""Read-only connections to one database, taken and given back; each use is one snapshot."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from flowtrail.storage.sqlite.connection import connect_reader, store_errors
from flowtrail.storage.sqlite.snapshot import Snapshot


class ReadPool:
    """Connections to the file that stands at `path` now: when another one takes its place, they are replaced.

    `opening` gives the context in which the file may be opened.
    """

    def __init__(self, path: Path, opening: Callable[[], AbstractContextManager[None]] = nullcontext) -> None:
        self.path = path
        self._opening = opening
        self._free: deque[tuple[int, int, Snapshot]] = deque()
        self._closed = False

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """A connection inside a read transaction. Raises: StoreUnavailable, Damaged."""
        with store_errors(f"reading {self.path}"):
            inode, snapshot = self._take()
            try:
                snapshot.connection.execute("BEGIN")
                yield snapshot
                snapshot.connection.execute("ROLLBACK")
                snapshot.bundles.forget()
            except BaseException:
                snapshot.connection.close()
                raise
            self._free.append((os.getpid(), inode, snapshot))
            if self._closed:
                self.close()

    def _take(self) -> tuple[int, Snapshot]:
        inode = self._inode()
        while self._free:
            try:
                pid, held, snapshot = self._free.pop()
            except IndexError:  # another thread was faster
                break
            if pid != os.getpid():
                continue  # a fork's copy: closing it would touch the parent's locks
            if held == inode:
                return inode, snapshot
            snapshot.connection.close()
        with self._opening():
            return self._inode(), Snapshot(connect_reader(self.path))

    def _inode(self) -> int:
        return self.path.stat().st_ino

    def open(self) -> None:
        """Keep connections from now on (again)."""
        self._closed = False

    def close(self) -> None:
        """Close what is free now, and what is in use when it comes back."""
        self._closed = True
        while self._free:
            try:
                pid, _, snapshot = self._free.pop()
            except IndexError:
                return
            if pid == os.getpid():
                snapshot.connection.close()
