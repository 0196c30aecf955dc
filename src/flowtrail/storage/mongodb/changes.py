"""Changes of transactions as documents: new ones whole, open ones by the fields that change.

What changes with every record (header, updated, an entry more) is in no index, which makes such an update a third
as dear; the order of updates is kept beside, as documents that are nothing but their `_id`.
Entries that fill a document move to documents of their own, and those are merged now and then, so that what an
arrival costs does not grow with its transaction.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from pymongo.client_session import ClientSession

from flowtrail.model.limits import MAX_PIECE_BYTES
from flowtrail.projection.header import Header
from flowtrail.projection.state import merge_pieces
from flowtrail.projection.terms import COUNTED_KINDS
from flowtrail.storage.interface import Change
from flowtrail.storage.mongodb.connection import Document, delete, insert, update
from flowtrail.storage.mongodb.names import CohortNumbers, Tenants
from flowtrail.storage.mongodb.rows import (
    STEP_BITS,
    Bodies,
    deadline_mark,
    encode_header,
    found_by_all,
    found_by_cohort,
    found_by_deadline,
    found_by_term,
    pack_pages,
    split_piece,
    tenant_key,
    unpack_pages,
    updated_key,
)
from flowtrail.storage.mongodb.schema import COHORTS, PIECES, TERM_TOTALS, TRANSACTIONS, UPDATED, Views

SPILL_BYTES: Final = 8_192
"""Entries inside a document, at most: every update writes the document anew, and every list reads past them."""
MERGE_PIECES: Final = 16
"""So many of one level become one of the next: what comes one by one is rewritten once a level."""
UNMERGED: Final = 15
"""The level of pieces that would exceed the largest piece if they were merged."""
_PIECE_NUMBER_BYTES: Final = 4


class Locator(NamedTuple):
    """What an update needs to know of a stored transaction, so that it reads nothing first."""

    terms: tuple[str, ...]
    size: int
    """Of the entries inside the document, in bytes."""
    moved: tuple[int, ...]
    """How many pieces of each level stand in documents of their own."""
    next_piece: int


def piece_key(key: bytes, level: int, number: int) -> bytes:
    """The `_id` of a piece in a document of its own."""
    return key + level.to_bytes(1, "big") + number.to_bytes(_PIECE_NUMBER_BYTES, "big")


def pieces_of(key: bytes) -> Document:
    """A query for the pieces of a transaction that stand in documents of their own."""
    return {
        "$gte": key + b"\0" * (_PIECE_NUMBER_BYTES + 1),
        "$lte": key + b"\xff" * (_PIECE_NUMBER_BYTES + 1),
    }


class Place(NamedTuple):
    """What a tenant's transactions of one cohort share."""

    tenant: int
    front: bytes
    """Of their keys."""
    cohort: int
    found: tuple[str, str]
    """What they are found by, beside their terms."""
    term: str
    """What stands before their terms."""


