"""Exports over HTTP: a stream that ends well, or that everybody sees break."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from urllib.parse import urlsplit

import httpx2
import pytest
from starlette.requests import ClientDisconnect

from flowtrail.model.errors import StoreUnavailable
from flowtrail.query.export import FORMATS, Export
from flowtrail.server import exporting
from flowtrail.server.connection import ABORT
from flowtrail.server.reading import ReadPool
from tests.support.served import problem, served, transaction, transaction_id
from tests.support.stories import story

TYPES = {"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8", "ocel2-json": "application/json"}
PATIENCE_S = 20


@pytest.fixture(scope="module")
def filled():
    """A server that knows enough for an export of many parts."""
    with served() as running:
        running.seen(*story(3, 1_500))
        yield running


def eventually(true):
    until = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


@contextlib.contextmanager
def half_read(running, path):
    """A client that has sent a request and read the first bytes of its answer."""
    place = urlsplit(running.url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        yield connection


@pytest.mark.parametrize("format", FORMATS)
def test_an_export_is_a_file_of_its_own_type(filled, format):
    answer = filled.get("/v1/export", format=format)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == TYPES.get(format, "application/xml")
    assert answer.headers["content-disposition"].startswith('attachment; filename="flowtrail.')
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["transfer-encoding"] == "chunked"
    assert len(answer.content) > 100_000


def test_without_a_format_records_come(filled):
    lines = filled.get("/v1/export").text.splitlines()

    assert {json.loads(line)["kind"] for line in lines} == {"flow", "transaction", "block", "end", "link"}


def test_an_export_holds_what_the_list_holds_in_its_order(filled):
    q, seen, token = "status:delivered -block:map/failed", [], {}
    while token is not None:
        page = filled.get("/v1/transactions", q=q, page_size="1000", **token).json()
        seen += [row["id"] for row in page["transactions"]]
        token = {"page_token": page["next_page_token"]} if page["next_page_token"] else None

    lines = filled.get("/v1/export", format="ndjson", content="transactions", q=q).text.splitlines()

    assert [json.loads(line)["id"] for line in lines] == seen


def test_a_transaction_comes_as_the_api_shows_it(filled):
    lines = filled.get("/v1/export", content="transactions").text.splitlines()

    for line in lines[::150]:
        told = json.loads(line)
        shown = filled.get(f"/v1/transactions/{told['id']}").json()
        assert told == {name: shown[name] for name in told}


@pytest.mark.parametrize(
    ("parameters", "code", "field", "allowed"),
    [
        ({"format": "parquet"}, "unknown_format", "format", "ndjson, csv, ocel2-json, xes"),
        ({"format": "csv", "content": "records"}, "unknown_content", "content", "transactions, executions"),
        ({"q": "status:"}, "invalid_query", "q", None),
        ({"from": "now"}, "invalid_instant", "from", None),
        ({"page_size": "5"}, "unknown_parameter", "page_size", "format, content, q, from, to"),
    ],
)
def test_what_cannot_be_exported_is_a_problem(filled, parameters, code, field, allowed):
    told = problem(filled.get("/v1/export", **parameters), 400, code)

    assert told["field"] == field
    assert allowed is None or told["allowed"] == allowed


def test_an_export_has_no_other_method(filled):
    for method in ("HEAD", "POST", "DELETE"):
        assert filled.client.request(method, "/v1/export").status_code == 405


def test_an_export_waits_for_what_was_written(filled):
    token = filled.written(transaction(9_999, object_id="written last"))

    answer = filled.client.get(
        "/v1/export",
        params={"q": '"written last"', "content": "transactions"},
        headers={"Flowtrail-After": token},
    )

    assert json.loads(answer.text)["id"] == transaction_id(9_999)


def test_a_slow_store_holds_up_who_exports_and_nobody_else(monkeypatch):
    with served() as running:
        running.seen(transaction(1))
        asked, go_on = threading.Event(), threading.Event()
        cells = running.store.cells.cells

        def slow(*arguments):
            asked.set()
            go_on.wait(PATIENCE_S)
            return cells(*arguments)

        monkeypatch.setattr(running.store.cells, "cells", slow)
        exporting = threading.Thread(target=running.get, args=("/v1/export",), kwargs={"q": "is:stuck"})
        exporting.start()
        try:
            assert asked.wait(PATIENCE_S)
            with httpx2.Client(base_url=running.url, timeout=2) as another:
                assert another.get("/healthz").status_code == 200
        finally:
            go_on.set()
            exporting.join()


def test_an_export_is_described(filled):
    described = filled.get("/openapi.json").json()["paths"]["/v1/export"]["get"]

    assert described["parameters"][0]["schema"]["enum"] == list(FORMATS)
    assert set(described["responses"]["200"]["content"]) == {
        "application/x-ndjson",
        "text/csv",
        "application/json",
        "application/xml",
    }


@pytest.mark.parametrize("format", FORMATS)
def test_a_store_that_fails_in_the_middle_breaks_the_transfer_off(format, monkeypatch):
    with served() as running:
        running.seen(*story(4, 1_200))
        reader = running.store.transactions
        find, select, page = reader.find_many, reader.select, running.store.journal.iter_pages
        calls = 0

        def failing(call, after):
            def fails(*arguments, **more):
                nonlocal calls
                calls += 1
                if calls > after:
                    raise StoreUnavailable("the disk is gone")
                return call(*arguments, **more)

            return fails

        def few_pages(*arguments):
            for number, each in enumerate(page(*arguments)):
                if number > 1:
                    raise StoreUnavailable("the disk is gone")
                yield each

        monkeypatch.setattr(reader, "find_many", failing(find, 3))
        monkeypatch.setattr(reader, "select", failing(select, 1) if format == "csv" else select)
        monkeypatch.setattr(running.store.journal, "iter_pages", few_pages)

        with running.client.stream("GET", "/v1/export", params={"format": format}) as answer:
            assert answer.status_code == 200
            with pytest.raises(httpx2.RemoteProtocolError):
                list(answer.iter_bytes())

        eventually(lambda: running.services.exports.under_way == 0)
        monkeypatch.undo()
        assert running.get("/v1/export", format=format).status_code == 200


def test_a_store_that_fails_at_once_is_a_problem(monkeypatch):
    with served() as running:
        running.seen(transaction(1))

        def fails(*_):
            raise StoreUnavailable("the disk is gone")

        monkeypatch.setattr(running.store.transactions, "select", fails)

        problem(running.get("/v1/export", format="csv"), 503, "store_unavailable")
        assert running.services.exports.under_way == 0


@pytest.mark.parametrize("format", ["ndjson", "ocel2-json"])
def test_a_client_that_leaves_ends_its_export(filled, format):
    with half_read(
        filled, f"/v1/export?format={format}&content={'transactions' if format == 'ndjson' else 'log'}"
    ):
        eventually(lambda: filled.services.exports.under_way == 1)

    eventually(lambda: filled.services.exports.under_way == 0)
    eventually(lambda: filled.services.reads.under_way == 0)


def test_clients_that_read_slowly_hold_no_thread(filled):
    paths = ["/v1/export?format=xes"] * (exporting.MOST - 1)
    with contextlib.ExitStack() as stack:
        for path in paths:
            stack.enter_context(half_read(filled, path))
        eventually(lambda: filled.services.reads.under_way == 0)

        for _ in range(20):
            assert filled.get("/v1/transactions").status_code == 200
        assert filled.services.exports.under_way == len(paths)

    eventually(lambda: filled.services.exports.under_way == 0)


def test_one_export_too_many_is_told_to_come_back(filled, monkeypatch):
    monkeypatch.setattr(exporting, "MOST", 1)
    with half_read(filled, "/v1/export?format=xes"):
        refused = filled.get("/v1/export")

        problem(refused, 503, "too_many_exports")
        assert refused.headers["retry-after"] == "10"
    eventually(lambda: filled.services.exports.under_way == 0)
    assert filled.get("/v1/export").status_code == 200


def test_a_client_that_takes_nothing_is_cut(filled, monkeypatch):
    monkeypatch.setattr(exporting, "STALLED_S", 0.2)
    with half_read(filled, "/v1/export?format=xes"):
        eventually(lambda: filled.services.exports.under_way == 1)
        eventually(lambda: filled.services.exports.under_way == 0)


async def streamed(parts, send):
    """An export of these parts, sent; whether its connection was cut."""
    cut = []
    reads = ReadPool(1, 10)
    exports = exporting.Exports(reads, 1)
    export = Export("text/plain", "flowtrail.txt", (part for part in parts))
    answer = await exports.answer(export, {})
    with contextlib.suppress(ClientDisconnect):
        await answer({ABORT: lambda: cut.append(True)}, asyncio.Event().wait, send)
    reads.close()
    assert exports.under_way == 0
    return bool(cut)


@pytest.mark.parametrize("untaken", ["http.response.start", b"part", b""])
def test_a_client_that_takes_nothing_is_cut_wherever_it_stops(untaken, monkeypatch):
    monkeypatch.setattr(exporting, "STALLED_S", 0.1)

    async def send(message):
        if untaken in (message["type"], message.get("body")):
            await asyncio.Event().wait()

    assert asyncio.run(asyncio.wait_for(streamed([b"part"], send), PATIENCE_S))


def test_a_part_of_any_size_is_sent_in_pieces_that_a_slow_line_takes_in_time():
    part = bytes(range(256)) * 5_000
    sent = []

    async def send(message):
        sent.append(message.get("body", b""))

    assert not asyncio.run(streamed([part, b"", b"end"], send))
    assert b"".join(sent) == part + b"end"
    assert max(map(len, sent)) <= exporting.SENT_BYTES


def test_a_server_that_stops_breaks_its_exports_off():
    with contextlib.ExitStack() as client:
        with served(drain_s=1) as running:
            running.seen(*story(5, 1_500))
            connection = client.enter_context(half_read(running, "/v1/export?format=xes"))
            eventually(lambda: running.services.exports.under_way == 1)

        assert running.services.exports.under_way == 0
        connection.settimeout(PATIENCE_S)
        got = b""
        with contextlib.suppress(ConnectionResetError):
            while len(got) < 10_000 and (more := connection.recv(65_536)):
                got += more
        assert b"</log>" not in got


def test_a_busy_pool_delays_an_export_and_does_not_break_it(filled):
    gate = threading.Event()
    held = []
    try:
        with filled.client.stream(
            "GET", "/v1/export", params={"format": "csv", "content": "executions"}
        ) as answer:
            parts = answer.iter_bytes()
            first = next(parts)
            reads = filled.services.reads
            while len(held) < reads._most - 2:
                held.append(reads._pool.submit(gate.wait, PATIENCE_S))
            threading.Timer(0.3, gate.set).start()
            rest = b"".join(parts)
    finally:
        gate.set()

    assert (first + rest).endswith(b"\r\n")
    assert (first + rest).count(b"\n") > 5_000


def test_exports_go_on_while_records_are_written(filled):
    stop = threading.Event()

    def write():
        number = 20_000
        while not stop.is_set():
            number += 1
            filled.written(transaction(number))

    before = {
        row["id"]
        for row in map(json.loads, filled.get("/v1/export", content="transactions").text.splitlines())
    }
    writer = threading.Thread(target=write)
    writer.start()
    try:
        lines = filled.get("/v1/export", content="transactions").text.splitlines()
    finally:
        stop.set()
        writer.join(PATIENCE_S)

    ids = [json.loads(line)["id"] for line in lines]
    assert len(set(ids)) == len(ids)
    assert before <= set(ids)
