"""The journal in MongoDB: one document a page, acknowledged once a majority has it on disk.

A page's number is its `_id`, so that a page stands once whatever is sent again; writers have their ordinals from a
collection with two unique keys, so that several servers can register at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pymongo import DESCENDING
from pymongo.errors import DuplicateKeyError, OperationFailure, WriteError

from flowtrail.model.errors import PageConflict
from flowtrail.model.pages import Page, Writer, page_number, split_number
from flowtrail.storage.interface import Head, Position
from flowtrail.storage.mongodb.connection import (
    Client,
    Document,
    in_transaction,
    insert,
    is_code,
    store_errors,
)
from flowtrail.storage.mongodb.schema import JOURNAL, WRITERS, Names

READ_PAGES: Final = 32
"""Pages read at once by a walk: at most 32 MiB."""
DUPLICATE: Final = 11_000


class MongoJournal:
    """Collections `journal` and `writers`. Any thread."""

    durability = "majority"

    def __init__(self, client: Client, database: Names) -> None:
        self._client = client
        self._database = database
        self._pages = database[JOURNAL]
        self._writers = database[WRITERS]
        self._tenants: dict[int, str] = {}
        # Heads when they were last asked for: they only grow, so what lies below them is there.
        self._known: dict[int, int] = {}

    def register(self, tenant: str, name: str) -> Writer:
        with store_errors("registering a writer"):
            while True:
                held = self._writers.find_one({"tenant": tenant, "name": name})
                if held is not None:
                    return Writer(held["_id"], tenant, name)
                last = self._writers.find_one(sort=[("_id", DESCENDING)])
                ordinal = 1 if last is None else last["_id"] + 1
                try:
                    self._writers.insert_one({"_id": ordinal, "tenant": tenant, "name": name})
                except DuplicateKeyError:
                    continue  # another server took the ordinal, or registered this very writer
                return Writer(ordinal, tenant, name)

    def append(self, pages: Sequence[Page]) -> None:
        with store_errors("appending to the journal"):
            fresh = list({page.number: page for page in pages}.values())
            if len(fresh) != len(pages):
                self._refuse_conflicts(pages, {page.number: page.hash for page in fresh})
            while fresh:
                documents = [self._document(page) for page in fresh]
                try:
                    if len(documents) == 1:
                        self._pages.insert_one(documents[0])
                        return
                    sizes = [len(page.body) + len(page.header) + 256 for page in fresh]
                    in_transaction(
                        self._client,
                        lambda session: insert(session, self._database, JOURNAL, documents, sizes),  # noqa: B023
                    )
                    return
                except (DuplicateKeyError, WriteError, OperationFailure) as error:
                    if not is_code(error, DUPLICATE):
                        raise
                held = self._hashes([page.number for page in fresh])
                self._refuse_conflicts(fresh, held)
                fresh = [page for page in fresh if page.number not in held]

    def _document(self, page: Page) -> Document:
        ordinal, sequence = split_number(page.number)
        return {
            "_id": page.number,
            "tenant": self._tenant(ordinal),
            "writer": ordinal,
            "sequence": sequence,
            "header": page.header,
            "previous": page.previous,
            "hash": page.hash,
            "secret": page.secret,
            "body": page.body,
        }

    def _tenant(self, ordinal: int) -> str:
        tenant = self._tenants.get(ordinal)
        if tenant is None:
            held = self._writers.find_one({"_id": ordinal})
            if held is None:
                return ""
            tenant = self._tenants[ordinal] = held["tenant"]
        return tenant

    def _hashes(self, numbers: Sequence[int]) -> dict[int, bytes]:
        found = self._pages.find({"_id": {"$in": list(numbers)}}, {"hash": 1})
        return {document["_id"]: document["hash"] for document in found}

    @staticmethod
    def _refuse_conflicts(pages: Sequence[Page], held: dict[int, bytes]) -> None:
        for page in pages:
            if held.get(page.number, page.hash) != page.hash:
                raise PageConflict(f"another page stands at {split_number(page.number)}")

    def heads(self) -> list[Head]:
        with store_errors("reading the journal's heads"):
            last = self._heads()
            heads = []
            for writer in self._all_writers():
                sequence, digest = last.get(writer.ordinal, (0, b""))
                heads.append(Head(writer, sequence, digest))
            return heads

    def _heads(self) -> dict[int, tuple[int, bytes]]:
        """Sequence and hash of each writer's last page; one seek a writer, in an index that holds all of it."""
        found = self._pages.aggregate(
            [
                {"$sort": {"writer": -1, "sequence": -1, "hash": -1}},
                {
                    "$group": {
                        "_id": "$writer",
                        "sequence": {"$first": "$sequence"},
                        "hash": {"$first": "$hash"},
                    }
                },
            ]
        )
        return {entry["_id"]: (entry["sequence"], entry["hash"]) for entry in found}

    def read(self, after: Position, limit: int) -> list[Page]:
        with store_errors("reading the journal"):
            behind = _behind(self._known, after)
            if sum(end - start for start, end in behind) < limit:
                self._known = {ordinal: sequence for ordinal, (sequence, _) in self._heads().items()}
                behind = _behind(self._known, after)
            found: list[Page] = []
            for index, (start, end) in enumerate(behind):
                # Shortest backlog first, a share for each: one with a long backlog does not hide the others.
                share = -(-(limit - len(found)) // (len(behind) - index))
                if share <= 0:
                    break
                rows = self._pages.find({"_id": {"$gt": start, "$lte": end}}).sort("_id").limit(share)
                for expected, row in enumerate(rows, start + 1):
                    if row["_id"] != expected:
                        break
                    found.append(_page(row))
            return found

    def page(self, number: int) -> Page | None:
        with store_errors("reading the journal"):
            held = self._pages.find_one({"_id": number})
            return None if held is None else _page(held)

    def iter_pages(self, ordinal: int, first: int = 1) -> Iterator[Page]:
        start, end = page_number(ordinal, first), page_number(ordinal + 1, 0)
        while True:
            # Pages never change, so that no cursor has to be held open over a walk of hours.
            with store_errors("reading the journal"):
                rows = self._pages.find({"_id": {"$gte": start, "$lt": end}}).sort("_id").limit(READ_PAGES)
                pages = [_page(row) for row in rows]
            yield from pages
            if len(pages) < READ_PAGES:
                return
            start = pages[-1].number + 1

    def writers(self) -> list[Writer]:
        with store_errors("reading the journal's writers"):
            return self._all_writers()

    def _all_writers(self) -> list[Writer]:
        return [
            Writer(held["_id"], held["tenant"], held["name"]) for held in self._writers.find().sort("_id")
        ]

    def replace_secret(self, number: int, secret: bytes, body: bytes) -> None:
        with store_errors("erasing from the journal"):
            self._pages.update_one({"_id": number}, {"$set": {"secret": secret, "body": body}})

    def size_bytes(self) -> int:
        with store_errors("measuring the journal"):
            return sum(self._size(name) for name in (JOURNAL, WRITERS))

    def _size(self, name: str) -> int:
        stats = self._database.command("collStats", name)
        return int(stats.get("storageSize", 0)) + int(stats.get("totalIndexSize", 0))


def _behind(heads: Mapping[int, int], after: Position) -> list[tuple[int, int]]:
    """(last page number that is known, last that there is) of each writer that has more, shortest backlog first."""
    found = [
        (page_number(ordinal, after.get(ordinal, 0)), page_number(ordinal, sequence))
        for ordinal, sequence in heads.items()
        if sequence > after.get(ordinal, 0)
    ]
    return sorted(found, key=lambda bounds: (bounds[1] - bounds[0], bounds[0]))


def _page(row: Document) -> Page:
    # BSON gives large integers a type of their own, which no encoder takes for an integer.
    return Page(int(row["_id"]), row["header"], row["previous"], row["hash"], row["secret"], row["body"])
