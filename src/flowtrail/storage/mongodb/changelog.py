"""Which transactions each revision changed: what the live feed follows, and how lists know what left them."""

from collections.abc import Sequence
from typing import Final

from pymongo.client_session import ClientSession

from flowtrail.storage.interface import Change
from flowtrail.storage.mongodb.connection import Document, insert
from flowtrail.storage.mongodb.names import TENANT_BYTES, Tenants
from flowtrail.storage.mongodb.rows import ID_BYTES
from flowtrail.storage.mongodb.schema import CHANGES, Views

KEPT_REVISIONS: Final = 200_000
KEPT_IDS: Final = 500_000
"""8 MB; a reader further behind than this starts over."""
PRUNE_EVERY: Final = 64
_REVISION_BYTES: Final = 8
_ROWS: Final = 256


def row_key(revision: int, tenant: int) -> bytes:
    """The `_id` of a row of the log: in order of revisions."""
    return revision.to_bytes(_REVISION_BYTES, "big") + tenant.to_bytes(TENANT_BYTES, "big")


def _revision_of(key: bytes) -> int:
    return int.from_bytes(key[:_REVISION_BYTES], "big")


class ChangeLog:
    """Appends to the log and prunes it. Forget it after a write that may have failed."""

    def __init__(self, views: Views) -> None:
        self._views = views
        last = views[CHANGES].find_one(sort=[("_id", -1)])
        self._total: int = 0 if last is None else last["n"]

    def add(self, session: ClientSession, tenants: Tenants, changes: Sequence[Change], revision: int) -> None:
        """Log the changes of one revision inside the caller's transaction."""
        by_tenant: dict[str, tuple[list[bytes], list[bytes], list[bytes]]] = {}
        for change in changes:
            rows = by_tenant.setdefault(change.tenant, ([], [], []))
            if change.before is None:
                rows[1].append(change.id)
                continue
            rows[0].append(change.id)
            if change.before.opened_at != change.after.opened_at:
                rows[2].append(change.id)
        documents: list[Document] = []
        for tenant, (old, new, moved) in sorted(by_tenant.items(), key=lambda entry: tenants.give(entry[0])):
            self._total += len(old) + len(new)
            number = tenants.give(tenant)
            documents.append(
                {
                    "_id": row_key(revision, number),
                    "t": number,
                    "n": self._total,
                    "old": b"".join(old),
                    "new": b"".join(new),
                    "moved": b"".join(moved),
                }
            )
        insert(session, self._views.database, self._views.name(CHANGES), documents)

    def outlived(self, session: ClientSession, revision: int) -> int | None:
        """The last revision that need not be kept any longer; None when it is not the time to look."""
        if revision % PRUNE_EVERY:
            return None
        gone = None
        oldest = self._views[CHANGES].find_one({}, {"n": 1}, session=session, sort=[("_id", 1)])
        if oldest is None:
            return gone
        # So many revisions, whatever number of tenants has a row of each.
        until = row_key(_revision_of(oldest["_id"]) + 4 * PRUNE_EVERY, 0)
        rows = self._views[CHANGES].find({"_id": {"$lt": until}}, {"n": 1}, session=session).sort("_id")
        for row in rows:
            number = _revision_of(row["_id"])
            if number > revision - KEPT_REVISIONS and row["n"] > self._total - KEPT_IDS:
                break
            gone = number
        return gone

    def prune(self, session: ClientSession, gone: int) -> None:
        """Remove the rows up to a revision inside the caller's transaction."""
        self._views[CHANGES].delete_many({"_id": {"$lt": row_key(gone + 1, 0)}}, session=session)


def split_ids(packed: bytes) -> list[bytes]:
    """The ids of one column of the log."""
    return [packed[at : at + ID_BYTES] for at in range(0, len(packed), ID_BYTES)]


def read_changed(
    views: Views, session: ClientSession, tenant: int, after: int, limit: int
) -> tuple[list[tuple[int, bytes]], bool]:
    """(revision, id) of the tenant's changes after a revision, whole revisions only, and whether there are more."""
    found: list[tuple[int, bytes]] = []
    rows = views[CHANGES].find({"_id": {"$gte": row_key(after + 1, 0)}, "t": tenant}, session=session)
    for row in rows.sort("_id").batch_size(_ROWS):
        if len(found) >= limit:
            return found, True
        revision = _revision_of(row["_id"])
        found.extend((revision, key) for key in split_ids(row["old"]))
        found.extend((revision, key) for key in split_ids(row["new"]))
    return found, False


def count_changed(views: Views, session: ClientSession, tenant: int, after: int, *, moved: bool) -> int:
    """How many transactions of before a revision changed after it (`moved`: had their opened instant corrected);
    a lower bound where the log no longer reaches."""
    changed: set[bytes] = set()
    made: set[bytes] = set()
    rows = views[CHANGES].find({"_id": {"$gte": row_key(after + 1, 0)}, "t": tenant}, session=session)
    for row in rows:
        changed.update(split_ids(row["moved" if moved else "old"]))
        made.update(split_ids(row["new"]))
    return len(changed - made)
