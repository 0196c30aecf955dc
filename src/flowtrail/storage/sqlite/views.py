"""The projector's side of the views: the lease, loading what is stored, and one transaction for each batch."""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from flowtrail.model.clock import MICROS, Clock
from flowtrail.model.errors import LeaseLost, StoreUnavailable
from flowtrail.model.points import reach
from flowtrail.projection.version import PROJECTION_VERSION
from flowtrail.storage.interface import Batch, Definition, Lease, Loaded, Position, Revision, ViewWriter
from flowtrail.storage.sqlite.bundles import BundleReader
from flowtrail.storage.sqlite.cells import CellWriter
from flowtrail.storage.sqlite.changelog import ChangeLog
from flowtrail.storage.sqlite.changes import ChangeWriter, Locator
from flowtrail.storage.sqlite.connection import Log, store_errors, synced, transaction
from flowtrail.storage.sqlite.files import ViewsFiles
from flowtrail.storage.sqlite.names import Names
from flowtrail.storage.sqlite.producers import hear
from flowtrail.storage.sqlite.rows import HEADER_COLUMNS, header_of_row, piece_places

_AT_ONCE: Final = 200
"""Ids asked for in one statement."""
MAX_CHANGES: Final = 4_000
"""Transactions in one write: what bounds the rows that stand in memory together."""
_encode: Final = msgspec.msgpack.Encoder(order="deterministic").encode
_decode_position: Final = msgspec.msgpack.Decoder(list[tuple[int, int]]).decode


def pack_position(position: Position) -> bytes:
    """The bytes of a position."""
    return _encode(sorted(position.items()))


def unpack_position(packed: bytes) -> Position:
    """A position from its bytes."""
    return dict(_decode_position(packed))


