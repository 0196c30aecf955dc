"""What the least work possible reaches here: a bound for the figures of `flowtrail bench`, in the same unit.

    .venv/bin/python benchmarks/bare.py [TRANSACTIONS [OPEN_TRANSACTIONS [RUNS]]]

Two processes on SQLite, as small as they can be written: one decodes bodies and commits chained pages with
`synchronous=FULL`, the other reads them, gathers, and writes a row a transaction, with two keys, pieces while it is
open, and cells of one width.
No HTTP, no instants to parse, no validation, no leaves, no terms, no lease, no replay, no late record: what a server
has to do is missing on purpose, so that a ratio this does not reach is out of reach of a server written likewise.
"""

import sqlite3
import sys
from collections import defaultdict
from collections.abc import Iterator
from hashlib import sha256
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time, sleep
from typing import Any

import msgspec
import zstandard

from flowtrail.cli.bench.reference import reference_rate
from flowtrail.model.instants import parse_instant
from flowtrail.simulator.workload import RECORDS_A_TRANSACTION, Workload, bodies, records

RECORDS_A_BODY = 500
BODIES_A_PAGE = 4
RECORDS_A_BATCH = 20_000
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


def connect(path: Path, synchronous: str) -> sqlite3.Connection:
    made = sqlite3.connect(path, isolation_level=None)
    made.execute("PRAGMA journal_mode=WAL").fetchall()
    made.execute(f"PRAGMA synchronous={synchronous}").fetchall()
    return made


def told(workload: Workload) -> list[bytes]:
    """Lines with whole numbers for instants."""
    return [msgspec.json.encode(_with_numbers(record)) for record in records(workload)]


def _with_numbers(record: dict[str, Any]) -> dict[str, Any]:
    return {
        name: parse_instant(value, name) if name.endswith("_at") else value for name, value in record.items()
    }


def take(at: Path, sent: list[bytes], answer: Connection) -> None:
    """The server: decode, pack, chain, commit."""
    journal = connect(at / "journal.db", "FULL")
    decode, encode = msgspec.json.Decoder(Told).decode_lines, msgspec.msgpack.Encoder().encode
    compress = zstandard.ZstdCompressor(level=1).compress
    hashed = b""
    answer.send(None)
    answer.recv()
    began = process_time()
    for first in range(0, len(sent), BODIES_A_PAGE):
        held = [record for body in sent[first : first + BODIES_A_PAGE] for record in decode(body)]
        body = compress(encode([msgspec.structs.astuple(record) for record in held]))
        hashed = sha256(hashed + body).digest()
        journal.execute("INSERT INTO page (hash, body) VALUES (?, ?)", (hashed, body))
    answer.send(process_time() - began)


