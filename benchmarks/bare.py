"""What the least work possible reaches here: a measure for the figures of `flowtrail bench`, in the same unit.

    .venv/bin/python benchmarks/bare.py [TRANSACTIONS [OPEN_TRANSACTIONS [RUNS [mongodb://…/DATABASE]]]]

Two processes, as small as they can be written: one decodes bodies and commits chained pages durably, the other
reads them, gathers, and writes a row a transaction, with two keys, pieces while it is open, and cells of one width.
No HTTP, no instants to parse, no validation, no leaves, no terms, no lease, no replay, no late record: what a server
has to do is missing on purpose, so that a ratio this does not reach is hardly in reach of a server written likewise.
"""

import sqlite3
import sys
from collections import defaultdict
from collections.abc import Iterator
from hashlib import sha256
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time, sleep
from typing import Any

import msgspec
import pymongo
import zstandard

from flowtrail.cli.bench.reference import reference_rate
from flowtrail.model.instants import parse_instant
from flowtrail.simulator.workload import RECORDS_A_TRANSACTION, Workload, bodies, records

RECORDS_A_BODY = 500
BODIES_A_PAGE = 4
PAGES_A_BATCH = 10
MINUTE_US = 60_000_000

Rows = list[tuple[Any, ...]]


class Record(msgspec.Struct, array_like=True):
    """Every kind in one, since telling them apart costs."""

    kind: str
    producer: str
    seq: int
    id: str = ""
    transaction: str = ""
    flow: str = ""
    version: str = ""
    object_type: str = ""
    object_id: str = ""
    keys: dict[str, str] | None = None
    created_at: int = 0
    block: str = ""
    type: str = ""
    status: str = ""
    queued_at: int = 0
    started_at: int = 0
    ended_at: int = 0
    outcome: str = ""
    error: Any = None


class Told(Record, array_like=False):
    """The same as it is sent."""


JOURNAL = "CREATE TABLE page (number INTEGER PRIMARY KEY, hash BLOB NOT NULL, body BLOB NOT NULL)"
VIEWS = """
CREATE TABLE tx (
    row INTEGER PRIMARY KEY, id BLOB NOT NULL, opened INTEGER NOT NULL, ended INTEGER, status TEXT NOT NULL,
    object TEXT NOT NULL, customer TEXT NOT NULL, state BLOB NOT NULL
);
CREATE UNIQUE INDEX tx_id ON tx (id);
CREATE INDEX tx_opened ON tx (opened, id);
CREATE INDEX tx_object ON tx (object);
CREATE INDEX tx_customer ON tx (customer);
CREATE TABLE piece (tx INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX piece_tx ON piece (tx);
CREATE TABLE cell (block TEXT NOT NULL, start INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (block, start))
    WITHOUT ROWID;
"""


class Sqlite:
    """Two files in a directory."""

    def __init__(self, place: str) -> None:
        self._journal = _connect(f"{place}/journal.db", "FULL")
        self._views = _connect(f"{place}/views.db", "NORMAL")

    def create(self) -> None:
        self._journal.executescript(JOURNAL)
        self._views.executescript(VIEWS)

    def append(self, number: int, hashed: bytes, body: bytes) -> None:
        self._journal.execute("INSERT INTO page VALUES (?, ?, ?)", (number, hashed, body))

    def read(self, after: int, limit: int) -> list[bytes]:
        text = "SELECT body FROM page WHERE number > ? ORDER BY number LIMIT ?"
        return [body for (body,) in self._journal.execute(text, (after, limit))]

    def write(self, made: Rows, ended: Rows, pieces: Rows, cells: Rows) -> None:
        views = self._views
        views.execute("BEGIN")
        views.executemany("INSERT INTO tx VALUES (?, ?, ?, ?, ?, ?, ?, ?)", made)
        views.executemany("UPDATE tx SET ended=?, status=?, state=? WHERE row=?", ended)
        views.executemany("DELETE FROM piece WHERE tx=?", [row[-1:] for row in ended])
        views.executemany("INSERT INTO piece VALUES (?, ?)", pieces)
        views.executemany("INSERT OR REPLACE INTO cell VALUES (?, ?, ?)", cells)
        views.execute("COMMIT")

    def ended(self) -> int:
        found: int = self._views.execute("SELECT count(*) FROM tx WHERE status != 'open'").fetchone()[0]
        return found


