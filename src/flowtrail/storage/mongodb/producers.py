"""Producer sessions as documents: one a session, one for each of its chunks that is not whole, one total a tenant.

`_id` of a session is its tenant's number in hex and its name, of a tenant's total the number alone; of a chunk, the
session's, a zero character (which no name has) and the chunk's number in hex. They are text, since MongoDB orders bytes
of different lengths by their length. `b` is the body; `x` is there when something is known to be lost.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from pymongo import ASCENDING
from pymongo.client_session import ClientSession

from flowtrail.projection.cells import Cell, add_into, decode_cell, encode_cell
from flowtrail.projection.producers import (
    Heard,
    Session,
    decode_session,
    encode_session,
    join,
    moved,
    touched,
)
from flowtrail.storage.mongodb.connection import Client, Document, delete, update
from flowtrail.storage.mongodb.names import Tenants
from flowtrail.storage.mongodb.schema import PRODUCER_CHUNKS, PRODUCERS, Names, Views
from flowtrail.storage.mongodb.snapshots import Snapshot, Snapshots
from flowtrail.storage.producers import StoredSession

_AT_ONCE: Final = 500
_TENANT_CHARS: Final = 8
_CHUNK_CHARS: Final = 16
_EVERY: Final = 1 << 62
"""More chunks than any session has."""


def session_key(tenant: int, producer: str) -> str:
    """The `_id` of a session; without a producer, of the tenant's total, which comes before them."""
    return f"{tenant:0{_TENANT_CHARS}x}{producer}"


def chunk_key(session: str, chunk: int) -> str:
    """The `_id` of a chunk: those of a session are a range."""
    return f"{session}\0{chunk:0{_CHUNK_CHARS}x}"


def hear(session: ClientSession, views: Views, tenants: Tenants, all_heard: Sequence[Heard]) -> None:
    """Join what a batch heard, inside the caller's transaction."""
    by_tenant: dict[int, list[Heard]] = {}
    for heard in all_heard:
        by_tenant.setdefault(tenants.give(heard.tenant), []).append(heard)
    for tenant, own in by_tenant.items():
        _hear(session, views, tenant, own)


def _hear(session: ClientSession, views: Views, tenant: int, all_heard: Sequence[Heard]) -> None:
    keys, total_key = [session_key(tenant, heard.producer) for heard in all_heard], session_key(tenant, "")
    held = _bodies(session, views, PRODUCERS, [*keys, total_key])
    wanted = [
        chunk_key(key, chunk)
        for key, heard in zip(keys, all_heard, strict=True)
        if key in held
        for chunk in touched(heard)
    ]
    chunks = _bodies(session, views, PRODUCER_CHUNKS, wanted)
    rows: list[Document] = []
    changed: list[Document] = []
    gone: list[str] = []
    total: Cell = {}
    for key, heard in zip(keys, all_heard, strict=True):
        before = decode_session(held[key]) if key in held else None
        own = {chunk: chunks[place] for chunk in touched(heard) if (place := chunk_key(key, chunk)) in chunks}
        after, bodies = join(before, own, heard)
        add_into(total, moved(before, after))
        if after != before:
            rows.append(_statement(key, {"b": encode_session(after), **({"x": 1} if after.troubled else {})}))
        for chunk, body in bodies.items():
            place = chunk_key(key, chunk)
            if body is None:
                gone.append(place)
            else:
                changed.append(_statement(place, {"b": body}))
    if total:
        add_into(total, decode_cell(held[total_key]) if total_key in held else {})
        rows.append(_statement(total_key, {"b": encode_cell(total)}))
    update(session, views.database, views.name(PRODUCERS), rows)
    update(session, views.database, views.name(PRODUCER_CHUNKS), changed)
    delete(session, views.database, views.name(PRODUCER_CHUNKS), gone)


def _statement(key: str, fields: Document) -> Document:
    return {"q": {"_id": key}, "u": {"_id": key, **fields}, "upsert": True}


def _bodies(session: ClientSession, views: Views, kind: str, keys: Sequence[str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for first in range(0, len(keys), _AT_ONCE):
        some = list(keys[first : first + _AT_ONCE])
        for row in views[kind].find({"_id": {"$in": some}}, session=session):
            found[row["_id"]] = row["b"]
    return found


class MongoProducers:
    """Reads sessions. Any thread."""

    def __init__(self, client: Client, database: Names, tenants: Tenants) -> None:
        self._tenants = tenants
        self._snapshot = Snapshots(client, database).snapshot

    def session(self, tenant: str, producer: str, first_chunk: int, most_chunks: int) -> StoredSession | None:
        with self._snapshot("reading a producer session") as at:
            number = self._tenants.find(tenant)
            if number is None:
                return None
            row = at.views[PRODUCERS].find_one({"_id": session_key(number, producer)}, session=at.session)
            return None if row is None else _stored(at, tenant, row, first_chunk, most_chunks)

    def sessions(
        self,
        tenant: str,
        name: str | None,
        after: str | None,
        limit: int,
        *,
        troubled: bool = False,
        most_chunks: int = 0,
    ) -> list[StoredSession]:
        with self._snapshot("reading producer sessions") as at:
            number = self._tenants.find(tenant)
            if number is None:
                return []
            low, high = session_key(number, after or ""), session_key(number + 1, "")
            if name is not None:
                # What begins with `name/` lies before `name0`: a zero is what follows a slash.
                low, high = max(low, session_key(number, f"{name}/")), session_key(number, f"{name}0")
            wanted: Document = {"_id": {"$gt": low, "$lt": high}}
            if troubled:
                wanted["x"] = 1
            found = at.views[PRODUCERS].find(wanted, session=at.session).sort("_id", ASCENDING).limit(limit)
            return [_stored(at, tenant, row, 0, most_chunks) for row in found]

    def totals(self, tenant: str) -> Cell:
        with self._snapshot("reading producers' totals") as at:
            number = self._tenants.find(tenant)
            if number is None:
                return {}
            row = at.views[PRODUCERS].find_one({"_id": session_key(number, "")}, session=at.session)
            return {} if row is None else decode_cell(row["b"])

    def iter_sessions(self) -> Iterator[StoredSession]:
        with self._snapshot("reading producer sessions") as at:
            self._tenants.all()
            for row in at.views[PRODUCERS].find({}, session=at.session):
                if len(row["_id"]) > _TENANT_CHARS:
                    tenant = self._tenants.name(int(row["_id"][:_TENANT_CHARS], 16))
                    yield _stored(at, tenant, row, 0, _EVERY)


def _stored(
    at: Snapshot, tenant: str, row: dict[str, Any], first_chunk: int, most_chunks: int
) -> StoredSession:
    key: str = row["_id"]
    session: Session = decode_session(row["b"])
    chunks: list[tuple[int, bytes]] = []
    if most_chunks:
        bounds = {"$gte": chunk_key(key, first_chunk), "$lt": f"{key}\1"}
        found = at.views[PRODUCER_CHUNKS].find({"_id": bounds}, session=at.session).sort("_id", ASCENDING)
        if most_chunks < _EVERY:
            found = found.limit(most_chunks + 1)
        chunks = [(int(each["_id"][-_CHUNK_CHARS:], 16), each["b"]) for each in found]
    return StoredSession(
        tenant, key[_TENANT_CHARS:], session, chunks[:most_chunks], 0 < most_chunks < len(chunks)
    )