class _Open:
    """A connection and everything remembered of what is behind it; thrown away whole when a write failed."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection = connection
        self.inode = path.stat().st_ino
        self.names = Names()
        self.bundles = BundleReader(connection)
        self.cells = CellWriter()
        self.wal = Log(connection, path)
        self.log = ChangeLog(connection)
        self.changes = ChangeWriter(connection, self.names)


class SqliteViewWriter:
    """Writes one views file: the present one, or (`main` is then the present one's writer) one being rebuilt."""

    max_changes: int | None = MAX_CHANGES
    hold_back_s: float = 0.0

    def __init__(
        self, files: ViewsFiles, path: Path, clock: Clock, main: "SqliteViewWriter | None" = None
    ) -> None:
        self._files = files
        self._path = path
        self._clock = clock
        self._main = main
        self._open: _Open | None = None
        self._lease: Lease | None = None
        """Under which views beside the present ones were last written."""

    # --- the lease ---

    def acquire(self, holder: str, ttl_s: float) -> Lease | None:
        # The lease of the present views is the one that counts; those being rebuilt carry a copy of it.
        if self._main is not None:
            lease = self._main.take(holder, ttl_s)
            return None if lease is None else self._copied(lease, ttl_s)
        lease = self.take(holder, ttl_s)
        if lease is not None:
            with store_errors(f"writing {self._path}"):
                self._files.drop_next()
        return lease

    def take(self, holder: str, ttl_s: float) -> Lease | None:
        """Take the lease in this file alone."""
        with store_errors(f"writing {self._path}"):
            # A new holder trusts nothing that an earlier one remembered.
            self.forget()
            connection = self._held().connection
            # A takeover must survive a power cut, although views may lose their last writes.
            with synced(connection), transaction(connection):
                epoch, owner, expires, ttl = connection.execute(
                    "SELECT epoch, holder, expires, ttl FROM present"
                ).fetchone()
                # Much further ahead than it lasts: the clock was set back, and whoever lives renews it.
                if owner not in {None, holder} and expires - 2 * ttl <= self._clock() < expires:
                    return None
                lease = Lease(epoch + 1, holder)
                self._begin_epoch(connection, lease, ttl_s)
            return lease

    def _copied(self, lease: Lease, ttl_s: float) -> Lease:
        with store_errors(f"writing {self._path}"):
            connection = self._standing().connection
            with transaction(connection):
                self._begin_epoch(connection, lease, ttl_s)
            self._lease = lease
            return lease

    def _begin_epoch(self, connection: sqlite3.Connection, lease: Lease, ttl_s: float) -> None:
        connection.execute("INSERT OR REPLACE INTO epoch SELECT epoch, revision FROM present")
        ttl = round(ttl_s * MICROS)
        connection.execute(
            "UPDATE present SET epoch = ?, holder = ?, expires = ?, ttl = ?",
            (lease.epoch, lease.holder, self._clock() + ttl, ttl),
        )

    def release(self, lease: Lease) -> None:
        if self._main is not None:
            self._main.release(lease)
            return
        with store_errors(f"writing {self._path}"):
            self._held().connection.execute(
                "UPDATE present SET holder = NULL, expires = 0 WHERE epoch = ? AND holder = ?",
                (lease.epoch, lease.holder),
            )

    def _renew(self, connection: sqlite3.Connection, lease: Lease) -> tuple[str, int, int]:
        """(generation, revision, projection) under the lease, which is renewed. Raises: LeaseLost."""
        renewed = connection.execute(
            "UPDATE present SET expires = ? + ttl WHERE epoch = ? AND holder = ?"
            " RETURNING generation, revision, projection",
            (self._clock(), lease.epoch, lease.holder),
        ).fetchall()
        if not renewed:
            raise LeaseLost(f"the lease of epoch {lease.epoch} was taken over or given up")
        found: tuple[str, int, int] = renewed[0]
        return found

    # --- states ---

    def position(self) -> Position:
        with store_errors(f"reading {self._path}"):
            row = self._held().connection.execute("SELECT position FROM present").fetchone()
            return unpack_position(row[0])

    def load(self, tenant: str, ids: Sequence[bytes]) -> dict[bytes, Loaded]:
        with store_errors(f"reading {self._path}"):
            held = self._held()
            number = held.names.tenant(held.connection, tenant)
            if number is None:
                return {}
            found = []
            for some in _in_parts(ids):
                marks = ",".join("?" * len(some))
                found += held.connection.execute(
                    f"SELECT {HEADER_COLUMNS}, row, facts, pieces, pages FROM tx WHERE tenant = ? AND id IN ({marks})",
                    (number, *some),
                ).fetchall()
            places = [piece_places(columns[-2]) for columns in found]
            held.bundles.fetch(place for own in places for place in own)
            held.bundles.fetch(columns[-3] for columns in found)
            part = held.bundles.part
            loaded = {
                columns[0]: Loaded(
                    (columns[-4], columns[-2], columns[-1], columns[-3]),
                    header_of_row(columns[:-4], held.names.cohort(held.connection, columns[4])),
                    part(columns[-3])[1],
                    [part(place)[1] for place in own],
                )
                for columns, own in zip(found, places, strict=True)
            }
            held.bundles.forget()
            return loaded

    # --- writing ---

    def write(self, batch: Batch, lease: Lease) -> tuple[Revision, list[Any]]:
        if self._main is not None:
            self._main.renew(lease)
            self._lease = lease
        with store_errors(f"writing {self._path}"):
            held = self._standing()
            try:
                with transaction(held.connection):
                    generation, number, projection = self._renew(held.connection, lease)
                    self._refuse_older(projection)
                    locators = self._write(held, batch, number)
                    reach("inside_write")
                held.wal.cut()
            except BaseException:
                self.forget()
                raise
        return Revision(generation, lease.epoch, number + (not batch.empty)), locators

    def _refuse_older(self, projection: int) -> None:
        if projection != PROJECTION_VERSION:
            raise StoreUnavailable(f"{self._path} was made by projection version {projection}; rebuild it")

    @staticmethod
    def _write(held: _Open, batch: Batch, number: int) -> list[Any]:
        connection, names = held.connection, held.names
        position = pack_position(batch.position)
        if batch.empty:
            connection.execute("UPDATE present SET position = ?", (position,))
            return []
        revision = number + 1
        locators: list[Locator] = held.changes.write(batch.changes, revision)
        held.cells.add(connection, names, batch.cells)
        connection.executemany(
            "INSERT OR IGNORE INTO link VALUES (?, ?, ?, ?)",
            [(names.give_tenant(connection, link.tenant), *link[1:]) for link in batch.links],
        )
        connection.executemany(
            "INSERT INTO definition VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, kind, name) DO UPDATE SET"
            " at = excluded.at, producer = excluded.producer, seq = excluded.seq, body = excluded.body"
            " WHERE (excluded.at, excluded.producer, excluded.seq, excluded.body) > (at, producer, seq, body)",
            [
                _definition_row(names.give_tenant(connection, entry.tenant), entry)
                for entry in batch.definitions
            ],
        )
        connection.executemany(
            "INSERT OR IGNORE INTO set_aside VALUES (?, ?, ?, ?, ?)",
            [
                (
                    names.give_tenant(connection, entry.tenant),
                    entry.page,
                    entry.leaf,
                    entry.transaction or b"",
                    entry.reason,
                )
                for entry in batch.set_aside
            ],
        )
        hear(connection, names, batch.heard)
        held.log.add(names, batch.changes, revision)
        connection.execute("UPDATE present SET revision = ?, position = ?", (revision, position))
        return list(locators)

    def renew(self, lease: Lease) -> None:
        """Renew the lease without writing anything else. Raises: LeaseLost."""
        with store_errors(f"writing {self._path}"):
            connection = self._standing().connection
            with transaction(connection):
                self._renew(connection, lease)

    # --- rebuilding ---

    def begin_rebuild(self) -> "SqliteViewWriter":
        with store_errors(f"writing {self._files.next}"):
            lease = (
                self._held().connection.execute("SELECT epoch, holder, expires, ttl FROM present").fetchone()
            )
            self._files.fresh_next().close()
            rebuilt = SqliteViewWriter(self._files, self._files.next, self._clock, self)
            with transaction(connection := rebuilt._held().connection):
                connection.execute("UPDATE present SET epoch = ?, holder = ?, expires = ?, ttl = ?", lease)
            return rebuilt

    def finish_rebuild(self, rebuilt: ViewWriter) -> None:
        assert isinstance(rebuilt, SqliteViewWriter)
        with store_errors(f"switching {self._path}"):
            present = self._standing().connection
            with self._files.replacing():
                rebuilt.seal(present.execute("SELECT epoch, holder, expires, ttl FROM present").fetchone())
            self.forget()
            rebuilt.follow(self._path)

    def seal(self, lease: tuple[int, str | None, int, int]) -> None:
        """Make this file whole, with the lease of the one whose place it takes, and let go of it. Raises: LeaseLost."""
        connection = self._standing().connection
        if self._lease is None or self._lease.epoch != lease[0]:
            raise LeaseLost("the rebuilt views were not folded under the newest lease")
        connection.execute("UPDATE present SET epoch = ?, holder = ?, expires = ?, ttl = ?", lease)
        busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise StoreUnavailable(f"{self._path} is in use; the rebuild can be finished again")
        self.forget()

    def follow(self, path: Path) -> None:
        """Write the views that stand at `path` from now on."""
        self._path, self._main = path, None

    # --- the connection ---

    def _held(self) -> _Open:
        if self._open is None:
            self._open = _Open(self._files.writer(self._path), self._path)
        return self._open

    def _standing(self) -> _Open:
        """The connection, when the file it was made for still stands there. Raises: LeaseLost."""
        held = self._held()
        try:
            if self._path.stat().st_ino == held.inode:
                return held
        except FileNotFoundError:
            pass
        self.forget()
        raise LeaseLost(f"{self._path} was replaced or removed; load its states again")

    def forget(self) -> None:
        """Close the connection and drop everything remembered; the next call opens another."""
        if self._open is not None:
            self._open.connection.close()
            self._open = None


def _in_parts(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    for first in range(0, len(items), _AT_ONCE):
        yield items[first : first + _AT_ONCE]


def _definition_row(tenant: int, entry: Definition) -> tuple[Any, ...]:
    return (tenant, entry.kind, _encode(entry.name), *entry.stamp, entry.body)