def project(at: Path, pages: int, answer: Connection) -> None:
    """The projector: read, fold, write."""
    views = connect(at / "views.db", "NORMAL")
    journal = connect(at / "journal.db", "FULL")
    decode = msgspec.msgpack.Decoder(list[Record]).decode
    decompress = zstandard.ZstdDecompressor().decompress
    projection = Projection(views)
    answer.send(None)
    answer.recv()
    began, done = process_time(), 0
    while done < pages:
        found = journal.execute(
            "SELECT body FROM page WHERE number > ? ORDER BY number LIMIT ?", (done, RECORDS_A_BATCH // 2_000)
        ).fetchall()
        if not found:
            sleep(0.001)
            continue
        done += len(found)
        projection.write([record for (body,) in found for record in decode(decompress(body))])
    answer.send(process_time() - began)


class Projection:
    """States of open transactions in memory; a row a transaction, and until it ends a piece a batch, in the store."""

    def __init__(self, views: sqlite3.Connection) -> None:
        self._views = views
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
        made, ended, pieces, done = [], [], [], []
        for key, these in came.items():
            known = self._open.pop(key, None)
            row, state = (0, these) if known is None else (known[0], known[1] + these)
            if known is None:
                row = self._rows = self._rows + 1
                made.append(_row(row, key, state))
            elif state[-1].outcome:
                ended.append((*_end(state), row))
                done.append((row,))
            if not state[-1].outcome:
                self._open[key] = row, state
                pieces.append((row, _encode(these)))
        self._write(made, ended, pieces, done, [(*cell, _encode(self._cells[cell])) for cell in touched])

    def _write(self, made: Rows, ended: Rows, pieces: Rows, done: Rows, cells: Rows) -> None:
        views = self._views
        views.execute("BEGIN")
        views.executemany("INSERT INTO tx VALUES (?, ?, ?, ?, ?, ?, ?, ?)", made)
        views.executemany("UPDATE tx SET ended=?, status=?, state=? WHERE row=?", ended)
        views.executemany("INSERT INTO piece VALUES (?, ?)", pieces)
        views.executemany("DELETE FROM piece WHERE tx=?", done)
        views.executemany("INSERT OR REPLACE INTO cell VALUES (?, ?, ?)", cells)
        views.execute("COMMIT")


_encode = msgspec.msgpack.Encoder().encode
_compress = zstandard.ZstdCompressor(level=1).compress


def _row(row: int, key: str, state: list[Record]) -> tuple[Any, ...]:
    first = state[0]
    customer = first.keys["customer"] if first.keys else ""
    ended = _end(state) if state[-1].outcome else (None, "open", b"")
    return row, bytes.fromhex(key), first.created_at, *ended[:2], first.object_id, customer, ended[2]


def _end(state: list[Record]) -> tuple[int, str, bytes]:
    return state[-1].ended_at, state[-1].outcome, _compress(_encode(state))


def run(workload: Workload, lines: list[bytes]) -> Iterator[tuple[str, float]]:
    """(figure, value) of one run."""
    reference = 1 / reference_rate(list(bodies(workload)))
    yield "json.loads, µs a record", reference * 1e6
    sent = [b"\n".join(lines[at : at + RECORDS_A_BODY]) for at in range(0, len(lines), RECORDS_A_BODY)]
    pages = -(-len(sent) // BODIES_A_PAGE)
    with TemporaryDirectory() as directory:
        at = Path(directory)
        connect(at / "journal.db", "FULL").executescript(JOURNAL)
        connect(at / "views.db", "NORMAL").executescript(VIEWS)
        took, wall = _together(at, sent, pages)
        assert connect(at / "views.db", "NORMAL").execute(
            "SELECT count(*) FROM tx WHERE status != 'open'"
        ).fetchone() == (len(lines) // RECORDS_A_TRANSACTION,)
    yield "intake, µs of processor time", took[0] / len(lines) * 1e6
    yield "projector, µs of processor time", took[1] / len(lines) * 1e6
    yield "until written, µs of wall time", wall / len(lines) * 1e6
    yield "until written, × json.loads", reference * len(lines) / wall


def _together(at: Path, sent: list[bytes], pages: int) -> tuple[list[float], float]:
    """Processor seconds of both processes, and the wall time of the slower."""
    context = get_context("spawn")
    ends = [Pipe(), Pipe()]
    works = [
        context.Process(target=take, args=(at, sent, ends[0][1])),
        context.Process(target=project, args=(at, pages, ends[1][1])),
    ]
    for work in works:
        work.start()
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


def main(transactions: int = 50_000, open_transactions: int = 1, runs: int = 3) -> None:
    workload = Workload(transactions, open_transactions)
    lines = told(workload)
    found: defaultdict[str, list[float]] = defaultdict(list)
    for _ in range(runs):
        for name, value in run(workload, lines):
            found[name].append(value)
    print(f"{len(lines)} records, {open_transactions} transactions open at a time, median of {runs} runs")
    for name, values in found.items():
        print(f"{name:<36}{median(values):8.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
