"""Requests that are not what they should be: each gets a problem or a closed connection, and nobody else notices."""

import json
import re
import socket
import threading
import time
from urllib.parse import urlsplit

import pytest

from flowtrail.server import bodies, connection
from tests.support.faults import until
from tests.support.served import ndjson, served, transaction

HOST = b"Host: localhost\r\n"
CLOSE = HOST + b"Connection: close\r\n\r\n"
POST = b"POST /v1/records HTTP/1.1\r\n" + HOST + b"Content-Type: application/x-ndjson\r\n"


def status_of(got: bytes) -> int:
    assert got.startswith(b"HTTP/1.1 "), got
    return int(got[9:12])


def statuses_of(got: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", got)]


def open_connection(server):
    place = urlsplit(server.url)
    return socket.create_connection((place.hostname, place.port), timeout=10)


@pytest.fixture(scope="module")
def server():
    """One for all: whatever these requests are, it has to stay as it was."""
    with served() as running:
        yield running


@pytest.fixture(autouse=True)
def _others_do_not_notice(server):
    yield
    assert server.get("/healthz").status_code == 200
    # It is given back when the answer is on its way, which may be after it has arrived.
    patience = time.monotonic() + 5
    while server.services.bodies.held and time.monotonic() < patience:
        time.sleep(0.01)
    assert server.services.bodies.held == 0


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"FROBNICATE / HTTP/1.1\r\n" + CLOSE,
        b"GET / HTTP/9.9\r\n" + CLOSE,
        b"GET /\x01 HTTP/1.1\r\n" + CLOSE,
        b"GET / HTTP/1.1\r\nBad Header: x\r\n" + CLOSE,
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n12345",
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: 1_0\r\n\r\n",
        POST + b"Content-Length: 99999999999999999999999\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"CONNECT localhost:80 HTTP/1.1\r\n" + CLOSE,
        b"OPTIONS * HTTP/1.1\r\n" + CLOSE,
    ],
)
def test_what_is_no_request_is_400_as_a_problem(server, sent):
    got = server.raw(sent)

    assert status_of(got) in {400, 404}, got
    assert b"application/problem+json" in got
    assert b"\r\nconnection: close\r\n" in got.lower()


