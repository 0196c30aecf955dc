"""Changes of transactions as rows: new ones in bulk, open ones by row number, pieces appended and now and then merged.

A locator is (row, list of pieces, pages of batches without a piece, place of the facts), so that an update reads
nothing first.
"""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from flowtrail.model.limits import MAX_PIECE_BYTES
from flowtrail.projection.header import Header
from flowtrail.projection.state import merge_pieces
from flowtrail.projection.terms import COUNTED_KINDS
from flowtrail.storage.interface import Change
from flowtrail.storage.sqlite.bundles import BundleReader, BundleWriter
from flowtrail.storage.sqlite.connection import run_many, update_many
from flowtrail.storage.sqlite.names import Cohort, Names
from flowtrail.storage.sqlite.rows import (
    PAGES_GO_ON,
    TICK_BITS,
    UNMERGED,
    created_of,
    is_full,
    marks_of,
    pack_pages,
    piece_entries,
    piece_entry,
    unpack_pages,
)
from flowtrail.storage.sqlite.spans import SpanWriter

Locator = tuple[int, bytes, bytes | None, int]

MERGE_PIECES: Final = 16
"""So many of one level become one of the next: ten thousand executions that come one by one are rewritten three
times each, and a transaction is never more than some fifty pieces."""

_INSERT: Final = (
    "INSERT INTO tx (row, tenant, id, opened, updated, tick, ended, cohort, revision, born, deadline, created, block,"
    " marks, version, object, facts, pieces, pages) VALUES"
)
_EXTEND: Final = ("revision", "updated", "block", "pieces")
_EXTEND_TICK: Final = (*_EXTEND, "tick")


class _Rows:
    """What one batch writes, gathered by statement."""

    __slots__ = ("extensions", "gone", "inserts", "new", "ticks", "totals", "updates")

    def __init__(self) -> None:
        self.inserts: list[tuple[Any, ...]] = []
        self.extensions: list[tuple[Any, ...]] = []
        self.ticks: list[tuple[Any, ...]] = []
        self.updates: dict[tuple[str, ...], list[list[Any]]] = {}
        self.gone: list[tuple[int, str, int, bytes]] = []
        self.new: list[tuple[int, str, int, bytes]] = []
        self.totals: dict[int, int] = {}


