"""The MongoDB store, composed: one client, the journal, the readers, and writers on demand."""

from typing import Final

from flowtrail.model.clock import Clock, now_us
from flowtrail.model.errors import StoreMissing, StoreUnavailable
from flowtrail.projection.version import PROJECTION_VERSION
from flowtrail.storage.health import Health
from flowtrail.storage.mongodb.connection import Client, connect, database_name, store_errors
from flowtrail.storage.mongodb.journal import MongoJournal
from flowtrail.storage.mongodb.names import Tenants
from flowtrail.storage.mongodb.present import Present, refuse_newer, usable
from flowtrail.storage.mongodb.producers import MongoProducers
from flowtrail.storage.mongodb.reader import MongoReader
from flowtrail.storage.mongodb.schema import COHORTS, JOURNAL, VIEWS, Names, Views, prepare
from flowtrail.storage.mongodb.views import MongoViewWriter
from flowtrail.storage.urls import shown

SNAPSHOTS_WIRE_VERSION: Final = 13
"""MongoDB 5.0's, the first that reads snapshots outside transactions."""


class MongoStore:
    """`mongodb://HOST/DATABASE`: a replica set, or a sharded cluster. Several servers may share one database, each
    of them a writer of its own; one of them projects.

    Raises: Refusal when the URL names no database.
    """

    def __init__(self, url: str, clock: Clock = now_us) -> None:
        self._url = url
        self._clock = clock
        self._name = database_name(url)
        self._client: Client | None = None

    def open(self, *, create: bool = True) -> None:
        client = connect(self._url)
        try:
            with store_errors(f"opening {shown(self._url)}"):
                require_usable(client, shown(self._url))
                database = client[self._name]
                prepare(client, database, create=create)
                refuse_newer(Present(database).read())
        except BaseException:
            client.close()
            raise
        self._client = client
        self._database: Names = database
        self._tenants = Tenants(database)
        self.journal = MongoJournal(client, database)
        self.transactions = self.cells = self.changes = MongoReader(client, database, self._tenants)
        self.producers = MongoProducers(client, database, self._tenants)

    def hold(self) -> None:
        """Nothing to hold: several servers may write into one database."""

    def view_writer(self) -> MongoViewWriter:
        return MongoViewWriter(self._opened(), self._database, self._tenants, self._clock)

    def views_version(self) -> tuple[int, bool]:
        self._opened()
        with store_errors("reading the version of the views"):
            held = Present(self._database).read()
            state = held["generations"][held["current"]]
            version: int = state["projection"]
            if version == PROJECTION_VERSION and not usable(state):
                version = -1  # views of another layout are as good as views of another version
            return version, held["next"] is not None

    def check(self) -> Health:
        self._opened()
        with store_errors("asking MongoDB for its health"):
            held = Present(self._database).read()
            views = Views(self._database, held["current"])
            # Those of an older version lack what came since; they are rebuilt.
            is_usable = usable(held["generations"][held["current"]])
            transactions = sum(each["total"] for each in views[COHORTS].find())
            there = set(self._database.list_collection_names())
            problems = [
                f"the collection {name} is missing"
                for name in (JOURNAL, *(map(views.name, VIEWS) if is_usable else ()))
                if name not in there
            ]
            facts: dict[str, str | int] = {
                "store": "mongodb",
                "database": self._name,
                "server": str(self._opened().server_info()["version"]),
                "transactions": transactions,
                "journal_bytes": self.journal.size_bytes(),
            }
            return Health(problems, facts)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _opened(self) -> Client:
        if self._client is None:
            raise StoreMissing("the store is not open")
        return self._client


def require_usable(client: Client, url: str) -> None:
    hello = client.admin.command("hello")
    if hello["maxWireVersion"] < SNAPSHOTS_WIRE_VERSION:
        raise StoreUnavailable(
            f"{url} is older than MongoDB 5.0, and cannot read what was there at one moment: upgrade it"
        )
    if not (hello.get("setName") or hello.get("msg") == "isdbgrid"):
        raise StoreUnavailable(
            f"{url} is a single server without transactions: start it with --replSet and run rs.initiate() once"
        )
