"""The SQLite store, composed: a directory with `journal.db`, `views.db` and a lock."""

import logging
import os
from pathlib import Path

from flowtrail.model.clock import Clock, now_us
from flowtrail.model.errors import StoreError, StoreMissing, StoreUnavailable
from flowtrail.storage.health import Health
from flowtrail.storage.sqlite.connection import store_errors, sync_directory
from flowtrail.storage.sqlite.files import ViewsFiles
from flowtrail.storage.sqlite.health import health_of
from flowtrail.storage.sqlite.journal import SqliteJournal
from flowtrail.storage.sqlite.lock import Hold
from flowtrail.storage.sqlite.pool import ReadPool
from flowtrail.storage.sqlite.producers import SqliteProducers
from flowtrail.storage.sqlite.reader import SqliteReader
from flowtrail.storage.sqlite.views import SqliteViewWriter

log = logging.getLogger(__name__)


class SqliteStore:
    """`address` is what others are told who try to write the journal while this process does. `held`: a parent that
    outlives this process holds the store, and this one writes under its protection."""

    def __init__(
        self, directory: str | Path, address: str = "", *, held: bool = False, clock: Clock = now_us
    ) -> None:
        self._directory = Path(directory)
        self._clock = clock
        self._held = held
        self._hold = Hold(self._directory, address)
        self._files = ViewsFiles(self._directory)
        self._views = ReadPool(self._files.present, self._files.opening)
        self._pages = ReadPool(self._directory / "journal.db")
        self.journal = SqliteJournal(self._directory / "journal.db", self._pages, self.hold, self._known)
        self.transactions = self.cells = self.changes = SqliteReader(self._views)
        self.producers = SqliteProducers(self._views)

    def open(self, *, create: bool = True) -> None:
        with store_errors(f"opening {self._directory}"):
            if self._directory.exists() and not self._directory.is_dir():
                raise StoreUnavailable(f"{self._directory} is a file: a store is a directory of its own")
            if not create and not self.journal.exists():
                raise StoreMissing(f"there is no store in {self._directory}")
            _make_directory(self._directory)
            try:
                self.journal.open()
                self._files.settle()
            except StoreUnavailable as error:
                if (place := _unwritable(self._directory)) is None:
                    raise
                # SQLite's own words are of a file that cannot be opened, or of writing, where somebody only reads.
                told = f"{error}; {place} cannot be written, which SQLite needs for reading, too: mend its rights, or use a copy"
                raise StoreUnavailable(told) from error
            self._pages.open()
            self._views.open()

    def hold(self) -> None:
        if not self._held:
            with store_errors(f"locking {self._directory}"):
                self._hold.take()

    def _known(self) -> int:
        try:
            return max(self.changes.visible(), default=0)
        except StoreError as error:
            # Records are taken whatever becomes of the views, which can be made again.
            log.warning("how far the views are folded cannot be read: %s", error)
            return 0

    def view_writer(self) -> SqliteViewWriter:
        return SqliteViewWriter(self._files, self._files.present, self._clock)

    def views_version(self) -> tuple[int, bool]:
        with self._views.snapshot() as snapshot:
            version: int = snapshot.connection.execute("SELECT projection FROM present").fetchone()[0]
            return version, self._files.next.exists()

    def check(self) -> Health:
        return health_of(self._directory, [self._pages, self._views])

    def close(self) -> None:
        self._pages.close()
        self._views.close()
        # Last: whoever only reads cannot copy the log back, and the journal is to be one file afterwards.
        self.journal.close()
        self._hold.give_back()


def _unwritable(directory: Path) -> Path | None:
    """What of a store may not be written by this process, if anything."""
    places = (directory, *sorted(directory.glob("*.db*")))
    return next((place for place in places if not os.access(place, os.W_OK)), None)


def _make_directory(directory: Path) -> None:
    """Make the directory, durably: SQLite syncs what is in it, nobody else its name."""
    if directory.is_dir():
        return
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    for path in missing:
        sync_directory(path.parent)
