"""Which transactions each revision changed: what the live feed follows, and how lists know what left them."""

import sqlite3
from collections.abc import Sequence
from typing import Final

from flowtrail.storage.interface import Change
from flowtrail.storage.sqlite.names import Names

ID_BYTES: Final = 16
KEPT_REVISIONS: Final = 200_000
KEPT_IDS: Final = 500_000
"""8 MB; a reader further behind than this starts over."""
PRUNE_EVERY: Final = 64


class ChangeLog:
    """Appends to the log and prunes it. Forget it after a write that may have failed."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        row = connection.execute(
            "SELECT max(total) FROM (SELECT total FROM change ORDER BY revision DESC LIMIT 64)"
        )
        self._total: int = row.fetchone()[0] or 0

    def add(self, names: Names, changes: Sequence[Change], revision: int) -> None:
        """Log the changes of one revision inside the caller's transaction."""
        by_tenant: dict[str, tuple[list[bytes], list[bytes]]] = {}
        for change in changes:
            old_new = by_tenant.get(change.tenant)
            if old_new is None:
                old_new = by_tenant[change.tenant] = ([], [])
            old_new[change.before is None].append(change.id)
        for tenant, (old, new) in by_tenant.items():
            self._total += len(old) + len(new)
            self._connection.execute(
                "INSERT INTO change VALUES (?, ?, ?, ?, ?)",
                (
                    revision,
                    names.give_tenant(self._connection, tenant),
                    self._total,
                    b"".join(old),
                    b"".join(new),
                ),
            )
        if revision % PRUNE_EVERY == 0:
            self._prune(revision)

    def _prune(self, revision: int) -> None:
        oldest = self._connection.execute(
            "SELECT revision, total FROM change WHERE revision < (SELECT min(revision) FROM change) + ?"
            " ORDER BY revision, tenant",
            (4 * PRUNE_EVERY,),
        ).fetchall()
        bound = revision - KEPT_REVISIONS
        gone = [number for number, total in oldest if number <= bound or total <= self._total - KEPT_IDS]
        if gone:
            self._connection.execute("DELETE FROM change WHERE revision <= ?", (gone[-1],))
            self._connection.execute("UPDATE present SET log_from = ?", (gone[-1],))


def split_ids(packed: bytes) -> list[bytes]:
    """The ids of one column of the log."""
    return [packed[at : at + ID_BYTES] for at in range(0, len(packed), ID_BYTES)]


def read_changed(
    connection: sqlite3.Connection, tenant: int | None, after: int, limit: int
) -> tuple[list[tuple[int, bytes]], bool] | None:
    """(revision, id) of the tenant's changes after a revision, whole revisions only, and whether there are more."""
    if after < connection.execute("SELECT log_from FROM present").fetchone()[0]:
        return None
    found: list[tuple[int, bytes]] = []
    rows = connection.execute(
        "SELECT revision, old, new FROM change WHERE revision > ? AND tenant = ? ORDER BY revision",
        (after, tenant),
    )
    for revision, old, new in rows:
        if len(found) >= limit:
            return found, True
        found.extend((revision, id_) for id_ in split_ids(old))
        found.extend((revision, id_) for id_ in split_ids(new))
    return found, False


def count_changed(connection: sqlite3.Connection, tenant: int, after: int) -> int:
    """How many transactions of before a revision changed after it; a lower bound where the log no longer reaches."""
    changed: set[bytes] = set()
    made: set[bytes] = set()
    rows = connection.execute(
        "SELECT old, new FROM change WHERE revision > ? AND tenant = ?", (after, tenant)
    )
    for old, new in rows:
        changed.update(split_ids(old))
        made.update(split_ids(new))
    return len(changed - made)
