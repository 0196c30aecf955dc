"""Reading views: each call is one snapshot, which also says which generation of views is present."""

from collections.abc import Iterator, Sequence

from pymongo import timeout

from flowtrail.model.statuses import RELATIONS
from flowtrail.projection.cells import Cell, CellKey
from flowtrail.storage.interface import (
    Definition,
    LinkRow,
    Position,
    Revision,
    Selected,
    Selection,
    SetAside,
    Stored,
    Whole,
)
from flowtrail.storage.mongodb import cells
from flowtrail.storage.mongodb.beside import Beside, Read, read_definitions
from flowtrail.storage.mongodb.changelog import read_changed
from flowtrail.storage.mongodb.connection import PATIENCE_S, Client, Document, store_errors
from flowtrail.storage.mongodb.many import read_links, read_many, read_next
from flowtrail.storage.mongodb.names import TENANT_BYTES, Tenants, read_cohorts
from flowtrail.storage.mongodb.present import unpack_position
from flowtrail.storage.mongodb.reading import Rows
from flowtrail.storage.mongodb.rows import (
    ID_BYTES,
    Bodies,
    found_by_all,
    found_by_term,
    id_of,
    tenant_key,
    tenant_of,
)
from flowtrail.storage.mongodb.schema import (
    BY_TERM,
    LINKS,
    SET_ASIDE,
    TERM_TOTALS,
    TRANSACTIONS,
    Names,
)
from flowtrail.storage.mongodb.snapshots import Snapshot, Snapshots
from flowtrail.storage.mongodb.walk import Walk


