"""Which transactions an export is of, and what is looked up around them."""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Final, NamedTuple

from flowtrail.model.conditions import Moment
from flowtrail.model.limits import MAX_PAGE_SIZE
from flowtrail.model.records import FlowRecord, decode_record
from flowtrail.projection.matching import matches, needs_state
from flowtrail.query.definitions import Declared, declared_flow
from flowtrail.query.items import state_of
from flowtrail.query.moments import moment_of
from flowtrail.query.parameters import read_range
from flowtrail.query.parse import parse
from flowtrail.storage.interface import LinkRow, Selection, Store, Stored

REMEMBERED: Final = 4_096
"""Neighbours in the walk are linked to each other more often than to others."""
BUDGET_S: Final = 0.1
TOGETHER: Final = 256
"""Transactions that are asked for at once; a store gives fewer where they are long."""
MOST_LINKS: Final = 10_000
"""Links that are held at once, where one transaction has not more."""


class Linked(NamedTuple):
    """A transaction with the links to be told of it: those from it, and those to it whose other end does not tell
    them."""

    stored: Stored
    links: list[LinkRow]


class Asked:
    """One question, at one moment. One thread at a time."""

    def __init__(self, store: Store, selection: Selection, *, whole: bool) -> None:
        self.store = store
        self.tenant = selection.tenant
        self.selection = selection
        self.whole = whole
        """Whether everything was asked for, without query and range."""
        self._declared: set[str] = set()
        self._asked_for: dict[bytes, bool] = {}
        self.declaration = lru_cache(REMEMBERED)(self._declaration)

    def pages(self) -> Iterator[list[Stored]]:
        """The transactions without their executions, page by page; an empty one where nothing was found for a while."""
        selection = self.selection
        # What is normal at this moment is read with the rest: whoever asks may be the event loop, and may still have
        # to wait for what was written.
        moment = moment_of(self.store, self.tenant, selection.condition, selection.moment.now)
        selection = self.selection = replace(selection, moment=moment)
        while True:
            selected = self.store.transactions.select(selection)
            yield selected.rows
            if selected.next is None:
                return
            selection = replace(selection, after=selected.next)

    def states(self) -> Iterator[Stored | None]:
        """The transactions whole, some at a time as they are then; None where nothing was found for a while."""
        for together in self._together():
            yield from together
            yield None

    def linked(self, *, both_ends: bool = False) -> Iterator[Linked | None]:
        """The same with their links. With `both_ends`, `has` can be asked about every end of the links just given, until
        the next ones are; else about the ends of those that lead to it."""
        for together in self._together():
            whole = {stored.id: stored for stored in together}
            # Who was just read need not be read again to know whether the others' links lead to them.
            self._asked_for.update((key, self._is_asked_for(stored)) for key, stored in whole.items())
            for key, links in self.links(list(whole), both_ends=both_ends):
                yield Linked(whole[key], links)
            yield None

    def _together(self) -> Iterator[list[Stored]]:
        size = TOGETHER
        for page in self.pages():
            ids = [row.id for row in page]
            while ids:
                found = self.store.transactions.find_many(self.tenant, ids[:size])
                yield [stored for stored in found if stored is not None]
                # What a store leaves out it may have read in vain.
                size = len(found) if len(found) < len(ids[:size]) else min(2 * size, TOGETHER)
                del ids[: len(found)]
            yield []

    def links(self, ids: list[bytes], *, both_ends: bool = False) -> Iterator[tuple[bytes, list[LinkRow]]]:
        """Of each of these transactions the links to be told of it."""
        reader = self.store.transactions
        rows = reader.find_links(self.tenant, ids, MOST_LINKS)
        if rows is None and len(ids) > 1:
            half = len(ids) // 2
            yield from self.links(ids[:half], both_ends=both_ends)
            yield from self.links(ids[half:], both_ends=both_ends)
            return
        if rows is None:
            rows = sorted({*reader.children(self.tenant, ids[0]), *reader.parents(self.tenant, ids[0])})
        children: dict[bytes, list[LinkRow]] = {key: [] for key in ids}
        parents: dict[bytes, list[LinkRow]] = {key: [] for key in ids}
        for row in rows:
            if row.parent in children:
                children[row.parent].append(row)
            if row.child in parents:
                parents[row.child].append(row)
        ends = {row.parent for row in rows if row.child in parents}
        self._learn(ends | {row.child for row in rows} if both_ends else ends)
        for key in ids:
            yield key, children[key] + [row for row in parents[key] if not self.has(row.parent)]

    def has(self, id: bytes) -> bool:
        """Whether a transaction that a link leads to is one of those asked for, as it was when the link was read."""
        return self._asked_for[id]

    def _learn(self, ids: set[bytes]) -> None:
        """Find out what `has` is to answer about these."""
        if len(self._asked_for) > REMEMBERED:
            self._asked_for = {key: self._asked_for[key] for key in ids if key in self._asked_for}
        unknown = sorted(ids.difference(self._asked_for))
        pieces = needs_state(self.selection.condition)
        while unknown:
            found = self.store.transactions.find_many(self.tenant, unknown[:TOGETHER], pieces=pieces)
            for key, stored in zip(unknown, found, strict=False):
                self._asked_for[key] = stored is not None and self._is_asked_for(stored)
            del unknown[: len(found)]

    def _is_asked_for(self, stored: Stored) -> bool:
        header, selection = stored.header, self.selection
        if selection.since is not None and header.opened_at < selection.since:
            return False
        if selection.until is not None and header.opened_at >= selection.until:
            return False
        if self.whole:
            return True
        state = state_of(stored) if needs_state(selection.condition) else None
        return matches(selection.condition, stored.id, header, state, selection.moment)

    def _declaration(self, flow: str, version: str | None) -> Declared | None:
        return declared_flow(self.store, self.tenant, flow, version)

    def declarations(self, flow: str | None = None) -> list[FlowRecord]:
        """What flows declare of themselves, each told once; of all flows when none is named."""
        if flow is not None and flow in self._declared:
            return []
        found = []
        for definition in self.store.transactions.definitions(self.tenant, "flow"):
            name = definition.name[0]
            if name in self._declared or (flow is not None and name != flow):
                continue
            record = decode_record(definition.body)
            if isinstance(record, FlowRecord):
                found.append(record)
        self._declared.update(record.flow for record in found)
        if flow is not None:
            self._declared.add(flow)
        return found


def ask(store: Store, tenant: str, q: str | None, from_: str | None, to: str | None, now: int) -> Asked:
    """The question as it was put; nothing is read for it. Raises: Refusal (400)."""
    since, until = read_range(from_, to)
    condition = parse(q or "", now)
    selection = Selection(
        tenant, Moment(now), condition, since, until, limit=MAX_PAGE_SIZE, budget_s=BUDGET_S
    )
    return Asked(store, selection, whole=not (q or "").strip() and since is None and until is None)
