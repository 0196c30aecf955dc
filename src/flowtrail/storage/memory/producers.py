"""Reading producer sessions in memory."""

from collections.abc import Iterator

from flowtrail.projection.cells import Cell
from flowtrail.projection.producers import decode_session
from flowtrail.storage.memory.sessions import Kept
from flowtrail.storage.memory.views import Shelf
from flowtrail.storage.producers import StoredSession


class MemoryProducers:
    """Reads sessions under the shelf's lock."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def session(self, tenant: str, producer: str, first_chunk: int, most_chunks: int) -> StoredSession | None:
        with self._shelf.lock:
            kept = self._shelf.views.sessions.kept.get((tenant, producer))
            return None if kept is None else _stored(tenant, producer, kept, first_chunk, most_chunks)

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
        with self._shelf.lock:
            found = []
            kept = self._shelf.views.sessions.kept
            for owner, producer in sorted(kept):
                if owner != tenant or (after is not None and producer <= after):
                    continue
                if name is not None and not producer.startswith(f"{name}/"):
                    continue
                stored = _stored(tenant, producer, kept[owner, producer], 0, most_chunks)
                if not troubled or stored.session.troubled:
                    found.append(stored)
                if len(found) == limit:
                    break
            return found

    def totals(self, tenant: str) -> Cell:
        with self._shelf.lock:
            return dict(self._shelf.views.sessions.totals.get(tenant, {}))

    def iter_sessions(self) -> Iterator[StoredSession]:
        with self._shelf.lock:
            kept = self._shelf.views.sessions.kept
            return iter([_stored(*key, kept[key], 0, len(kept[key].chunks)) for key in sorted(kept)])


def _stored(tenant: str, producer: str, kept: Kept, first_chunk: int, most_chunks: int) -> StoredSession:
    rows = sorted(row for row in kept.chunks.items() if row[0] >= first_chunk)
    return StoredSession(
        tenant, producer, decode_session(kept.body), rows[:most_chunks], 0 < most_chunks < len(rows)
    )
