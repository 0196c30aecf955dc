"""The projector's side of the views: the lease, loading what is stored, and one transaction for each batch."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any, Final

import msgspec
from pymongo import timeout
from pymongo.client_session import ClientSession
from pymongo.errors import PyMongoError

from flowtrail.model.clock import Clock, sleep_s
from flowtrail.model.errors import LeaseLost, StoreError
from flowtrail.model.points import reach
from flowtrail.model.statuses import RELATIONS
from flowtrail.storage.interface import (
    Batch,
    Definition,
    Lease,
    LinkRow,
    Loaded,
    Position,
    Revision,
    SetAside,
    ViewWriter,
)
from flowtrail.storage.mongodb.beside import ASIDE, DECLARED, mark
from flowtrail.storage.mongodb.cells import CellWriter
from flowtrail.storage.mongodb.changelog import ChangeLog
from flowtrail.storage.mongodb.changes import ChangeWriter, Locator, pieces_of
from flowtrail.storage.mongodb.connection import (
    LOCAL,
    PATIENCE_S,
    Client,
    Document,
    in_transaction,
    insert,
    new_session,
    store_errors,
    update,
)
from flowtrail.storage.mongodb.names import Tenants
from flowtrail.storage.mongodb.present import Present, unpack_position
from flowtrail.storage.mongodb.producers import hear
from flowtrail.storage.mongodb.rows import Bodies, decode_header, id_of, tenant_key, terms_in, transaction_key
from flowtrail.storage.mongodb.schema import (
    DEFINITIONS,
    LINKS,
    META,
    PIECES,
    SET_ASIDE,
    TRANSACTIONS,
    Names,
    Views,
    fresh_generation,
    new_generation,
)

MAX_CHANGES: Final = 1_000
"""Of one multi-document transaction: MongoDB's own advice, and a millisecond's share of one commit each."""
HOLD_BACK_S: Final = 0.5
"""An update costs some 50 µs, with its share of everything, whatever it carries."""
DROP_GRACE_S: Final = 0.5
"""Between switching to rebuilt views and dropping the old: who has just read which are present still finds them."""
RENEW_S: Final = 1.0
"""Between two renewals of a lease that nothing is written under."""
_AT_ONCE: Final = 500

_encode: Final = msgspec.msgpack.Encoder(order="deterministic").encode


class _Open:
    """Everything remembered of one generation; thrown away whole when a write failed."""

    def __init__(self, views: Views, tenants: Tenants) -> None:
        self.views = views
        # Loading happens beside writing: each has its own.
        self.bodies = Bodies()
        self.cells = CellWriter(views)
        self.log = ChangeLog(views)
        self.changes = ChangeWriter(views, tenants, Bodies())


class MongoViewWriter:
    """Writes the generation that readers see, or (`generation` is then its name) one being rebuilt."""

    max_changes: int | None = MAX_CHANGES
    hold_back_s: float = HOLD_BACK_S

    def __init__(
        self, client: Client, database: Names, tenants: Tenants, clock: Clock, generation: str | None = None
    ) -> None:
        self._client = client
        self._database = database
        self._tenants = tenants
        self._clock = clock
        self._present = Present(database)
        self.generation = generation
        self._open: _Open | None = None
        self.lease: Lease | None = None
        self._session: ClientSession | None = None
        """Of this writer's transactions; its id stands beside the lease."""

    # --- the lease ---

    def acquire(self, holder: str, ttl_s: float) -> Lease | None:
        with store_errors("taking the lease"):
            # A new holder trusts nothing that an earlier one remembered.
            self.forget()
            self._session = self._session or new_session(self._client)
            self.lease = self._present.acquire(holder, ttl_s, self._clock, self._session.session_id)
            if self.lease is not None and self.generation is None:
                self._drop(self._present.leave(self.lease))
            return self.lease

    def release(self, lease: Lease) -> None:
        with store_errors("releasing the lease"):
            self._present.release(lease)

    # --- states ---

    def position(self) -> Position:
        with store_errors("reading the position"):
            held = self._present.read()
            state = held["generations"].get(self.generation or held["current"])
            return {} if state is None else unpack_position(state["position"])

    def load(self, tenant: str, ids: Sequence[bytes]) -> dict[bytes, Loaded]:
        with store_errors("loading states"):
            number = self._tenants.find(tenant)
            if number is None:
                return {}
            held = self._held()
            found: dict[bytes, Loaded] = {}
            for first in range(0, len(ids), _AT_ONCE):
                keys = [transaction_key(number, key) for key in ids[first : first + _AT_ONCE]]
                for row in held.views[TRANSACTIONS].find({"_id": {"$in": keys}}):
                    found[id_of(row["_id"])] = self._loaded(held, row)
            return found

    @staticmethod
    def _loaded(held: _Open, row: Document) -> Loaded:
        entries = list(row["p"])
        if row.get("s"):
            entries += [each["p"] for each in held.views[PIECES].find({"_id": pieces_of(row["_id"])})]
        pieces = [piece for piece, _ in map(held.bodies.open_entry, entries) if piece]
        size = sum(map(len, row["p"]))
        locator = Locator(terms_in(row["k"]), size, tuple(row.get("s", ())), row.get("n", 0))
        return Loaded(locator, decode_header(row["h"]), held.bodies.unpack(row["f"]), pieces)

    # --- writing ---

    def write(self, batch: Batch, lease: Lease) -> tuple[Revision, list[Any]]:
        try:
            with store_errors("writing views"):
                self.lease = lease
                held = self._held()
                generation = held.views.generation
                if batch.empty:
                    state = self._present.renew(lease, generation, self._clock, batch.position)
                    return Revision(generation, lease.epoch, state["revision"]), []
                self._give_tenants(batch)
                held.changes.prepare(batch.changes)
                number, locators = in_transaction(
                    self._client,
                    lambda session: self._write(session, held, batch, lease),
                    session=self._session,
                )
        except BaseException:
            self.forget()
            # Its transaction may still be open: the next lease ends it, which takes a session of another id.
            self._session = None
            raise
        return Revision(generation, lease.epoch, number), locators

    def _give_tenants(self, batch: Batch) -> None:
        """Number new tenants before the transaction begins: it would neither see nor roll back their numbers."""
        for rows in (
            batch.changes,
            batch.links,
            batch.definitions,
            batch.set_aside,
            batch.heard,
            batch.cells,
        ):
            for tenant in {row.tenant for row in rows}:
                self._tenants.give(tenant)

    def _write(
        self, session: ClientSession, held: _Open, batch: Batch, lease: Lease
    ) -> tuple[int, list[Locator]]:
        views = held.views
        state = self._present.renew(
            lease, views.generation, self._clock, batch.position, advance=True, session=session
        )
        revision: int = state["revision"]
        locators = held.changes.write(session, batch.changes, revision)
        held.cells.add(session, self._tenants, batch.cells)
        self._write_links(session, views, batch.links)
        self._write_definitions(session, views, batch.definitions)
        mark(session, views, self._tenants, batch.definitions, DECLARED, revision)
        self._write_set_aside(session, views, batch.set_aside)
        mark(session, views, self._tenants, batch.set_aside, ASIDE, revision)
        hear(session, views, self._tenants, batch.heard)
        held.log.add(session, self._tenants, batch.changes, revision)
        gone = held.log.outlived(session, revision)
        if gone is not None and gone > state["log_from"]:
            held.log.prune(session, gone)
            log_from = {"$set": {f"generations.{views.generation}.log_from": gone}}
            update(session, self._database, META, [{"q": {"_id": "views"}, "u": log_from}])
        reach("inside_write")
        return revision, locators

    def _write_links(self, session: ClientSession, views: Views, links: Sequence[LinkRow]) -> None:
        rows = {link_key(self._tenants.give(link.tenant), link): link for link in links}
        _insert_absent(
            session,
            views,
            LINKS,
            {
                key: {"c": tenant_key(self._tenants.give(link.tenant)) + link.child}
                for key, link in rows.items()
            },
        )

    def _write_definitions(self, session: ClientSession, views: Views, entries: Sequence[Definition]) -> None:
        for entry in entries:
            number = self._tenants.give(entry.tenant)
            key = _encode([number, entry.kind, list(entry.name)])
            held = views[DEFINITIONS].find_one({"_id": key}, session=session)
            if held is None or (_stamp(held), held["body"]) < (entry.stamp, entry.body):
                row = {"_id": key, "t": number, "kind": entry.kind, "name": list(entry.name)}
                row |= {"stamp": list(entry.stamp), "body": entry.body}
                views[DEFINITIONS].replace_one({"_id": key}, row, upsert=True, session=session)

    def _write_set_aside(self, session: ClientSession, views: Views, entries: Sequence[SetAside]) -> None:
        rows: dict[bytes, Document] = {}
        for entry in entries:
            number = self._tenants.give(entry.tenant)
            key = _encode([number, entry.page, entry.leaf, entry.transaction, entry.reason])
            concerned = entry.transaction
            rows[key] = {} if concerned is None else {"x": transaction_key(number, concerned)}
        _insert_absent(session, views, SET_ASIDE, rows)

    # --- rebuilding ---

    def begin_rebuild(self) -> ViewWriter:
        with store_errors("beginning a rebuild"), timeout(PATIENCE_S):
            generation = new_generation()
            views = Views(self._database, generation)
            in_transaction(self._client, views.create, LOCAL)
            self._drop(self._present.begin(generation, fresh_generation()))
            return MongoViewWriter(self._client, self._database, self._tenants, self._clock, generation)

    def finish_rebuild(self, rebuilt: ViewWriter) -> None:
        assert isinstance(rebuilt, MongoViewWriter)
        with store_errors("switching to rebuilt views"), timeout(PATIENCE_S):
            generation = rebuilt.generation
            if generation is None or rebuilt.lease is None:
                raise LeaseLost("the rebuilt views were not folded under the newest lease")
            # Who was overtaken finds that out before collections are made again that somebody else dropped.
            self._present.refuse_overtaken(generation, rebuilt.lease)
            with self._kept_up(rebuilt.lease, generation):
                Views(self._database, generation).index()
            reach("inside_switch")
            old = self._present.switch(generation, rebuilt.lease)
            rebuilt.generation = None
            self.forget()
            sleep_s(DROP_GRACE_S)
            self._drop([old])
            self._present.forget(old)

    def _drop(self, generations: Sequence[str]) -> None:
        for generation in generations:
            Views(self._database, generation).drop()

    @contextmanager
    def _kept_up(self, lease: Lease, generation: str) -> Iterator[None]:
        """Renew the lease meanwhile: indexes over everything take longer than it lasts."""
        done = Event()

        def renew() -> None:
            with suppress(StoreError, PyMongoError):  # the switch finds out itself
                while not done.wait(RENEW_S):
                    self._present.renew(lease, generation, self._clock)

        thread = Thread(target=renew, name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    # --- what is remembered ---

    def _held(self) -> _Open:
        if self._open is None:
            generation = self.generation or self._present.read()["current"]
            self._open = _Open(Views(self._database, generation), self._tenants)
        return self._open

    def forget(self) -> None:
        """Drop everything remembered."""
        self._open = None


def link_key(tenant: int, link: LinkRow) -> bytes:
    """The `_id` of a link: a parent's links are a range."""
    return tenant_key(tenant) + link.parent + link.child + bytes([RELATIONS.index(link.relation)])


def _stamp(row: Document) -> tuple[int, str, int]:
    at, producer, seq = row["stamp"]
    return (at, producer, seq)


def _insert_absent(session: ClientSession, views: Views, kind: str, rows: dict[bytes, Document]) -> None:
    """Insert those rows whose `_id` is not there: a duplicate would end the transaction."""
    keys = list(rows)
    for first in range(0, len(keys), _AT_ONCE):
        some = keys[first : first + _AT_ONCE]
        there = {row["_id"] for row in views[kind].find({"_id": {"$in": some}}, {"_id": 1}, session=session)}
        fresh = [{"_id": key, **rows[key]} for key in some if key not in there]
        insert(session, views.database, views.name(kind), fresh)