class ChangeWriter:
    """Writes the changes of batches. Forget it after a write that may have failed."""

    def __init__(self, views: Views, tenants: Tenants, bodies: Bodies) -> None:
        self._views = views
        self._tenants = tenants
        self._bodies = bodies
        self._cohorts = CohortNumbers(views)
        self._places: dict[tuple[str, str, str, str, bool], Place] = {}
        self._packed_pages: dict[tuple[int, ...], bytes] = {}

    def prepare(self, changes: Sequence[Change]) -> None:
        """Number new cohorts before the transaction begins: what is inserted beside it, it would not see."""
        for change in changes:
            self._place(change.tenant, change.after)

    def _place(self, tenant: str, header: Header) -> Place:
        flow, object_type, status, failures = (
            header.flow,
            header.object_type,
            header.status,
            header.has_failures,
        )
        key = (tenant, flow, object_type, status, failures)
        place = self._places.get(key)
        if place is None:
            number = self._tenants.give(tenant)
            cohort = self._cohorts.give(number, key[1:])
            found = (found_by_all(number), found_by_cohort(number, cohort))
            place = Place(number, tenant_key(number), cohort, found, found_by_term(number, ""))
            self._places[key] = place
        return place

    def write(self, session: ClientSession, changes: Sequence[Change], revision: int) -> list[Locator]:
        """Write changes inside the caller's transaction; a locator for each."""
        self._packed_pages.clear()
        batch = _Writes()
        locators = [
            self._new(change, revision, batch)
            if change.before is None
            else self._next(session, change, change.before, revision, batch)
            for change in changes
        ]
        database, name = self._views.database, self._views.name
        insert(session, database, name(PIECES), batch.pieces, [len(each["p"]) for each in batch.pieces])
        insert(session, database, name(TRANSACTIONS), batch.inserts, batch.insert_sizes)
        update(session, database, name(TRANSACTIONS), batch.updates, batch.update_sizes)
        delete(session, database, name(UPDATED), batch.not_updated)
        insert(session, database, name(UPDATED), batch.updated)
        totals = [
            {"q": {"_id": number}, "u": {"$inc": {"total": amount}}}
            for number, amount in batch.totals.items()
            if amount
        ]
        update(session, database, name(COHORTS), totals)
        counted = [
            {"q": {"_id": found}, "u": {"$inc": {"n": amount}}, "upsert": True}
            for found, amount in batch.counted.items()
            if amount
        ]
        update(session, database, name(TERM_TOTALS), counted)
        return locators

    def _new(self, change: Change, revision: int, batch: "_Writes") -> Locator:
        header = change.after
        place = self._place(change.tenant, header)
        batch.totals[place.cohort] = batch.totals.get(place.cohort, 0) + 1
        key = place.front + change.id
        entries, moved, number = self._entries(change, key, (), 0, batch)
        facts = self._bodies.pack(change.facts or b"")
        terms = change.terms_new
        document: Document = {
            "_id": key,
            "t": place.tenant,
            "k": _found_by(place, header, terms),
            "o": header.opened_at,
            "u": header.updated_at,
            "r": revision,
            "h": encode_header(header),
            "f": facts,
            "p": entries,
        }
        if header.ended_at is not None:
            document["e"] = header.ended_at
        if header.deadline_at is not None:
            document["d"] = header.deadline_at
        if moved:
            document["s"], document["n"] = list(moved), number
        size = len(entries[0]) if entries else 0
        batch.count_terms(place.term, terms, 1)
        batch.inserts.append(document)
        batch.insert_sizes.append(size + len(facts) + 512)
        batch.updated.append({"_id": updated_key(key, header.updated_at)})
        return Locator(tuple(terms), size, moved, number)

    def _next(
        self, session: ClientSession, change: Change, before: Header, revision: int, batch: "_Writes"
    ) -> Locator:
        held: Locator = change.locator
        after = change.after
        place = self._place(change.tenant, after)
        key = place.front + change.id
        fields: Document = {"r": revision, "h": encode_header(after)}
        unset: Document = {}
        terms = held.terms
        if change.terms_gone or change.terms_new:
            terms = tuple(sorted(set(terms).difference(change.terms_gone).union(change.terms_new)))
            batch.count_terms(place.term, change.terms_gone, -1)
            batch.count_terms(place.term, change.terms_new, 1)
        old = self._place(change.tenant, before)
        if old.cohort != place.cohort:
            batch.totals[old.cohort] = batch.totals.get(old.cohort, 0) - 1
            batch.totals[place.cohort] = batch.totals.get(place.cohort, 0) + 1
        if old.cohort != place.cohort or terms != held.terms or deadline_mark(before) != deadline_mark(after):
            fields["k"] = _found_by(place, after, terms)
        if after.updated_at != before.updated_at:
            fields["u"] = after.updated_at
            if after.updated_at >> STEP_BITS != before.updated_at >> STEP_BITS:
                batch.not_updated.append(updated_key(key, before.updated_at))
                batch.updated.append({"_id": updated_key(key, after.updated_at)})
        _set_rare_columns(before, after, fields, unset)
        if change.facts is not None:
            fields["f"] = self._bodies.pack(change.facts)
        operation: Document = {"$set": fields}
        entries, moved, number = self._entries(change, key, held.moved, held.next_piece, batch)
        size = held.size + (len(entries[0]) if entries else 0)
        if size > SPILL_BYTES:
            moved, number = self._spill(session, key, entries, moved, number, batch)
            fields["p"], size = [], 0
        elif entries:
            operation["$push"] = {"p": entries[0]}
        if moved != held.moved:
            fields["s"], fields["n"] = list(moved), number
        if unset:
            operation["$unset"] = unset
        batch.updates.append({"q": {"_id": key}, "u": operation})
        batch.update_sizes.append(sum(map(len, entries)) + len(fields.get("f", b"")) + 512)
        return Locator(terms, size, moved, number)

    # --- entries and pieces ---

    def _entries(
        self, change: Change, key: bytes, moved: tuple[int, ...], number: int, batch: "_Writes"
    ) -> tuple[list[bytes], tuple[int, ...], int]:
        """The entry that goes into the document, at most one; what is larger than one document goes beside it."""
        if change.piece is None and not change.pages:
            return [], moved, number
        pages = self._pages(change.pages)
        if change.piece is None or len(change.piece) <= MAX_PIECE_BYTES // 2:
            return [self._bodies.entry(change.piece, pages)], moved, number
        for part in split_piece(change.piece):
            moved, number = self._put_piece(key, part, pages, UNMERGED, moved, number, batch)
        return [], moved, number

    def _put_piece(
        self,
        key: bytes,
        piece: bytes,
        pages: bytes,
        level: int,
        moved: tuple[int, ...],
        number: int,
        batch: "_Writes",
    ) -> tuple[tuple[int, ...], int]:
        batch.pieces.append({"_id": piece_key(key, level, number), "p": self._bodies.entry(piece, pages)})
        counts = [*moved, *[0] * (level + 1 - len(moved))]
        counts[level] += 1
        return tuple(counts), number + 1

    def _spill(
        self,
        session: ClientSession,
        key: bytes,
        entries: list[bytes],
        moved: tuple[int, ...],
        number: int,
        batch: "_Writes",
    ) -> tuple[tuple[int, ...], int]:
        """Move what the document holds, and what it was to get, to a piece; merge every level that is full."""
        held = self._views[TRANSACTIONS].find_one({"_id": key}, {"p": 1}, session=session) or {"p": []}
        piece, pages = self._joined([*held["p"], *entries])
        moved, number = self._put_piece(key, piece, pages, 0, moved, number, batch)
        level = 0
        while level < UNMERGED and len(moved) > level and moved[level] >= MERGE_PIECES:
            insert(
                session,
                self._views.database,
                self._views.name(PIECES),
                batch.pieces,
                [len(each["p"]) for each in batch.pieces],
            )
            batch.pieces.clear()
            first, last = piece_key(key, level, 0), piece_key(key, level + 1, 0)
            full = list(self._views[PIECES].find({"_id": {"$gte": first, "$lt": last}}, session=session))
            piece, pages = self._joined([each["p"] for each in full])
            above = level + 1
            if len(piece) > MAX_PIECE_BYTES:
                above = UNMERGED
            delete(session, self._views.database, self._views.name(PIECES), [each["_id"] for each in full])
            counts = list(moved)
            counts[level] = 0
            moved = tuple(counts)
            for part in split_piece(piece):
                moved, number = self._put_piece(key, part, pages, above, moved, number, batch)
            level += 1
        return moved, number

    def _joined(self, entries: Sequence[bytes]) -> tuple[bytes, bytes]:
        opened = [self._bodies.open_entry(entry) for entry in entries]
        pages = pack_pages(page for _, packed in opened for page in unpack_pages(packed))
        return merge_pieces([piece for piece, _ in opened if piece]), pages

    def _pages(self, pages: Sequence[int]) -> bytes:
        """Packed; the records of many transactions stand in the same pages."""
        key = tuple(pages)
        packed = self._packed_pages.get(key)
        if packed is None:
            packed = self._packed_pages[key] = pack_pages(pages)
        return packed