def _connect(path: str, synchronous: str) -> sqlite3.Connection:
    made = sqlite3.connect(path, isolation_level=None)
    made.execute("PRAGMA journal_mode=WAL").fetchall()
    made.execute(f"PRAGMA synchronous={synchronous}").fetchall()
    return made


class Mongodb:
    """One database, whose name ends the URL; it is emptied."""

    def __init__(self, place: str) -> None:
        self._client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
            place, w="majority", journal=True
        )
        self._database = self._client.get_default_database()

    def create(self) -> None:
        self._client.drop_database(self._database.name)
        for index in ([("opened", 1), ("_id", 1)], [("object", 1)], [("customer", 1)]):
            self._database.tx.create_index(index)
        self._database.tx.create_index("id", unique=True)
        self._database.piece.create_index("tx")
        self._database.create_collection("page")
        self._database.create_collection("cell")

    def append(self, number: int, hashed: bytes, body: bytes) -> None:
        self._database.page.insert_one({"_id": number, "hash": hashed, "body": body})

    def read(self, after: int, limit: int) -> list[bytes]:
        return [
            page["body"]
            for page in self._database.page.find({"_id": {"$gt": after}}).sort("_id").limit(limit)
        ]

    def write(self, made: Rows, ended: Rows, pieces: Rows, cells: Rows) -> None:
        names = ("_id", "id", "opened", "ended", "status", "object", "customer", "state")
        changed = [
            pymongo.UpdateOne({"_id": row}, {"$set": {"ended": at, "status": status, "state": state}})
            for at, status, state, row in ended
        ]
        counted = [
            pymongo.ReplaceOne({"_id": f"{block}/{start}"}, {"body": body}, upsert=True)
            for block, start, body in cells
        ]
        database = self._database
        with self._client.start_session() as session, session.start_transaction():
            if made:
                documents = [dict(zip(names, row, strict=True)) for row in made]
                database.tx.insert_many(documents, ordered=False, session=session)
            if changed:
                database.tx.bulk_write(changed, ordered=False, session=session)
                gone = [row[-1] for row in ended]
                database.piece.delete_many({"tx": {"$in": gone}}, session=session)
            if pieces:
                added = [{"tx": row, "body": body} for row, body in pieces]
                database.piece.insert_many(added, ordered=False, session=session)
            if counted:
                database.cell.bulk_write(counted, ordered=False, session=session)

    def ended(self) -> int:
        return self._database.tx.count_documents({"status": {"$ne": "open"}})


def opened(place: str) -> Sqlite | Mongodb:
    return Mongodb(place) if place.startswith("mongodb") else Sqlite(place)


def told(workload: Workload) -> list[bytes]:
    """Lines with whole numbers for instants."""
    return [msgspec.json.encode(_with_numbers(record)) for record in records(workload)]


def _with_numbers(record: dict[str, Any]) -> dict[str, Any]:
    return {
        name: parse_instant(value, name) if name.endswith("_at") else value for name, value in record.items()
    }


def take(place: str, sent: list[bytes], answer: Connection) -> None:
    """The server: decode, pack, chain, commit."""
    store = opened(place)
    decode, encode = msgspec.json.Decoder(Told).decode_lines, msgspec.msgpack.Encoder().encode
    compress = zstandard.ZstdCompressor(level=1).compress
    hashed = b""
    answer.send(None)
    answer.recv()
    began = process_time()
    for number, first in enumerate(range(0, len(sent), BODIES_A_PAGE), 1):
        held = [record for body in sent[first : first + BODIES_A_PAGE] for record in decode(body)]
        body = compress(encode([msgspec.structs.astuple(record) for record in held]))
        hashed = sha256(hashed + body).digest()
        store.append(number, hashed, body)
    answer.send(process_time() - began)


def project(place: str, pages: int, answer: Connection) -> None:
    """The projector: read, gather, write."""
    store = opened(place)
    decode = msgspec.msgpack.Decoder(list[Record]).decode
    decompress = zstandard.ZstdDecompressor().decompress
    projection = Projection(store)
    answer.send(None)
    answer.recv()
    began, done = process_time(), 0
    while done < pages:
        found = store.read(done, PAGES_A_BATCH)
        if not found:
            sleep(0.001)
            continue
        done += len(found)
        projection.write([record for body in found for record in decode(decompress(body))])
    answer.send(process_time() - began)


