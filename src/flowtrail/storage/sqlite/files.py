"""The files of the views, and how rebuilt ones take their place.

`views.db` is what readers see; `views-next.db` is being rebuilt; `views-ready.db` is a finished one on its way to
become `views.db`. A crash in between is finished by whoever opens the store next. Connections to the replaced file
go on reading what they saw: SQLite notices that the name has moved and leaves the new one's log alone.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

from flowtrail.model.errors import StoreTooNew
from flowtrail.model.ids import random_bytes
from flowtrail.model.points import reach
from flowtrail.projection.version import PROJECTION_VERSION
from flowtrail.storage.sqlite.connection import (
    connect_reader,
    connect_writer,
    prepare,
    refuse_newer,
    store_errors,
    sync_directory,
)
from flowtrail.storage.sqlite.lock import switching
from flowtrail.storage.sqlite.schema import VIEWS, VIEWS_MIGRATIONS, VIEWS_VERSION

CACHE_KIB: Final = 65_536
"""For the writer: the upper levels of five indexes and the terms of half a million transactions. Half of it or twice as
much took as long at 300,000; what is not in it is in the operating system's."""
VIEWS_PAGE_BYTES: Final = 8_192
"""Shallower trees and less waste beside bundles than 4 KiB: writing takes a tenth less; 16 KiB gains nothing more."""
EMPTY_POSITION: Final = b"\x90"


class ViewsFiles:
    """The names of the views in one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.present = directory / "views.db"
        self.next = directory / "views-next.db"
        self._ready = directory / "views-ready.db"

    def opening(self) -> AbstractContextManager[None]:
        """The context in which a connection to the present views may be made."""
        return switching(self._directory, alone=False)

    def settle(self) -> None:
        """Finish a switch that a crash interrupted, and make empty views where there are none.

        Raises: StoreTooNew, StoreUnavailable.
        """
        with store_errors(f"opening {self.present}"):
            if self.present.exists() and not self._ready.exists() and self._is_current():
                return
            with switching(self._directory, alone=True):
                self._finish_switch()
                connect_views(self.present).close()
                sync_directory(self._directory)

    def _is_current(self) -> bool:
        with self.opening():
            connection = connect_reader(self.present)
        try:
            if refuse_newer(connection, VIEWS_VERSION, str(self.present)) < VIEWS_VERSION:
                return False
            projection = connection.execute("SELECT projection FROM present").fetchone()
            if projection is not None and projection[0] > PROJECTION_VERSION:
                raise StoreTooNew(
                    f"{self.present} was made by a newer Flowtrail (projection {projection[0]};"
                    f" this one knows {PROJECTION_VERSION}); upgrade this one"
                )
            return projection is not None
        finally:
            connection.close()

    def writer(self, path: Path) -> sqlite3.Connection:
        """A write connection to views, which are made when they are missing."""
        with switching(self._directory, alone=path == self.present and not path.exists()):
            return connect_views(path)

    def fresh_next(self) -> sqlite3.Connection:
        """A write connection to new, empty views beside the present ones; left-overs are dropped."""
        with switching(self._directory, alone=True):
            _remove(self.next)
            connection = connect_views(self.next)
            sync_directory(self._directory)
            return connection

    @contextmanager
    def replacing(self) -> Iterator[None]:
        """Inside, nobody opens the present views; on leaving, the rebuilt ones have taken their place.

        The connection to the rebuilt ones must have been closed by then.
        """
        with switching(self._directory, alone=True):
            yield
            self.next.rename(self._ready)
            sync_directory(self._directory)
            self._finish_switch()

    def drop_next(self) -> None:
        """Drop what an unfinished rebuild left."""
        if self.next.exists():
            with switching(self._directory, alone=True):
                _remove(self.next)

    def _finish_switch(self) -> None:
        if not self._ready.exists():
            return
        # The old log must be gone for good before the new file has the name: it would be taken for the new one's.
        for end in ("-wal", "-shm"):
            self.present.with_name(self.present.name + end).unlink(missing_ok=True)
        sync_directory(self._directory)
        reach("inside_switch")
        self._ready.rename(self.present)
        sync_directory(self._directory)


def connect_views(path: Path) -> sqlite3.Connection:
    """A write connection to views; their tables are made when the file is new."""
    connection = connect_writer(path, "NORMAL", CACHE_KIB, VIEWS_PAGE_BYTES)
    try:
        prepare(connection, VIEWS, VIEWS_VERSION, VIEWS_MIGRATIONS, str(path))
        connection.execute(
            "INSERT OR IGNORE INTO present VALUES (1, ?, ?, 0, ?, 0, 0, NULL, 0, 0)",
            (random_bytes(8).hex(), PROJECTION_VERSION, EMPTY_POSITION),
        )
    except BaseException:
        connection.close()
        raise
    return connection


def _remove(path: Path) -> None:
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)
