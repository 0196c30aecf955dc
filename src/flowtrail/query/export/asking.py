"""Which transactions an export is of, and what is looked up around them."""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Final

from flowtrail.model.limits import MAX_PAGE_SIZE
from flowtrail.model.records import FlowRecord, decode_record
from flowtrail.projection.matching import matches
from flowtrail.query.definitions import Declared, declared_flow
from flowtrail.query.items import state_of
from flowtrail.query.moments import moment_of
from flowtrail.query.parameters import read_range
from flowtrail.query.parse import parse
from flowtrail.storage.interface import LinkRow, Selection, Store, Stored

REMEMBERED: Final = 4_096
"""Neighbours in the walk are linked to each other more often than to others."""
BUDGET_S: Final = 0.1


class Asked:
    """One question, at one moment. One thread at a time."""

    def __init__(self, store: Store, selection: Selection, *, whole: bool) -> None:
        self.store = store
        self.tenant = selection.tenant
        self.selection = selection
        self.whole = whole
        """Whether everything was asked for, without query and range."""
        self._declared: set[str] = set()
        self.has = lru_cache(REMEMBERED)(self._has)
        self.declaration = lru_cache(REMEMBERED)(self._declaration)

    def rows(self) -> Iterator[Stored | None]:
        """The transactions without their executions; None where nothing was found for a while."""
        selection = self.selection
        while True:
            selected = self.store.transactions.select(selection)
            yield from selected.rows
            if selected.next is None:
                return
            yield None
            selection = replace(selection, after=selected.next)

    def states(self) -> Iterator[Stored | None]:
        """The transactions whole, each as it is when its turn comes."""
        for row in self.rows():
            yield None if row is None else self.store.transactions.find(self.tenant, row.id)

    def _has(self, id: bytes) -> bool:
        """Whether a transaction is one of those asked for, as it is now."""
        stored = self.store.transactions.find(self.tenant, id)
        if stored is None:
            return False
        header, selection = stored.header, self.selection
        if selection.since is not None and header.opened_at < selection.since:
            return False
        if selection.until is not None and header.opened_at >= selection.until:
            return False
        return matches(selection.condition, id, header, state_of(stored), selection.moment)

    def links(self, id: bytes) -> list[LinkRow]:
        """The links from a transaction, and those to it whose other end does not tell them."""
        reader = self.store.transactions
        parents = [link for link in reader.parents(self.tenant, id) if not self.has(link.parent)]
        return reader.children(self.tenant, id) + parents

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
    """The question as it was put. Raises: Refusal (400)."""
    since, until = read_range(from_, to)
    condition = parse(q or "", now)
    moment = moment_of(store, tenant, condition, now)
    selection = Selection(tenant, moment, condition, since, until, limit=MAX_PAGE_SIZE, budget_s=BUDGET_S)
    return Asked(store, selection, whole=not (q or "").strip() and since is None and until is None)
