"""The contract of a store for producer sessions: what is kept of each, and how it is read.

A batch says what was heard of a session (`Batch.heard`). Inside the batch's atomic write the store MUST join that with
what it holds, as `projection.producers.join` has it: the session's row, its chunks' rows, and its tenant's totals by
what `projection.producers.moved` says. Joining needs nothing that the projector remembers, so that replaying a page
changes nothing.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from flowtrail.projection.cells import Cell
from flowtrail.projection.producers import Session


class StoredSession(NamedTuple):
    """A producer session with rows of its chunks, ascending; `more` when there are further ones after them
    (False where none were asked for)."""

    tenant: str
    producer: str
    session: Session
    chunks: list[tuple[int, bytes]]
    more: bool


class ProducerReader(Protocol):
    """What came of producer sessions. Each call is one snapshot."""

    def session(self, tenant: str, producer: str, first_chunk: int, most_chunks: int) -> StoredSession | None:
        """One session, with up to so many of its rows from a chunk on."""

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
        """Up to `limit` sessions by producer ascending, beyond `after`; of the producer of that name alone when given
        (its sessions are `name/…`), and only those of which something is known to be lost when `troubled`."""

    def totals(self, tenant: str) -> Cell:
        """The sums over a tenant's sessions, by the codes of `projection.producers`."""

    def iter_sessions(self) -> Iterator[StoredSession]:
        """Every session of every tenant with all its rows, in no particular order: for checks."""
