"""Reading views in memory: every candidate is asked by the reference evaluator, one after the other."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter

from flowtrail.model.clock import monotonic_s
from flowtrail.model.conditions import Condition, Moment
from flowtrail.projection.cells import Cell, CellKey
from flowtrail.projection.header import Header
from flowtrail.projection.state import State
from flowtrail.projection.terms import is_counted
from flowtrail.storage.interface import (
    Cursor,
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
from flowtrail.storage.memory.views import Row, Shelf, Views

Candidate = tuple[int, bytes, Row]

AT_ONCE = 256
"""Transactions of one call: it takes the lock for no longer than a list's page does."""
CHECK_EVERY = 256
"""Candidates between two looks at the clock; at least so many are asked whatever the budget."""


class MemoryReader:
    """All four reading roles."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._linked: tuple[str, int, dict[tuple[str, bytes, str], list[LinkRow]]] | None = None

    # --- transactions ---

    def find(self, tenant: str, id: bytes) -> Stored | None:
        with self._shelf.lock:
            row = self._shelf.views.rows.get((tenant, id))
            return None if row is None else row.stored((tenant, id), pieces=True)

    def find_whole(self, tenant: str, id: bytes) -> Whole:
        with self._shelf.lock:
            aside = [entry for entry in self.set_aside() if (entry.tenant, entry.transaction) == (tenant, id)]
            return Whole(self.find(tenant, id), sorted(aside), self.definitions(tenant, "flow"))

    def select(self, selection: Selection) -> Selected:
        with self._shelf.lock:
            views = self._shelf.views
            after = selection.after
            pinned = views.revision if after is None else after.pinned
            deadline = None if selection.budget_s is None else monotonic_s() + selection.budget_s
            found: list[Stored] = []
            end: Cursor | None = None
            following: Cursor | None = None
            for asked, (instant, key, row) in enumerate(_candidates(views, selection, pinned), 1):
                if _matches(selection.condition, key, row, selection.moment):
                    if len(found) == selection.limit:
                        following = end
                        break
                    found.append(row.stored((selection.tenant, key), pieces=False))
                    end = Cursor(instant, key, pinned)
                if deadline is not None and asked % CHECK_EVERY == 0 and monotonic_s() > deadline:
                    following = end if len(found) == selection.limit else Cursor(instant, key, pinned)
                    break
            short = following is not None and len(found) < selection.limit
            return Selected(found, following, short, pinned, _changed_since(views, selection, pinned))

    def count(self, selection: Selection) -> tuple[int, bool]:
        with self._shelf.lock:
            deadline = None if selection.budget_s is None else monotonic_s() + selection.budget_s
            total = 0
            unbound = Selection(
                selection.tenant,
                selection.moment,
                since=selection.since,
                until=selection.until,
                sort=selection.sort,
            )
            for asked, (_, key, row) in enumerate(_candidates(self._shelf.views, unbound, None)):
                if deadline is not None and asked and asked % CHECK_EVERY == 0 and monotonic_s() > deadline:
                    return total, False
                total += _matches(selection.condition, key, row, selection.moment)
            return total, True

    def parents(self, tenant: str, child: bytes) -> list[LinkRow]:
        with self._shelf.lock:
            return sorted(self._links().get((tenant, child, "parents"), ()))

    def children(self, tenant: str, parent: bytes) -> list[LinkRow]:
        with self._shelf.lock:
            return sorted(self._links().get((tenant, parent, "children"), ()))

    def _links(self) -> dict[tuple[str, bytes, str], list[LinkRow]]:
        """The links by both their ends, gathered anew when there are more: they only ever grow."""
        views = self._shelf.views
        if self._linked is None or self._linked[:2] != (views.generation, len(views.links)):
            found: dict[tuple[str, bytes, str], list[LinkRow]] = {}
            for link in views.links:
                found.setdefault((link.tenant, link.child, "parents"), []).append(link)
                found.setdefault((link.tenant, link.parent, "children"), []).append(link)
            self._linked = (views.generation, len(views.links), found)
        return self._linked[2]

    def find_many(self, tenant: str, ids: Sequence[bytes], *, pieces: bool = True) -> list[Stored | None]:
        with self._shelf.lock:
            rows = self._shelf.views.rows
            keys = [(tenant, key) for key in ids[:AT_ONCE]]
            return [rows[key].stored(key, pieces=pieces) if key in rows else None for key in keys]

    def find_links(self, tenant: str, ids: Sequence[bytes], most: int) -> list[LinkRow] | None:
        with self._shelf.lock:
            linked, ends = self._links(), ("parents", "children")
            found = {link for key in ids for end in ends for link in linked.get((tenant, key, end), ())}
            return None if len(found) > most else sorted(found)

    def definitions(self, tenant: str, kind: str) -> list[Definition]:
        with self._shelf.lock:
            held = self._shelf.views.definitions.values()
            found = [entry for entry in held if (entry.tenant, entry.kind) == (tenant, kind)]
            return sorted(found, key=lambda entry: entry.name)

    def iter_states(self, tenant: str | None = None) -> Iterator[Stored]:
        with self._shelf.lock:
            rows = self._shelf.views.rows
            keys = sorted(key for key in rows if tenant is None or key[0] == tenant)
        for key in keys:
            with self._shelf.lock:
                stored = rows[key].stored(key, pieces=True)
            yield stored

    def iter_terms(self, tenant: str) -> Iterator[tuple[str, int, bytes]]:
        with self._shelf.lock:
            rows = self._shelf.views.rows.items()
            return iter(
                sorted((*term, key) for (owner, key), row in rows if owner == tenant for term in row.terms)
            )

    def term_totals(self, tenant: str) -> dict[str, int]:
        return dict(Counter(term for term, _, _ in self.iter_terms(tenant) if is_counted(term)))

    def iter_links(self) -> Iterator[LinkRow]:
        with self._shelf.lock:
            return iter(sorted(self._shelf.views.links))

    def set_aside(self) -> list[SetAside]:
        with self._shelf.lock:
            return list(self._shelf.views.set_aside)

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
        with self._shelf.lock:
            # Chosen before they are copied and sorted: a year of a busy shop has hundreds of thousands of cells.
            found = [
                (key, dict(cell))
                for key, cell in self._shelf.views.cells.items()
                if key.kind == kind
                and key.width == width
                and key.tenant == tenant
                and (since is None or key.start >= since)
                and (until is None or key.start < until)
                and (flow is None or key.group[0] == flow)
            ]
        found.sort(key=itemgetter(0))
        return found

    def iter_cells(self) -> Iterator[tuple[CellKey, Cell]]:
        with self._shelf.lock:
            return iter([(key, dict(cell)) for key, cell in sorted(self._shelf.views.cells.items())])

    # --- changes ---

    def revision(self) -> Revision:
        with self._shelf.lock:
            views = self._shelf.views
            return Revision(views.generation, views.epoch, views.revision)

    def visible(self) -> Position:
        with self._shelf.lock:
            return dict(self._shelf.views.position)

    def changed(self, tenant: str, after: int, limit: int) -> tuple[list[tuple[int, bytes]], bool] | None:
        with self._shelf.lock:
            entries = [
                (number, key)
                for number, owner, key in self._shelf.views.log
                if owner == tenant and number > after
            ]
        found: list[tuple[int, bytes]] = []
        for _, rows in groupby(entries, key=lambda entry: entry[0]):
            if len(found) >= limit:
                return found, True
            found.extend(rows)
        return found, False

    def epoch_end(self, epoch: int) -> int | None:
        with self._shelf.lock:
            return self._shelf.views.epoch_ends.get(epoch)


def _instant(header: Header, sort: str) -> int | None:
    return {"opened": header.opened_at, "updated": header.updated_at, "ended": header.ended_at}[sort]


def _candidates(views: Views, selection: Selection, pinned: int | None) -> list[Candidate]:
    """The tenant's rows in the selection's order, its condition aside."""
    after, found = selection.after, []
    for (tenant, key), row in views.rows.items():
        instant, opened = _instant(row.header, selection.sort), row.header.opened_at
        if tenant != selection.tenant or instant is None:
            continue
        if (selection.since is not None and opened < selection.since) or (
            selection.until is not None and opened >= selection.until
        ):
            continue
        if after is not None and (instant, key) >= (after.instant, after.id):
            continue
        if pinned is not None and selection.sort != "opened" and row.revision > pinned:
            continue
        found.append((instant, key, row))
    return sorted(found, key=lambda candidate: candidate[:2], reverse=True)


def _changed_since(views: Views, selection: Selection, pinned: int) -> int:
    return sum(
        (row.corrected if selection.sort == "opened" else row.revision) > pinned >= row.born
        for (tenant, _), row in views.rows.items()
        if tenant == selection.tenant
    )


def _matches(condition: Condition, id: bytes, row: Row, moment: Moment) -> bool:
    from flowtrail.projection.matching import matches

    return matches(condition, id, row.header, State.load(row.facts, row.pieces), moment)