class ChangeWriter:
    """Writes the changes of batches. Forget it after a write that may have failed."""

    def __init__(self, connection: sqlite3.Connection, names: Names) -> None:
        self._connection = connection
        self._names = names
        self._bundles = BundleWriter(connection)
        self._written = BundleReader(connection)
        self._spans = SpanWriter(connection)
        last = connection.execute("SELECT max(row) FROM tx").fetchone()[0]
        self._next_row = (last or 0) + 1
        self._packed_pages: dict[int, bytes] = {}
        self._tenants: dict[str, int] = {}
        self._cohorts: dict[tuple[str, str, str, str, bool], int] = {}

    def write(self, changes: Sequence[Change], revision: int) -> list[Locator]:
        """Write changes inside the caller's transaction; a locator for each."""
        self._packed_pages.clear()
        rows = _Rows()
        locators = [
            self._new(change, revision, rows)
            if change.before is None
            else self._moved(change, revision, rows)
            for change in changes
        ]
        self._bundles.settle()
        self._written.forget()
        self._spans.settle()
        connection = self._connection
        run_many(connection, _INSERT, rows.inserts)
        update_many(connection, "tx", _EXTEND, rows.extensions)
        update_many(connection, "tx", _EXTEND_TICK, rows.ticks)
        for columns, values in rows.updates.items():
            update_many(connection, "tx", columns, values)
        connection.executemany(
            "UPDATE cohort SET total = total + ? WHERE number = ?",
            [(amount, number) for number, amount in rows.totals.items() if amount],
        )
        connection.executemany(
            "DELETE FROM term WHERE tenant = ? AND term = ? AND opened = ? AND id = ?", rows.gone
        )
        rows.new.sort()
        run_many(connection, "INSERT OR IGNORE INTO term (tenant, term, opened, id) VALUES", rows.new)
        self._count_terms(rows)
        return locators

    def _count_terms(self, rows: _Rows) -> None:
        counted = Counter((tenant, term) for tenant, term, _, _ in rows.new if term[0] in COUNTED_KINDS)
        counted.subtract((tenant, term) for tenant, term, _, _ in rows.gone if term[0] in COUNTED_KINDS)
        self._connection.executemany(
            "INSERT INTO term_total VALUES (?, ?, ?)"
            " ON CONFLICT (tenant, term) DO UPDATE SET total = total + excluded.total",
            [(*place, amount) for place, amount in counted.items() if amount],
        )

    def _new(self, change: Change, revision: int, rows: _Rows) -> Locator:
        header, row, key = change.after, self._next_row, change.id
        self._next_row = row + 1
        cohort = self._cohort(change.tenant, header)
        tenant = self._tenants[change.tenant]
        rows.totals[cohort] = rows.totals.get(cohort, 0) + 1
        packed = self._pages(change.pages)
        facts = self._bundles.add(b"", change.facts or b"")
        entries, pages = b"", None
        if change.piece is None:
            pages = packed
        else:
            entries = piece_entry(self._bundles.add(packed, change.piece), 0)
        opened = header.opened_at
        self._spans.watch(tenant, opened, header.updated_at, header.ended_at)
        rows.inserts.append(
            (
                row,
                tenant,
                key,
                opened,
                header.updated_at,
                header.updated_at >> TICK_BITS,
                header.ended_at,
                cohort,
                revision,
                revision,
                header.deadline_at,
                created_of(header),
                header.current_block,
                marks_of(header),
                header.version,
                header.object_id,
                facts,
                entries,
                pages,
            )
        )
        rows.new.extend([(tenant, term, opened, key) for term in change.terms_new])
        return (row, entries, pages, facts)

    def _moved(self, change: Change, revision: int, rows: _Rows) -> Locator:
        before, after = change.before, change.after
        assert before is not None
        row, entries, pages, facts = change.locator
        if change.tenant not in self._tenants:
            self._cohort(change.tenant, before)
        if change.piece is not None:
            entries += piece_entry(self._bundles.add(self._pages(change.pages), change.piece), 0)
            if is_full(entries, MERGE_PIECES):
                entries = self._merged(entries)
        elif change.pages:
            packed = self._pages(change.pages)
            pages = packed if pages is None else pages + PAGES_GO_ON + packed
        self._spans.watch(self._tenants[change.tenant], after.opened_at, after.updated_at, after.ended_at)
        if change.terms_gone or change.terms_new:
            self._move_terms(change, before, rows)
        if (
            change.facts is None
            and before.opened_at == after.opened_at
            and before.has_failures is after.has_failures
        ):
            # Without new facts nothing else can have changed.
            updated, block = after.updated_at, after.current_block
            tick = updated >> TICK_BITS
            if tick == before.updated_at >> TICK_BITS:
                rows.extensions.append((revision, updated, block, entries, row))
            else:
                rows.ticks.append((revision, updated, block, entries, tick, row))
            return (row, entries, pages, facts)
        if change.facts is not None:
            self._bundles.free(facts)
            facts = self._bundles.add(b"", change.facts)
        locator = (row, entries, pages, facts)
        cohort = self._cohort(change.tenant, after)
        held = self._cohort(change.tenant, before)
        rows.totals[cohort] = rows.totals.get(cohort, 0) + 1
        rows.totals[held] = rows.totals.get(held, 0) - 1
        columns, values = _update(change, before, cohort, revision, locator, moved=held != cohort)
        rows.updates.setdefault(columns, []).append(values)
        return locator

    def _move_terms(self, change: Change, before: Header, rows: _Rows) -> None:
        tenant, key, gone_at, new_at = (
            self._tenants[change.tenant],
            change.id,
            before.opened_at,
            change.after.opened_at,
        )
        rows.gone.extend([(tenant, term, gone_at, key) for term in change.terms_gone])
        rows.new.extend([(tenant, term, new_at, key) for term in change.terms_new])

    def _merged(self, packed: bytes) -> bytes:
        """The list after merging every level that is full."""
        entries = piece_entries(packed)
        for level in range(UNMERGED):
            full = [place for place, held in entries if held == level]
            if len(full) < MERGE_PIECES:
                break
            self._bundles.flush()
            parts = self._written.parts(full)
            if sum(len(body) for _, body in parts) > MAX_PIECE_BYTES:
                entries = [(place, UNMERGED if held == level else held) for place, held in entries]
                continue
            for place in full:
                self._bundles.free(place)
            pages = pack_pages(page for packed_pages, _ in parts for page in unpack_pages(packed_pages))
            merged = self._bundles.add(pages, merge_pieces(body for _, body in parts))
            entries = [*((place, held) for place, held in entries if held != level), (merged, level + 1)]
        return b"".join(piece_entry(place, level) for place, level in entries)

    def _cohort(self, tenant: str, header: Header) -> int:
        key = (tenant, header.flow, header.object_type, header.status, header.has_failures)
        number = self._cohorts.get(key)
        if number is None:
            owner = self._tenants[tenant] = self._names.give_tenant(self._connection, tenant)
            number = self._cohorts[key] = self._names.give_cohort(self._connection, Cohort(owner, *key[1:]))
        return number

    def _pages(self, pages: Sequence[int]) -> bytes:
        if len(pages) != 1:
            return pack_pages(pages)
        packed = self._packed_pages.get(pages[0])
        if packed is None:
            packed = self._packed_pages[pages[0]] = pack_pages(pages)
        return packed


def _update(
    change: Change, before: Header, cohort: int, revision: int, locator: Locator, *, moved: bool
) -> tuple[tuple[str, ...], list[Any]]:
    """The columns, and their values, then the row: what does not change stays out, and so do its indexes."""
    after = change.after
    columns = ["revision", "facts"]
    values: list[Any] = [revision, locator[3]]
    if before.updated_at != after.updated_at:
        columns.append("updated")
        values.append(after.updated_at)
    if before.updated_at >> TICK_BITS != after.updated_at >> TICK_BITS:
        columns.append("tick")
        values.append(after.updated_at >> TICK_BITS)
    if before.current_block != after.current_block:
        columns.append("block")
        values.append(after.current_block)
    if change.piece is not None:
        columns.append("pieces")
        values.append(locator[1])
    elif change.pages:
        columns.append("pages")
        values.append(locator[2])
    if moved:
        columns.append("cohort")
        values.append(cohort)
    if before.ended_at != after.ended_at:
        columns.append("ended")
        values.append(after.ended_at)
    rest = _rest(after)
    if rest != _rest(before):
        columns += ("deadline", "created", "version", "object", "marks")
        values += rest
    if before.opened_at != after.opened_at:
        columns += ("opened", "corrected")
        values += (after.opened_at, revision)
    values.append(locator[0])
    return tuple(columns), values


def _rest(header: Header) -> tuple[int | None, int | None, str | None, str, int]:
    return (header.deadline_at, created_of(header), header.version, header.object_id, marks_of(header))