class Projection:
    """States of open transactions in memory; a row a transaction, and until it ends a piece a batch, in the store."""

    def __init__(self, store: Sqlite | Mongodb) -> None:
        self._store = store
        self._open: dict[str, tuple[int, list[Record]]] = {}
        self._rows = 0
        self._cells: defaultdict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0, 0])

    def write(self, batch: list[Record]) -> None:
        came = defaultdict[str, list[Record]](list)
        touched = set[tuple[str, int]]()
        for record in batch:
            came[record.id if record.kind == "transaction" else record.transaction].append(record)
            if record.kind == "block":
                cell = (record.block, record.started_at // MINUTE_US)
                counted = self._cells[cell]
                counted[0] += 1
                counted[1] += record.started_at - record.queued_at
                counted[2] += record.ended_at - record.started_at
                touched.add(cell)
        made, ended, pieces = [], [], []
        for key, these in came.items():
            known = self._open.pop(key, None)
            row, state = (0, these) if known is None else (known[0], known[1] + these)
            if known is None:
                row = self._rows = self._rows + 1
                made.append(_row(row, key, state))
            elif state[-1].outcome:
                ended.append((*_end(state), row))
            if not state[-1].outcome:
                self._open[key] = row, state
                pieces.append((row, _encode(these)))
        cells = [(*cell, _encode(self._cells[cell])) for cell in touched]
        self._store.write(made, ended, pieces, cells)


_encode = msgspec.msgpack.Encoder().encode
_compress = zstandard.ZstdCompressor(level=1).compress


def _row(row: int, key: str, state: list[Record]) -> tuple[Any, ...]:
    first = state[0]
    customer = first.keys["customer"] if first.keys else ""
    ended = _end(state) if state[-1].outcome else (None, "open", b"")
    return row, bytes.fromhex(key), first.created_at, *ended[:2], first.object_id, customer, ended[2]


def _end(state: list[Record]) -> tuple[int, str, bytes]:
    return state[-1].ended_at, state[-1].outcome, _compress(_encode(state))


def run(workload: Workload, lines: list[bytes], url: str) -> Iterator[tuple[str, float]]:
    """(figure, value) of one run."""
    reference = 1 / reference_rate(list(bodies(workload)))
    yield "json.loads, µs a record", reference * 1e6
    sent = [b"\n".join(lines[at : at + RECORDS_A_BODY]) for at in range(0, len(lines), RECORDS_A_BODY)]
    pages = -(-len(sent) // BODIES_A_PAGE)
    with TemporaryDirectory() as directory:
        store = opened(url or directory)
        store.create()
        took, wall = _together(url or directory, sent, pages)
        assert store.ended() == len(lines) // RECORDS_A_TRANSACTION
    yield "intake, µs of processor time", took[0] / len(lines) * 1e6
    yield "projector, µs of processor time", took[1] / len(lines) * 1e6
    yield "until written, µs of wall time", wall / len(lines) * 1e6
    yield "until written, × json.loads", reference * len(lines) / wall


def _together(place: str, sent: list[bytes], pages: int) -> tuple[list[float], float]:
    """Processor seconds of both processes, and the wall time of the slower."""
    context = get_context("spawn")
    ends = [Pipe(), Pipe()]
    works = [
        context.Process(target=take, args=(place, sent, ends[0][1])),
        context.Process(target=project, args=(place, pages, ends[1][1])),
    ]
    for work, (_, there) in zip(works, ends, strict=True):
        work.start()
        there.close()  # so that the end of a process is one's own end too
    for here, _ in ends:
        here.recv()
    began = perf_counter()
    for here, _ in ends:
        here.send(None)
    took = [here.recv() for here, _ in ends]
    wall = perf_counter() - began
    for work in works:
        work.join()
    return took, wall


def main(transactions: int = 50_000, open_transactions: int = 1, runs: int = 3, *, url: str = "") -> None:
    workload = Workload(transactions, open_transactions)
    lines = told(workload)
    found: defaultdict[str, list[float]] = defaultdict(list)
    for _ in range(runs):
        for name, value in run(workload, lines, url):
            found[name].append(value)
    print(f"{len(lines)} records, {open_transactions} transactions open at a time, median of {runs} runs")
    for name, values in found.items():
        print(f"{name:<36}{median(values):8.2f}")


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:4]]
    main(*numbers, url="".join(sys.argv[4:5]))
