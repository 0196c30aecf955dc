"""One connection of a client without its socket: what is waited for, and for how long."""

import asyncio

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from flowtrail.server.connection import REFUSED, Connection

POST = b"POST /v1/records HTTP/1.1\r\nHost: localhost\r\n"
KEEP_ALIVE_S = 0.1


class Transport(asyncio.Transport):
    """Takes what is written; `untaken` is how much of it the other side has not taken yet."""

    def __init__(self):
        super().__init__()
        self.written = b""
        self.untaken = 0
        self.end = None

    def write(self, data):
        self.written += data

    def get_write_buffer_size(self):
        return self.untaken

    def close(self):
        self.end = self.end or "closed"

    def abort(self):
        self.end = "aborted"

    def is_closing(self):
        return self.end is not None

    def get_extra_info(self, name, default=None):
        return default

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass


async def refuses(_scope, _receive, send):
    """Answers every request at once, without its body."""
    await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def connected(*parts):
    """A connection over which these parts came, each when what was before it had been answered."""
    config = Config(
        refuses, http=Connection, log_config=None, lifespan="off", timeout_keep_alive=KEEP_ALIVE_S
    )
    config.load()
    transport = Transport()
    connection = Connection(config, ServerState(), {})
    connection.connection_made(transport)
    for part in parts:
        connection.data_received(part)
        await asyncio.sleep(0.01)
    return connection, transport


@pytest.mark.parametrize(
    "parts",
    [
        (POST + b"Content-Length: 10\r\n\r\n12345", b"67890"),
        (POST + b"Content-Length: 10\r\n\r\n12345", b"678"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n", b"0\r\n\r\n"),
        (POST + b"Content-Length: 3\r\n\r\n123", b"\r\n"),
    ],
    ids=["rest of a body", "part of the rest", "last chunk", "line ends"],
)
def test_a_connection_over_which_no_request_comes_is_closed_whatever_else_came(parts):
    async def idle():
        _, transport = await connected(*parts)
        assert transport.written.startswith(b"HTTP/1.1 401 ")
        assert transport.end is None
        await asyncio.sleep(3 * KEEP_ALIVE_S)
        return transport.end

    assert asyncio.run(idle()) == "closed"


@pytest.mark.parametrize("closing", [False, True])
@pytest.mark.parametrize("takes", [False, True])
def test_who_takes_no_answer_is_cut_and_who_takes_it_slowly_is_not(closing, takes):
    async def slow():
        connection, transport = await connected()
        transport.untaken = 1_000_000
        connection.data_received(POST + (b"Connection: close\r\n\r\n" if closing else b"\r\n"))
        for _ in range(8):
            await asyncio.sleep(KEEP_ALIVE_S / 2)
            transport.untaken -= takes
        return transport.end

    assert asyncio.run(slow()) == ("aborted" if not takes else "closed" if closing else None)


def test_a_broken_body_is_not_answered_where_its_request_was_already():
    async def broken():
        _, transport = await connected(POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n", b"zz\r\n")
        return transport

    transport = asyncio.run(broken())
    assert transport.written.count(b"HTTP/1.1 ") == 1
    assert transport.end == "closed"


def test_a_path_too_long_to_be_taken_apart_is_told_as_a_head_that_is_too_large():
    async def long():
        head = b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
        connection, transport = await connected(head)
        return connection.scope[REFUSED], transport.written

    refusal, written = asyncio.run(long())
    assert refusal.status == 431
    # The application was asked, which is where the refusal is told.
    assert written.startswith(b"HTTP/1.1 401 ")
