"""Collections and indexes, and the version they were made by.

The journal and what names things are collections of their own; the views of one generation share a prefix, so that
a rebuild stands beside the present ones and one document says which are read.
Nothing that changes often is indexed: an update that touches an indexed field makes MongoDB compute the keys of all
indexes of its collection again (60 to 90 µs against 20).
"""

from typing import Any, Final

from pymongo import DESCENDING, timeout
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import OperationFailure

from flowtrail.model.clock import monotonic_s, sleep_s
from flowtrail.model.errors import StoreMissing, StoreTooNew
from flowtrail.model.ids import random_bytes
from flowtrail.projection.version import PROJECTION_VERSION
from flowtrail.storage.mongodb.connection import LOCAL, PATIENCE_S, Client, Document, in_transaction

SCHEMA_VERSION: Final = 1
VIEWS_LAYOUT: Final = 2
"""Views of another layout are rebuilt, like those of another projection version."""

META: Final = "meta"
JOURNAL: Final = "journal"
WRITERS: Final = "writers"
TENANTS: Final = "tenants"

TRANSACTIONS: Final = "tx"
UPDATED: Final = "updated"
PIECES: Final = "piece"
CELLS: Final = "cell"
COHORTS: Final = "cohort"
TERM_TOTALS: Final = "term_total"
LINKS: Final = "link"
DEFINITIONS: Final = "definition"
SET_ASIDE: Final = "set_aside"
PRODUCERS: Final = "producer"
PRODUCER_CHUNKS: Final = "producer_chunk"
CHANGES: Final = "change"
VIEWS: Final = (
    TRANSACTIONS,
    UPDATED,
    PIECES,
    CELLS,
    COHORTS,
    TERM_TOTALS,
    LINKS,
    DEFINITIONS,
    SET_ASIDE,
    PRODUCERS,
    PRODUCER_CHUNKS,
    CHANGES,
)

BY_TERM: Final = "by_term"
BY_END: Final = "by_end"
BY_LOSS: Final = "by_loss"
BY_TRANSACTION: Final = "by_transaction"

CREATE_S: Final = 10.0
"""How long creating is tried while another server does the same."""

Names = Database[Document]


class Views:
    """The collections of one generation."""

    def __init__(self, database: Names, generation: str) -> None:
        self.database = database
        self.generation = generation

    def name(self, kind: str) -> str:
        """A collection's name."""
        return f"views_{self.generation}_{kind}"

    def __getitem__(self, kind: str) -> Collection[Document]:
        return self.database[self.name(kind)]

    def create(self, session: ClientSession) -> None:
        """Make the collections, empty and without the indexes that `index` adds."""
        for kind in VIEWS:
            self.database.create_collection(self.name(kind), session=session)
        # Unique, so that two projectors never number a cohort differently.
        self[COHORTS].create_index([("t", 1), ("c", 1)], unique=True, session=session)

    def index(self, session: ClientSession | None = None) -> None:
        """Add what only readers need: filling collections without it is half as dear."""
        by_term = [("k", 1), ("o", DESCENDING), ("_id", DESCENDING)]
        self[TRANSACTIONS].create_index(by_term, name=BY_TERM, session=session)
        self[TRANSACTIONS].create_index(
            [("t", 1), ("e", DESCENDING), ("_id", DESCENDING)],
            name=BY_END,
            partialFilterExpression={"e": {"$exists": True}},
            session=session,
        )
        self[LINKS].create_index([("c", 1)], session=session)
        self[PRODUCERS].create_index(
            [("x", 1), ("_id", 1)],
            name=BY_LOSS,
            partialFilterExpression={"x": {"$exists": True}},
            session=session,
        )

        self[SET_ASIDE].create_index(
            [("x", 1)],
            name=BY_TRANSACTION,
            partialFilterExpression={"x": {"$exists": True}},
            session=session,
        )

    def drop(self) -> None:
        """Remove the collections."""
        for kind in VIEWS:
            self[kind].drop()


def prepare(client: Client, database: Names, *, create: bool) -> None:
    """Make or check everything a store needs. Safe to run by several servers at once.

    Raises: StoreMissing, StoreTooNew.
    """
    held = database[META].find_one({"_id": "schema"})
    if held is None and not create:
        raise StoreMissing(f"there is no Flowtrail store in the database {database.name}")
    if held is not None and held["version"] > SCHEMA_VERSION:
        raise StoreTooNew(
            f"the database {database.name} was written by a newer Flowtrail (schema {held['version']}, this one"
            f" knows {SCHEMA_VERSION}): upgrade this one"
        )
    if held is None:
        _create_once(client, database)


def _create_once(client: Client, database: Names) -> None:
    """Create everything in one transaction; where another server does so at the same time, one of them wins."""
    until = monotonic_s() + CREATE_S
    while True:
        try:
            with timeout(PATIENCE_S):
                in_transaction(client, lambda session: _create(database, session), LOCAL)
        except OperationFailure:
            if database[META].find_one({"_id": "schema"}) is not None:
                return
            if monotonic_s() > until:
                raise
            sleep_s(CREATE_S / 100)
        else:
            return


def _create(database: Names, session: ClientSession) -> None:
    for name in (META, JOURNAL, WRITERS, TENANTS):
        database.create_collection(name, session=session)
    unique = [("tenant", 1), ("writer", 1), ("sequence", 1)]
    database[JOURNAL].create_index(unique, unique=True, session=session)
    # Heads and what lies beyond a position are read from this one alone.
    database[JOURNAL].create_index([("writer", 1), ("sequence", 1), ("hash", 1)], session=session)
    database[WRITERS].create_index([("tenant", 1), ("name", 1)], unique=True, session=session)
    database[TENANTS].create_index([("name", 1)], unique=True, session=session)
    views = Views(database, new_generation())
    views.create(session)
    views.index(session)
    database[META].insert_one(_present(views.generation), session=session)
    database[META].insert_one({"_id": "schema", "version": SCHEMA_VERSION}, session=session)


def _present(generation: str) -> Document:
    return {
        "_id": "views",
        "epoch": 0,
        "holder": None,
        "session": None,
        "expires": 0,
        "ttl": 0,
        "current": generation,
        "next": None,
        "generations": {generation: fresh_generation()},
    }


def new_generation() -> str:
    """A generation's name; it stands in field paths, where a number would be taken for a place in a list."""
    return f"g{random_bytes(8).hex()}"


def fresh_generation() -> dict[str, Any]:
    """What is kept of a generation of views, in the one document that says what is present."""
    return {
        "revision": 0,
        "position": b"",
        "projection": PROJECTION_VERSION,
        "layout": VIEWS_LAYOUT,
        "log_from": 0,
        "ends": {},
    }
