"""One moment of the database: every read in it sees the same, and the same generation of views."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from typing import Final

from pymongo.client_session import ClientSession

from flowtrail.model.clock import monotonic_s
from flowtrail.storage.mongodb.connection import Client, Document, snapshot, store_errors
from flowtrail.storage.mongodb.present import Present
from flowtrail.storage.mongodb.schema import Names, Views


@dataclass(slots=True)
class Snapshot:
    """One moment: its session, the generation present in it, and that generation's state."""

    session: ClientSession
    views: Views
    state: Document
    epoch: int


KNOWN_S: Final = 0.2
"""How long the present generation is taken as known: less than old views are kept after a switch (`DROP_GRACE_S`)."""


class Snapshots:
    """Takes them. Any thread."""

    def __init__(self, client: Client, database: Names) -> None:
        self._client = client
        self._database = database
        self._present = Present(database)
        self._known: tuple[float, str] = (-inf, "")

    @contextmanager
    def snapshot(self, what: str) -> Iterator[Snapshot]:
        """A moment for `what`, which errors name. Raises: StoreUnavailable."""
        with store_errors(what), snapshot(self._client) as session:
            held = self.present(session)
            generation = held["current"]
            views = Views(self._database, generation)
            yield Snapshot(session, views, held["generations"][generation], held["epoch"])

    def present(self, session: ClientSession | None = None) -> Document:
        """The document that says what is present. Whoever was told how far the views are folded finds these from then
        on, not those that were known before a switch. Raises: StoreUnavailable."""
        began = monotonic_s()
        held = self._present.read(session)
        if began >= self._known[0]:
            # Else another thread asked later, and may have been told of a switch.
            self._known = (began, held["current"])
        return held

    def views(self) -> Views:
        """The views for a read that is one command, and needs no moment: those present now, or `KNOWN_S` ago. A read of
        several commands asks for that document each time, which is half of what it costs to read one transaction."""
        known_at, generation = self._known
        if monotonic_s() - known_at > KNOWN_S:
            generation = self.present()["current"]
        return Views(self._database, generation)
