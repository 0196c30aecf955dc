"""Reading views: every call is one snapshot of `views.db`, on a connection of its own."""

from collections.abc import Iterator, Sequence

import msgspec

from flowtrail.projection.cells import Cell, CellKey
from flowtrail.storage.interface import (
    Definition,
    LinkRow,
    Position,
    Revision,
    Selected,
    Selection,
    SetAside,
    Stored,
    Whole,
)
from flowtrail.storage.sqlite.cells import iter_cells, read_cells
from flowtrail.storage.sqlite.changelog import read_changed
from flowtrail.storage.sqlite.many import read_links, read_many, read_next
from flowtrail.storage.sqlite.pool import ReadPool
from flowtrail.storage.sqlite.snapshot import STORED_COLUMNS, Snapshot
from flowtrail.storage.sqlite.views import unpack_position
from flowtrail.storage.sqlite.walk import Walk

_decode_name = msgspec.msgpack.Decoder(tuple[str, ...]).decode


class SqliteReader:
    """All reading roles but the journal's."""

    def __init__(self, pool: ReadPool) -> None:
        self._pool = pool

    # --- transactions ---

    def find(self, tenant: str, id: bytes) -> Stored | None:
        with self._pool.snapshot() as snapshot:
            return self._find(snapshot, tenant, id)

    @staticmethod
    def _find(snapshot: Snapshot, tenant: str, id: bytes) -> Stored | None:
        number = snapshot.names.tenant(snapshot.connection, tenant)
        row = snapshot.connection.execute(
            f"SELECT {STORED_COLUMNS} FROM tx AS t WHERE t.tenant = ? AND t.id = ?", (number, id)
        ).fetchone()
        return None if row is None else snapshot.stored(tenant, row, pieces=True)

    def find_whole(self, tenant: str, id: bytes) -> Whole:
        with self._pool.snapshot() as snapshot:
            number = snapshot.names.tenant(snapshot.connection, tenant)
            aside = snapshot.connection.execute(
                "SELECT page, leaf, id, reason FROM set_aside WHERE tenant = ? AND id = ?"
                " ORDER BY page, leaf, reason",
                (number, id),
            )
            return Whole(
                self._find(snapshot, tenant, id),
                [SetAside(tenant, *row) for row in aside],
                self._definitions(snapshot, tenant, "flow"),
            )

    def select(self, selection: Selection) -> Selected:
        with self._pool.snapshot() as snapshot:
            return Walk(snapshot, selection).select()

    def count(self, selection: Selection) -> tuple[int, bool]:
        with self._pool.snapshot() as snapshot:
            return Walk(snapshot, selection).count()

    def parents(self, tenant: str, child: bytes) -> list[LinkRow]:
        return self._links(tenant, "child", child)

    def children(self, tenant: str, parent: bytes) -> list[LinkRow]:
        return self._links(tenant, "parent", parent)

    def _links(self, tenant: str, column: str, key: bytes) -> list[LinkRow]:
        with self._pool.snapshot() as snapshot:
            number = snapshot.names.tenant(snapshot.connection, tenant)
            rows = snapshot.connection.execute(
                f"SELECT parent, child, relation FROM link WHERE tenant = ? AND {column} = ?"
                " ORDER BY parent, child, relation",
                (number, key),
            )
            return [LinkRow(tenant, *row) for row in rows]

    def find_many(self, tenant: str, ids: Sequence[bytes], *, pieces: bool = True) -> list[Stored | None]:
        with self._pool.snapshot() as snapshot:
            return read_many(snapshot, tenant, ids, pieces=pieces)

    def find_links(self, tenant: str, ids: Sequence[bytes], most: int) -> list[LinkRow] | None:
        with self._pool.snapshot() as snapshot:
            return read_links(snapshot, tenant, ids, most)

    def definitions(self, tenant: str, kind: str) -> list[Definition]:
        with self._pool.snapshot() as snapshot:
            return self._definitions(snapshot, tenant, kind)

    @staticmethod
    def _definitions(snapshot: Snapshot, tenant: str, kind: str) -> list[Definition]:
        number = snapshot.names.tenant(snapshot.connection, tenant)
        rows = snapshot.connection.execute(
            "SELECT name, at, producer, seq, body FROM definition WHERE tenant = ? AND kind = ?",
            (number, kind),
        )
        found = [
            Definition(tenant, kind, _decode_name(name), (at, producer, seq), body)
            for name, at, producer, seq, body in rows
        ]
        return sorted(found, key=lambda entry: entry.name)

    def iter_states(self, tenant: str | None = None) -> Iterator[Stored]:
        with self._pool.snapshot() as snapshot:
            snapshot.names.load_tenants(snapshot.connection)
            names = sorted(snapshot.names.tenants)
        for name in names if tenant is None else [tenant]:
            after = b""
            while found := self._next_states(name, after):
                yield from found
                after = found[-1].id

    def _next_states(self, tenant: str, after: bytes) -> list[Stored]:
        # While a snapshot is open the log cannot be copied back: a walk of hours would let it grow for as long.
        with self._pool.snapshot() as snapshot:
            return read_next(snapshot, tenant, after)

    def iter_terms(self, tenant: str) -> Iterator[tuple[str, int, bytes]]:
        with self._pool.snapshot() as snapshot:
            number = snapshot.names.tenant(snapshot.connection, tenant)
            yield from snapshot.connection.execute(
                "SELECT term, opened, id FROM term WHERE tenant = ? ORDER BY term, opened, id", (number,)
            )

    def term_totals(self, tenant: str) -> dict[str, int]:
        with self._pool.snapshot() as snapshot:
            number = snapshot.names.tenant(snapshot.connection, tenant)
            rows = snapshot.connection.execute(
                "SELECT term, total FROM term_total WHERE tenant = ?", (number,)
            )
            return dict(rows.fetchall())

    def iter_links(self) -> Iterator[LinkRow]:
        with self._pool.snapshot() as snapshot:
            rows = snapshot.connection.execute(
                "SELECT n.name, l.parent, l.child, l.relation FROM link AS l JOIN tenant AS n ON n.number = l.tenant"
            )
            for row in rows:
                yield LinkRow(*row)

    def set_aside(self) -> list[SetAside]:
        with self._pool.snapshot() as snapshot:
            rows = snapshot.connection.execute(
                "SELECT n.name, s.page, s.leaf, s.id, s.reason FROM set_aside AS s"
                " JOIN tenant AS n ON n.number = s.tenant ORDER BY n.name, s.page, s.leaf, s.id, s.reason"
            )
            return [
                SetAside(tenant, page, leaf, key or None, reason) for tenant, page, leaf, key, reason in rows
            ]

    # --- cells ---

    def cells(
        self,
        tenant: str,
        kind: str,
        width: str,
        since: int | None,
        until: int | None,
        flow: str | None = None,
    ) -> list[tuple[CellKey, Cell]]:
        with self._pool.snapshot() as snapshot:
            names, connection = snapshot.names, snapshot.connection
            number = names.tenant(connection, tenant)
            if number is None:
                return []
            names.load_groups(connection)
            groups = [
                group
                for group, (owner, own_kind, parts) in names.groups.items()
                if owner == number and own_kind == kind and (flow is None or parts[0] == flow)
            ]
            return read_cells(connection, names, groups, width, since, until)

    def iter_cells(self) -> Iterator[tuple[CellKey, Cell]]:
        with self._pool.snapshot() as snapshot:
            yield from iter_cells(snapshot.connection, snapshot.names)

    # --- changes ---

    def revision(self) -> Revision:
        with self._pool.snapshot() as snapshot:
            row = snapshot.connection.execute("SELECT generation, epoch, revision FROM present").fetchone()
            return Revision(*row)

    def visible(self) -> Position:
        with self._pool.snapshot() as snapshot:
            return unpack_position(snapshot.connection.execute("SELECT position FROM present").fetchone()[0])

    def changed(self, tenant: str, after: int, limit: int) -> tuple[list[tuple[int, bytes]], bool] | None:
        with self._pool.snapshot() as snapshot:
            number = snapshot.names.tenant(snapshot.connection, tenant)
            return read_changed(snapshot.connection, number, after, limit)

    def epoch_end(self, epoch: int) -> int | None:
        with self._pool.snapshot() as snapshot:
            row = snapshot.connection.execute("SELECT last FROM epoch WHERE epoch = ?", (epoch,)).fetchone()
            return None if row is None else row[0]