class MongoReader:
    """All three reading roles. Any thread."""

    def __init__(self, client: Client, database: Names, tenants: Tenants) -> None:
        self._tenants = tenants
        self._snapshots = Snapshots(client, database)
        self._snapshot = self._snapshots.snapshot
        self._beside = Beside(tenants)

    def _rows(self, at: Snapshot, tenant: str, number: int) -> Rows:
        return Rows(at.views, at.session, (number, tenant), Bodies())

    # --- transactions ---

    def find(self, tenant: str, id: bytes) -> Stored | None:
        with store_errors("reading a transaction"):
            number = self._tenants.find(tenant)
            if number is None:
                return None
            rows = Rows(self._snapshots.views(), None, (number, tenant), Bodies())
            row = rows.document(id)
            if row is not None and not row.get("s"):
                return rows.whole(row)
        # It has documents beside its own, or its views were replaced under our feet.
        with self._snapshot("reading a transaction") as at:
            return self._rows(at, tenant, number).find(id)

    def find_whole(self, tenant: str, id: bytes) -> Whole:
        with store_errors("reading a transaction"):
            number = self._tenants.find(tenant)
            if number is None:
                return Whole(None, [], [])
            rows = Rows(self._snapshots.views(), None, (number, tenant), Bodies())
            row, marked = rows.with_mark(id)
            if row is not None and not row.get("s"):
                return self._whole(rows, tenant, number, id, row, marked)
        # As above.
        with self._snapshot("reading a transaction") as at:
            rows = self._rows(at, tenant, number)
            row, marked = rows.with_mark(id)
            return self._whole(rows, tenant, number, id, row, marked)

    def _whole(
        self, rows: Rows, tenant: str, number: int, id: bytes, row: Document | None, marked: Document
    ) -> Whole:
        read = Read(rows.views, rows.session, number, tenant)
        return Whole(
            None if row is None else rows.whole(row),
            self._beside.set_aside(read, marked, id),
            self._beside.flows(read, marked),
        )

    def select(self, selection: Selection) -> Selected:
        with self._snapshot("listing transactions") as at:
            revision: int = at.state["revision"]
            number = self._tenants.find(selection.tenant)
            if number is None:
                pinned = revision if selection.after is None else selection.after.pinned
                return Selected([], None, short=False, pinned=pinned, changed_since=0)
            return self._walk(at, selection, number).select(revision)

    def count(self, selection: Selection) -> tuple[int, bool]:
        with self._snapshot("counting transactions") as at:
            number = self._tenants.find(selection.tenant)
            return (0, True) if number is None else self._walk(at, selection, number).count()

    def _walk(self, at: Snapshot, selection: Selection, number: int) -> Walk:
        cohorts = read_cohorts(at.views, at.session, number)
        return Walk(self._rows(at, selection.tenant, number), selection, number, cohorts)

    def parents(self, tenant: str, child: bytes) -> list[LinkRow]:
        with store_errors("reading links"):
            number = self._tenants.find(tenant)
            return [] if number is None else self._links(tenant, {"c": tenant_key(number) + child})

    def children(self, tenant: str, parent: bytes) -> list[LinkRow]:
        with store_errors("reading links"):
            number = self._tenants.find(tenant)
            if number is None:
                return []
            front, rest = tenant_key(number) + parent, ID_BYTES + 1
            bounds = {"$gte": front + b"\0" * rest, "$lte": front + b"\xff" * rest}
            return self._links(tenant, {"_id": bounds})

    def _links(self, tenant: str, wanted: Document) -> list[LinkRow]:
        rows = self._snapshots.views()[LINKS].find(wanted, {"_id": 1})
        return sorted(_link(tenant, row["_id"]) for row in rows)

    def find_many(self, tenant: str, ids: Sequence[bytes], *, pieces: bool = True) -> list[Stored | None]:
        with self._snapshot("reading transactions") as at:
            number = self._tenants.find(tenant)
            if number is None:
                return [None] * len(ids)
            return read_many(self._rows(at, tenant, number), ids, pieces=pieces)

    def find_links(self, tenant: str, ids: Sequence[bytes], most: int) -> list[LinkRow] | None:
        with self._snapshot("reading links") as at:
            number = self._tenants.find(tenant)
            if number is None:
                return []
            found = read_links(self._rows(at, tenant, number), number, ids, most)
            return None if found is None else sorted(_link(tenant, key) for key in found)

    def definitions(self, tenant: str, kind: str) -> list[Definition]:
        with store_errors("reading definitions"):
            number = self._tenants.find(tenant)
            if number is None:
                return []
            return read_definitions(Read(self._snapshots.views(), None, number, tenant), kind)

    def iter_states(self, tenant: str | None = None) -> Iterator[Stored]:
        with store_errors("reading states"):
            numbers = self._tenants.all()
        names = sorted(numbers) if tenant is None else [tenant] if tenant in numbers else []
        for name in names:
            after = b"\0" * ID_BYTES
            while found := self._next_states(name, numbers[name], after):
                yield from found
                after = found[-1].id

    def _next_states(self, tenant: str, number: int, after: bytes) -> list[Stored]:
        # MongoDB keeps a moment for five minutes, which a walk of all states may well take.
        with self._snapshot("reading states") as at:
            return read_next(self._rows(at, tenant, number), after)

    def iter_terms(self, tenant: str) -> Iterator[tuple[str, int, bytes]]:
        with self._snapshot("reading terms") as at:
            number = self._tenants.find(tenant)
            if number is None:
                return
            with timeout(PATIENCE_S):
                found = at.views[TRANSACTIONS].aggregate(
                    [
                        {"$match": {"k": found_by_all(number)}},
                        {"$project": {"k": 1, "o": 1}},
                        {"$unwind": "$k"},
                        {"$sort": {"k": 1, "o": 1, "_id": 1}},
                    ],
                    session=at.session,
                    hint=BY_TERM,
                    allowDiskUse=True,
                )
            for row in found:
                term = row["k"].partition(" ")[2]
                if term[0] not in "*!":
                    # BSON gives large integers a type of their own, which no encoder takes for an integer.
                    yield term, int(row["o"]), id_of(row["_id"])

    def term_totals(self, tenant: str) -> dict[str, int]:
        with store_errors("reading terms"):
            front = found_by_term(self._tenants.find(tenant) or 0, "")
            # "!" is what follows the space that ends the tenant's number.
            bounds = {"$gte": front, "$lt": front[:-1] + "!"}
            rows = self._snapshots.views()[TERM_TOTALS].find({"_id": bounds})
            return {row["_id"].removeprefix(front): row["n"] for row in rows}

    def iter_links(self) -> Iterator[LinkRow]:
        with self._snapshot("reading links") as at:
            self._tenants.all()
            for row in at.views[LINKS].find({}, {"_id": 1}, session=at.session):
                yield _link(self._tenants.name(tenant_of(row["_id"])), row["_id"])

    def set_aside(self) -> list[SetAside]:
        with store_errors("reading what was set aside"):
            rows = self._snapshots.views()[SET_ASIDE].find().sort("_id")
            return [self._beside.entry(row["_id"]) for row in rows]

    # --- cells ---

    def cells(
        self,
        tenant: str,
        kind: str,
        width: str,
        since: int | None,
        until: int | None,
        flow: str | None = None,
    ) -> list[tuple[CellKey, Cell]]:
        with self._snapshot("reading cells") as at:
            number = self._tenants.find(tenant)
            if number is None:
                return []
            named = (number, tenant)
            return cells.read_cells(at.views, at.session, named, kind, width, (since, until), flow)

    def iter_cells(self) -> Iterator[tuple[CellKey, Cell]]:
        with self._snapshot("reading cells") as at:
            yield from cells.iter_cells(at.views, at.session, self._tenants)

    # --- changes ---

    def revision(self) -> Revision:
        with store_errors("reading the revision"):
            held = self._snapshots.present()
            state = held["generations"][held["current"]]
            return Revision(held["current"], held["epoch"], state["revision"])

    def visible(self) -> Position:
        with store_errors("reading the position"):
            held = self._snapshots.present()
            return unpack_position(held["generations"][held["current"]]["position"])

    def changed(self, tenant: str, after: int, limit: int) -> tuple[list[tuple[int, bytes]], bool] | None:
        with self._snapshot("reading changes") as at:
            if after < at.state["log_from"]:
                return None
            number = self._tenants.find(tenant)
            return ([], False) if number is None else read_changed(at.views, at.session, number, after, limit)

    def epoch_end(self, epoch: int) -> int | None:
        with store_errors("reading the revision"):
            held = self._snapshots.present()
            end: int | None = held["generations"][held["current"]]["ends"].get(str(epoch))
            return end


def _link(tenant: str, key: bytes) -> LinkRow:
    parent = key[TENANT_BYTES : TENANT_BYTES + ID_BYTES]
    child = key[TENANT_BYTES + ID_BYTES : TENANT_BYTES + 2 * ID_BYTES]
    return LinkRow(tenant, parent, child, RELATIONS[key[-1]])
