"""Reading many transactions at once: a command costs some 0.3 ms, nearly all of it the way there and back."""

from collections.abc import Sequence
from typing import Any, Final

from pymongo import ASCENDING

from flowtrail.storage.interface import Stored
from flowtrail.storage.mongodb.changes import pieces_of
from flowtrail.storage.mongodb.connection import Document
from flowtrail.storage.mongodb.names import TENANT_BYTES
from flowtrail.storage.mongodb.reading import HEADERS, Rows
from flowtrail.storage.mongodb.rows import ID_BYTES, tenant_key
from flowtrail.storage.mongodb.schema import LINKS, PIECES, TRANSACTIONS

AT_ONCE: Final = 100
"""Documents of one command: of some kilobytes each, and none larger than a large piece."""
ENOUGH_BYTES: Final = 1024 * 1024
MOST_PIECES: Final = 16
"""What the documents hold, and how many pieces there are beside them, from where on the rest is left to another call: a
piece is at most 1 MiB, and a transaction may have more than that."""
_WHOLE: Final = {"r": 1, "h": 1, "f": 1, "p": 1, "s": 1}


def read_many(rows: Rows, ids: Sequence[bytes], *, pieces: bool) -> list[Stored | None]:
    """The first of these transactions, at least one of any, None for one that is not there."""
    keys = [rows.key(each) for each in ids[:AT_ONCE]]
    documents = rows.views[TRANSACTIONS].find(
        {"_id": {"$in": keys}}, _WHOLE if pieces else HEADERS, session=rows.session
    )
    held: dict[bytes, Document] = {row["_id"]: row for row in documents}
    if not pieces:
        return [rows.stored(held[key], pieces=None) if key in held else None for key in keys]
    beside: dict[bytes, list[bytes]] = {}
    size = expected = 0
    for place, key in enumerate(keys):
        row = held.get(key, {})
        size += sum(map(len, row.get("p", ())))
        expected += sum(row.get("s", ()))
        if place and (size > ENOUGH_BYTES or expected > MOST_PIECES):
            del keys[place:]
            break
        if row.get("s"):
            beside[key] = []
    _read_pieces(rows, beside)
    return [rows.joined(held[key], beside.get(key, ())) if key in held else None for key in keys]


def read_next(rows: Rows, after: bytes) -> list[Stored]:
    """The next of a tenant's transactions by id, with their pieces; none at the end."""
    bounds = {"$gt": rows.key(after), "$lte": rows.key(b"\xff" * ID_BYTES)}
    found: list[Stored] = []
    size = 0
    with rows.views[TRANSACTIONS].find({"_id": bounds}, session=rows.session) as documents:
        for row in documents.sort("_id", ASCENDING).limit(AT_ONCE):
            stored = rows.whole(row)
            found.append(stored)
            size += len(stored.facts) + sum(map(len, stored.pieces or ()))
            if size > ENOUGH_BYTES:
                break
    return found


def _read_pieces(rows: Rows, into: dict[bytes, list[bytes]]) -> None:
    """The pieces of these transactions that stand in documents of their own, in the order of their keys."""
    if not into:
        return
    ranges = {"$or": [{"_id": pieces_of(key)} for key in into]}
    found = rows.views[PIECES].find(ranges, session=rows.session)
    width = TENANT_BYTES + ID_BYTES
    for piece in sorted(found, key=lambda each: bytes(each["_id"])):
        into[piece["_id"][:width]].append(piece["p"])


def read_links(rows: Rows, number: int, ids: Sequence[bytes], most: int) -> set[bytes] | None:
    """The keys of the links from or to any of these; None when there are more than `most`."""
    front, rest = tenant_key(number), ID_BYTES + 1
    found: set[bytes] = set()
    for first in range(0, len(ids), AT_ONCE):
        wanted = [front + each for each in ids[first : first + AT_ONCE]]
        ranges = [{"_id": {"$gte": key + b"\0" * rest, "$lte": key + b"\xff" * rest}} for key in wanted]
        conditions: tuple[Any, ...] = ({"$or": ranges}, {"c": {"$in": wanted}})
        for condition in conditions:
            links = rows.views[LINKS].find(condition, {"_id": 1}, session=rows.session, limit=most + 1)
            found.update(row["_id"] for row in links)
            if len(found) > most:
                return None
    return found
