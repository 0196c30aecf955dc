"""The views in memory and the projector's side of them: one dictionary entry a transaction, under one lock."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from threading import RLock
from typing import Any

from flowtrail.model.clock import MICROS, Clock
from flowtrail.model.errors import LeaseLost
from flowtrail.model.ids import random_bytes
from flowtrail.projection.cells import Cell, CellKey, add_into
from flowtrail.projection.header import Header
from flowtrail.projection.version import PROJECTION_VERSION
from flowtrail.storage.interface import (
    Batch,
    Change,
    Definition,
    Lease,
    LinkRow,
    Loaded,
    Position,
    Revision,
    SetAside,
    Stored,
    ViewWriter,
)
from flowtrail.storage.memory.sessions import Sessions

Key = tuple[str, bytes]


@dataclass(slots=True)
class Row:
    """One transaction. `born` and `corrected` are the revisions that made it and last moved its opened instant."""

    header: Header
    facts: bytes
    pieces: list[bytes]
    terms: set[tuple[str, int]]
    pages: list[int]
    born: int
    revision: int
    corrected: int = 0

    def stored(self, key: Key, *, pieces: bool) -> Stored:
        return Stored(
            *key,
            copy(self.header),
            self.facts,
            list(self.pieces) if pieces else None,
            list(self.pages),
            self.revision,
        )


@dataclass(slots=True)
class Views:
    """Everything that could be folded again."""

    generation: str = field(default_factory=lambda: random_bytes(8).hex())
    version: int = PROJECTION_VERSION
    epoch: int = 0
    revision: int = 0
    epoch_ends: dict[int, int] = field(default_factory=dict)
    position: Position = field(default_factory=dict)
    rows: dict[Key, Row] = field(default_factory=dict)
    cells: dict[CellKey, Cell] = field(default_factory=dict)
    links: set[LinkRow] = field(default_factory=set)
    definitions: dict[tuple[str, str, tuple[str, ...]], Definition] = field(default_factory=dict)
    set_aside: list[SetAside] = field(default_factory=list)
    sessions: Sessions = field(default_factory=Sessions)
    log: list[tuple[int, str, bytes]] = field(default_factory=list)


@dataclass(slots=True)
class Shelf:
    """What all handles of one store share: the views that readers see, those being rebuilt, and the lease."""

    lock: RLock = field(default_factory=RLock)
    views: Views = field(default_factory=Views)
    rebuilding: Views | None = None
    epoch: int = 0
    holder: str | None = None
    expires: int = 0
    ttl_s: float = 0.0


class MemoryViewWriter:
    """The projector's side. Its locators are the transactions' keys."""

    max_changes: int | None = None
    hold_back_s: float = 0.0

    def __init__(self, shelf: Shelf, clock: Clock, rebuilding: Views | None = None) -> None:
        self._shelf = shelf
        self._clock = clock
        self.rebuilding = rebuilding
        self.lease: Lease | None = None

    def acquire(self, holder: str, ttl_s: float) -> Lease | None:
        shelf = self._shelf
        with shelf.lock:
            now = self._clock()
            # Much further ahead than it lasts: the clock was set back, and whoever lives renews it.
            least = shelf.expires - 2 * round(shelf.ttl_s * MICROS)
            if shelf.holder not in {None, holder} and least <= now < shelf.expires:
                return None
            views = self._views()
            views.epoch_ends[shelf.epoch] = views.revision
            shelf.epoch += 1
            shelf.holder, shelf.ttl_s = holder, ttl_s
            shelf.expires = now + round(ttl_s * MICROS)
            views.epoch = shelf.epoch
            self.lease = Lease(shelf.epoch, holder)
            return self.lease

    def release(self, lease: Lease) -> None:
        with self._shelf.lock:
            if lease.epoch == self._shelf.epoch:
                self._shelf.holder = None

    def position(self) -> Position:
        with self._shelf.lock:
            return dict(self._views().position)

    def load(self, tenant: str, ids: Sequence[bytes]) -> dict[bytes, Loaded]:
        with self._shelf.lock:
            rows = self._views().rows
            return {
                key: Loaded((tenant, key), copy(row.header), row.facts, list(row.pieces))
                for key in ids
                if (row := rows.get((tenant, key))) is not None
            }

    def write(self, batch: Batch, lease: Lease) -> tuple[Revision, list[Any]]:
        with self._shelf.lock:
            self._renew(lease)
            self.lease = lease
            views = self._views()
            views.position = dict(batch.position)
            if not batch.empty:
                views.revision += 1
                self._apply(views, batch)
            revision = Revision(views.generation, lease.epoch, views.revision)
            return revision, [(change.tenant, change.id) for change in batch.changes]

    def begin_rebuild(self) -> "MemoryViewWriter":
        with self._shelf.lock:
            self._shelf.rebuilding = Views(epoch=self._shelf.epoch)
            return MemoryViewWriter(self._shelf, self._clock, self._shelf.rebuilding)

    def finish_rebuild(self, rebuilt: ViewWriter) -> None:
        assert isinstance(rebuilt, MemoryViewWriter)
        with self._shelf.lock:
            if rebuilt.rebuilding is None or rebuilt.rebuilding is not self._shelf.rebuilding:
                raise LeaseLost("another rebuild began after this one")
            if rebuilt.lease is None or rebuilt.lease.epoch != self._shelf.epoch:
                raise LeaseLost("the rebuilt views were not folded under the newest lease")
            self._shelf.views, self._shelf.rebuilding = rebuilt.rebuilding, None
            rebuilt.rebuilding = None

    def _views(self) -> Views:
        return self.rebuilding or self._shelf.views

    def _renew(self, lease: Lease) -> None:
        shelf = self._shelf
        if lease.epoch != shelf.epoch or shelf.holder != lease.holder:
            raise LeaseLost(f"epoch {shelf.epoch} has begun; this lease is of epoch {lease.epoch}")
        if self.rebuilding is not None and self.rebuilding is not shelf.rebuilding:
            raise LeaseLost("another rebuild began after this one")
        shelf.expires = self._clock() + round(shelf.ttl_s * MICROS)

    @staticmethod
    def _apply(views: Views, batch: Batch) -> None:
        for change in batch.changes:
            _apply_change(views, change)
        for key, difference in batch.cells.items():
            cell = views.cells.setdefault(key, {})
            add_into(cell, difference)
            if not cell:
                del views.cells[key]
        views.links.update(batch.links)
        for definition in batch.definitions:
            name = (definition.tenant, definition.kind, definition.name)
            held = views.definitions.get(name)
            if held is None or (held.stamp, held.body) < (definition.stamp, definition.body):
                views.definitions[name] = definition
        views.sessions.hear(batch.heard)
        views.set_aside.extend(entry for entry in batch.set_aside if entry not in views.set_aside)


def _apply_change(views: Views, change: Change) -> None:
    key = (change.tenant, change.id)
    row = views.rows.get(key)
    if row is None:
        row = Row(change.after, b"", [], set(), [], born=views.revision, revision=views.revision)
        views.rows[key] = row
    elif row.header.opened_at != change.after.opened_at:
        row.corrected = views.revision
    row.header = copy(change.after)
    row.revision = views.revision
    if change.facts is not None:
        row.facts = change.facts
    if change.piece is not None:
        row.pieces.append(change.piece)
    if change.before is not None:
        row.terms.difference_update((term, change.before.opened_at) for term in change.terms_gone)
    row.terms.update((term, change.after.opened_at) for term in change.terms_new)
    row.pages = sorted({*row.pages, *change.pages})
    views.log.append((views.revision, *key))