class _Writes:
    """What one batch writes, collected by command."""

    __slots__ = (
        "counted",
        "insert_sizes",
        "inserts",
        "not_updated",
        "pieces",
        "totals",
        "update_sizes",
        "updated",
        "updates",
    )

    def __init__(self) -> None:
        self.inserts: list[Document] = []
        self.insert_sizes: list[int] = []
        self.updates: list[Document] = []
        self.update_sizes: list[int] = []
        self.updated: list[Document] = []
        self.not_updated: list[bytes] = []
        self.pieces: list[Document] = []
        self.totals: dict[int, int] = {}
        self.counted: dict[str, int] = {}

    def count_terms(self, front: str, terms: Sequence[str], amount: int) -> None:
        """So many transactions more have these terms."""
        counted = self.counted
        for term in terms:
            if term[0] in COUNTED_KINDS:
                counted[front + term] = counted.get(front + term, 0) + amount


def _found_by(place: Place, header: Header, terms: Sequence[str]) -> list[str]:
    front = place.term
    found = [*place.found, *[front + term for term in terms]]
    mark = deadline_mark(header)
    if mark is not None:
        found.append(found_by_deadline(place.tenant, late=mark))
    return found


def _set_rare_columns(before: Header, after: Header, fields: dict[str, Any], unset: dict[str, Any]) -> None:
    """The columns that seldom differ; `e` and `o` are indexed, so they stay out unless they do."""
    if before.opened_at != after.opened_at:
        fields["o"] = after.opened_at
    for name, old, new in (
        ("e", before.ended_at, after.ended_at),
        ("d", before.deadline_at, after.deadline_at),
    ):
        if old == new:
            continue
        if new is None:
            unset[name] = ""
        else:
            fields[name] = new
