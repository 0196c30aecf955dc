"""One moment of the database: every read in it sees the same, and the same generation of views."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pymongo.client_session import ClientSession

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


class Snapshots:
    """Takes them. Any thread."""

    def __init__(self, client: Client, database: Names) -> None:
        self._client = client
        self._database = database
        self._present = Present(database)

    @contextmanager
    def snapshot(self, what: str) -> Iterator[Snapshot]:
        """A moment for `what`, which errors name. Raises: StoreUnavailable."""
        with store_errors(what), snapshot(self._client) as session:
            held = self._present.read(session)
            generation = held["current"]
            views = Views(self._database, generation)
            yield Snapshot(session, views, held["generations"][generation], held["epoch"])
