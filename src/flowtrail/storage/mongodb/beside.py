"""What stands beside a tenant's transactions and seldom changes: what flows declare, and records that were set aside.

A command costs some 0.2 ms whatever it reads, so that a transaction is read by one: its own document, and its tenant's
mark in the same collection, which says at which revision either changed last. Who holds what flows declared at that
revision need not ask; and a tenant of which nothing was set aside has no such records to look for.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from pymongo.client_session import ClientSession

from flowtrail.storage.interface import Definition, SetAside
from flowtrail.storage.mongodb.connection import Document, update
from flowtrail.storage.mongodb.names import Tenants
from flowtrail.storage.mongodb.rows import tenant_key, transaction_key
from flowtrail.storage.mongodb.schema import DEFINITIONS, SET_ASIDE, TRANSACTIONS, Views

KEPT: Final = 10_000
"""Declarations held in all, of some hundred bytes each."""
DECLARED: Final = "d"
ASIDE: Final = "a"

_decode_set_aside: Final = msgspec.msgpack.Decoder(tuple[int, int, int, bytes | None, str]).decode


def mark_key(tenant: int) -> bytes:
    """The `_id` of a tenant's mark. It is shorter than a transaction's, and MongoDB sorts binary values by length: no
    range of transactions holds it, nor does any index beside."""
    return tenant_key(tenant)


def mark(
    session: ClientSession,
    views: Views,
    tenants: Tenants,
    rows: Sequence[Definition] | Sequence[SetAside],
    column: str,
    revision: int,
) -> None:
    """Say that these are of this revision, inside the caller's transaction."""
    numbers = sorted({tenants.give(row.tenant) for row in rows})
    marks = [
        {"q": {"_id": mark_key(number)}, "u": {"$set": {column: revision}}, "upsert": True}
        for number in numbers
    ]
    update(session, views.database, views.name(TRANSACTIONS), marks)


class Read(NamedTuple):
    """Where to read, and of whom."""

    views: Views
    session: ClientSession | None
    number: int
    tenant: str


class Beside:
    """Reads it. Any thread."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants
        self._held: dict[int, tuple[str, int, list[Definition]]] = {}
        """By tenant: generation and revision, and what flows had declared then, or later."""

    def flows(self, read: Read, marked: Document) -> list[Definition]:
        """What flows of the tenant declared, no older than its mark."""
        revision = marked.get(DECLARED)
        if revision is None:
            return []
        held = self._held.get(read.number)
        if held is not None and held[:2] == (read.views.generation, revision):
            return list(held[2])
        found = read_definitions(read, "flow")
        if len(found) + sum(len(each) for _, _, each in list(self._held.values())) > KEPT:
            self._held.clear()
        self._held[read.number] = (read.views.generation, revision, found)
        return list(found)

    def set_aside(self, read: Read, marked: Document, id: bytes) -> list[SetAside]:
        """The records set aside that concerned one transaction, by where they stand, no older than the mark."""
        if ASIDE not in marked:
            return []
        rows = read.views[SET_ASIDE].find({"x": transaction_key(read.number, id)}, session=read.session)
        return sorted(self.entry(row["_id"]) for row in rows)

    def entry(self, key: bytes) -> SetAside:
        """The record set aside under a key."""
        number, page, leaf, transaction, reason = _decode_set_aside(key)
        return SetAside(self._tenants.name(number), page, leaf, transaction, reason)


def read_definitions(read: Read, kind: str) -> list[Definition]:
    """The winning registers of a kind, sorted by name."""
    rows = read.views[DEFINITIONS].find({"t": read.number, "kind": kind}, session=read.session)
    found = [
        Definition(read.tenant, kind, tuple(row["name"]), tuple(row["stamp"]), row["body"]) for row in rows
    ]
    return sorted(found, key=lambda entry: entry.name)