@pytest.mark.parametrize(
    ("behind", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", 431),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    ],
    ids=["garbage", "giant head", "broken body"],
)
@pytest.mark.parametrize("before", [1, 3])
def test_requests_are_answered_before_what_cannot_be_read_behind_them(server, before, behind, status):
    got = server.raw((b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n") * before + behind)

    assert statuses_of(got) == [200] * before + [status]
    assert got.count(b"\r\nconnection: close\r\n") == 1


def test_a_broken_body_is_answered_once_also_where_its_head_was_refused(server, caplog):
    got = server.raw(b"POST /v1/flows HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n")

    assert statuses_of(got) == [400]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAA\r\n"


@pytest.mark.parametrize("coding", ["length", "chunks"])
@pytest.mark.parametrize("parts", ["at once", "in parts"])
def test_who_offers_http_2_is_answered_in_http_1_with_body_and_all(server, coding, parts):
    body = ndjson([transaction(9)])
    framed = {
        "length": b"Content-Length: %d\r\n\r\n%b" % (len(body), body),
        "chunks": b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body),
    }[coding]
    sent = (POST + OFFER + framed) * 2 + b"GET /healthz HTTP/1.1\r\n" + OFFER + CLOSE
    with open_connection(server) as client:
        for part in [sent] if parts == "at once" else [sent[at : at + 1] for at in range(len(sent))]:
            client.sendall(part)
        got = b"".join(iter(lambda: client.recv(65_536), b""))

    assert statuses_of(got) == [200, 200, 200]
    assert got.count(b'"accepted":1') == 2


def test_an_offer_of_another_protocol_for_no_path_is_400(server):
    assert statuses_of(server.raw(b"GET http:/// HTTP/1.1\r\n" + HOST + OFFER + b"\r\n")) == [400]


def test_what_came_behind_a_broken_request_is_not_read(server):
    got = server.raw(
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\nnonsense\r\n\r\nGET /healthz HTTP/1.1\r\n" + CLOSE
    )

    assert statuses_of(got) == [200, 400]


def test_a_follower_who_leaves_is_let_go_whatever_he_asked_behind_it(server):
    with open_connection(server) as client:
        client.sendall(
            b"GET /v1/live HTTP/1.1\r\n" + HOST + b"\r\nGET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
        )
        until(lambda: server.services.hub.count == 1)

    # Well before the next comment to him fails.
    until(lambda: server.services.hub.count == 0, timeout_s=5)


def test_a_host_that_stands_twice_is_refused(server):
    got = server.raw(
        b"GET /v1/flows HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    )
    assert status_of(got) == 400
    assert b'"received":"localhost, evil.example","allowed":"one Host"' in got
    got = server.raw(
        b"GET /v1/flows HTTP/1.1\r\nHost: evil.example\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    assert status_of(got) == 400


@pytest.mark.parametrize(
    "path", [b"/v1/transactions/%ff", b"/v1/transactions/%zz", b"/v1/flows/a%00b", b"/%"]
)
def test_a_path_that_is_not_percent_encoded_utf_8_is_400(server, path):
    got = server.raw(b"GET " + path + b" HTTP/1.1\r\n" + CLOSE)

    assert status_of(got) == 400
    refused = json.loads(got.partition(b"\r\n\r\n")[2])
    assert (refused["code"], refused["field"], refused["received"]) == (
        "malformed_path",
        "path",
        path.decode(),
    )
    assert refused["allowed"]


@pytest.mark.parametrize(
    ("query", "field", "received"),
    [
        (b"q=map&from=%zz", "from", "from=%zz"),
        (b"q=%ff", "q", "q=%ff"),
        (b"%ff=1", "\ufffd", "%ff=1"),
        (b"q=%C3&%A9", "q", "q=%C3"),
        (b"a&" * 64 + b"a", "query string", "65 parameters"),
    ],
)
def test_a_query_string_that_cannot_be_read_is_refused_by_the_parameter_it_is(server, query, field, received):
    got = server.raw(b"GET /v1/transactions?" + query + b" HTTP/1.1\r\n" + CLOSE)

    refused = json.loads(got.partition(b"\r\n\r\n")[2])
    assert (refused["status"], refused["code"]) == (400, "malformed_query_string")
    assert (refused["field"], refused["received"]) == (field, received)
    assert refused["allowed"]


@pytest.mark.parametrize("parts", [1, 40], ids=["at once", "in parts"])
@pytest.mark.parametrize("what", ["one header", "many headers", "path"])
def test_a_giant_head_is_431_and_the_end_of_the_connection(server, what, parts):
    head = {
        "one header": b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000,
        "many headers": b"GET / HTTP/1.1\r\n" + b"\r\n".join(b"X-%d: y" % n for n in range(20_000)),
        "path": b"GET /" + b"x" * 200_000,
    }[what]
    if parts == 1:
        head += b"\r\n" + CLOSE if what != "path" else b" HTTP/1.1\r\n" + CLOSE
    with open_connection(server) as client:
        size = len(head) // parts + 1
        got = b""
        try:
            for start in range(0, len(head), size):
                client.sendall(head[start : start + size])
            while more := client.recv(65_536):
                got += more
        except (BrokenPipeError, ConnectionResetError):
            pass

    assert not got or status_of(got) == 431


def test_a_head_just_below_the_limit_is_fine(server):
    got = server.raw(b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 60_000 + b"\r\n" + CLOSE)

    assert status_of(got) == 200


def test_a_large_body_in_tiny_chunks_is_no_giant_head(server):
    line = b'{"kind":"nonsense"}\n'
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in line * 2_000)

    got = server.raw(
        POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    )

    assert status_of(got) == 400
    assert b"nothing_accepted" in got


def test_trailers_say_nothing_and_may_not_be_endless(server):
    begun = POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n"

    assert status_of(server.raw(begun + b"Authorization: x\r\n\r\n")) == 400
    got = server.raw(begun + b"X: " + b"x" * 2_000_000)
    assert not got or status_of(got) == 431


def test_a_head_that_does_not_come_is_given_up(server, monkeypatch):
    monkeypatch.setattr(connection, "HEAD_PATIENCE_S", 0.2)
    with open_connection(server) as silent, open_connection(server) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")

        assert status_of(slow.recv(65_536)) == 408
        assert silent.recv(65_536) == b""


def test_a_body_that_does_not_come_is_given_up(server, monkeypatch):
    monkeypatch.setattr(bodies, "PATIENCE_S", 0.2)
    with open_connection(server) as slow:
        slow.sendall(POST + b"Content-Length: 100\r\n\r\n{")
        got = slow.recv(65_536)

    assert status_of(got) == 408
    assert b"slow_body" in got


def test_a_body_of_which_nothing_comes_is_given_up(server, monkeypatch):
    monkeypatch.setattr(bodies, "PATIENCE_S", 0.2)
    for length in (b"100", b"5000000"):
        with open_connection(server) as slow:
            slow.sendall(POST + b"Content-Length: " + length + b"\r\n\r\n")
            assert status_of(slow.recv(65_536)) == 408


@pytest.mark.parametrize("size", [10, 1_000_000, 3_000_000])
def test_a_body_may_come_byte_by_byte_or_in_one(server, size):
    body = b" " * (size - 19) + b'{"kind":"nonsense"}' if size > 19 else b"x" * size
    for part in (len(body), 700_001, 7):
        with open_connection(server) as client:
            client.sendall(POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body))
            for start in range(0, min(len(body), part * 50), part):
                client.sendall(body[start : start + part])
            client.sendall(body[min(len(body), part * 50) :])
            got = client.recv(65_536)
        assert b"nothing_accepted" in got, got


def test_a_client_that_leaves_in_the_middle_of_its_body_costs_nothing(server):
    with open_connection(server) as gone:
        gone.sendall(POST + b"Content-Length: 100\r\n\r\n{")
        until(lambda: server.server.server_state.tasks)

    until(lambda: not server.server.server_state.tasks)
    assert b'status="499"' in server.get("/metrics").content


def test_a_body_longer_than_it_said_ends_the_connection_after_its_answer(server):
    got = server.raw(POST + b"Content-Length: 19\r\n\r\n" + b'{"kind":"nonsense"}' + b"GARBAGE\x00\r\n\r\n")

    assert b"nothing_accepted" in got or status_of(got) == 400


def test_pipelined_requests_are_answered_in_their_order(server):
    one = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"

    got = server.raw(one + one + b"GET /nope HTTP/1.1\r\n" + CLOSE)

    assert got.count(b"HTTP/1.1 200") == 2
    assert got.index(b"HTTP/1.1 404") > got.rindex(b"HTTP/1.1 200")


def test_a_websocket_is_not_to_be_had(server):
    upgrade = (
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n"
    )

    got = server.raw(
        b"GET /v1/live HTTP/1.1\r\n"
        + HOST
        + upgrade.replace(b"Upgrade\r\n", b"Upgrade, close\r\n", 1)
        + b"\r\n"
    )

    assert status_of(got) in {200, 400}


def test_an_old_client_without_a_host_is_refused_politely(server):
    got = server.raw(b"GET /v1/flows HTTP/1.0\r\n\r\n")

    assert status_of(got) == 403
    assert b"foreign_host" in got


def test_slow_bodies_do_not_keep_others_waiting(server):
    with open_connection(server) as slow:
        slow.sendall(POST + b"Content-Length: 100\r\n\r\n{")

        answers = []
        threads = [
            threading.Thread(target=lambda n=n: answers.append(server.post(transaction(n)).status_code))
            for n in range(1, 5)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert answers == [200] * 4
