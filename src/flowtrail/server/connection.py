"""One connection of a client: uvicorn's, with an end to its patience and answers that are problems too.

uvicorn parses heads of any size and waits for them without end; what it cannot parse it answers in plain text. Of a
request that offers to go on in another protocol, as those of Java's client do, it reads no body.
Bodies of ordinary size are gathered here and handed on once: each part that wakes a request costs it more than the
part is worth.
"""

import asyncio
from collections import deque
from typing import Any, Final, cast

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from flowtrail.server.problems import Problem, answer

MAX_HEAD_BYTES: Final = 64 * 1024
"""Request line and headers together; browsers with all their cookies send less than 16 KiB."""
FRAMING_PER_BYTE: Final = 8
"""A body that comes byte by byte in chunks of its own needs six bytes around each."""
GATHERED_BYTES: Final = 1024 * 1024
"""Bodies up to this, of a declared length, are handed on whole; longer ones are read as they come."""
HEAD_PATIENCE_S: Final = 20.0
"""For a whole head, and for the first byte of a connection."""

REFUSED: Final = "flowtrail.refused"
"""Key in a request's scope: the problem that was found before routing."""
ABORT: Final = "flowtrail.abort"
"""Key in a request's scope: drops the connection with whatever was not sent yet."""


class Connection(HttpToolsProtocol):
    """HTTP/1.1 for one client."""

    _head_open = False
    _body_open = False
    _gathers = False
    _plain = b""
    """The head of a request that offers another protocol, without the offer."""
    _parts: list[bytes]
    _fresh = False
    _received_bytes = 0
    _body_bytes = 0
    _untaken = 0
    """Bytes of answers that nobody had taken when it was last looked."""
    _patience: asyncio.TimerHandle | None = None
    _refusal: Problem | None = None
    """What came behind requests that are still to be answered; nothing is read any more."""
    _unanswered: deque[RequestResponseCycle]
    """Whose heads came, oldest first: uvicorn itself knows the newest only."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._unanswered = deque()
        self._be_patient()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose_no_patience()
        self._unset_keepalive_if_required()
        for cycle in self._unanswered:
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None:
            return
        self._unset_keepalive_if_required()
        self._parse(data)
        if self.transport.is_closing() or self._refusal is not None:
            return
        if self._fresh:
            # A request began or ended in it: how much of `data` belongs to which is not known.
            self._fresh = False
        else:
            self._received_bytes += len(data)
        if self._received_bytes - FRAMING_PER_BYTE * self._body_bytes > MAX_HEAD_BYTES + self._body_bytes:
            self._refuse(_head_too_large())
        elif self._patience is None:
            if self._head_open:
                self._be_patient()
            elif not self._unanswered:
                # The rest of a body whose answer went out before, or line ends: no request that would end the silence.
                self._await_the_next()

    def _parse(self, data: bytes) -> None:
        parts: list[bytes | memoryview] = [memoryview(data)]
        while parts:
            part = parts.pop()
            try:
                self.parser.feed_data(part)
            except httptools.HttpParserUpgrade as offer:
                # It is not taken up: what follows is this request's body, and the next request.
                parts += [part[offer.args[0] :], self._plain]
                self._plain = b""
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            except httptools.HttpParserError:
                self.logger.warning("Invalid HTTP request received.")
                self.send_400_response("")
                return

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_open = self._fresh = True
        self._body_open = False
        self._received_bytes = self._body_bytes = 0
        cast("dict[str, Any]", self.scope)[ABORT] = self.transport.abort

    def on_header(self, name: bytes, value: bytes) -> None:
        # After the head come trailers: what they say would change a request that was already let in.
        if self._head_open:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._plain = _without_offer(self.parser, self.url, self.headers)
            return
        self._head_open = False
        self._lose_no_patience()
        size = len(self.url)
        self._gathers = False
        for name, value in self.headers:
            size += len(name) + len(value) + 4
            if name == b"content-length":
                # The parser has seen to it that this is a number, and the only one.
                self._gathers = int(value) <= GATHERED_BYTES
                self._parts = []
        if size > MAX_HEAD_BYTES:
            cast("dict[str, Any]", self.scope)[REFUSED] = _head_too_large()
            # Nobody asks where it was to go, and a path of more than 64 KiB cannot be taken apart.
            self.url = b"/"
        super().on_headers_complete()
        self._unanswered.append(self.cycle)
        self._body_open = True

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._gathers:
            if self.cycle.response_complete:
                self._parts.clear()
            else:
                self._parts.append(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._plain:
            return
        self._fresh = True
        self._body_open = False
        self._received_bytes = self._body_bytes = 0
        if self._gathers:
            self._gathers = False
            # Bytes where uvicorn keeps a bytearray: what it makes of them is not another copy.
            self.cycle.body = cast("bytearray", b"".join(self._parts))
            self._parts = []
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._unanswered.popleft()
        super().on_response_complete()
        self._untaken = 0
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self._await_the_next()
        if self._refusal is not None and not self._unanswered and not self.transport.is_closing():
            self._send(self._refusal)

    def timeout_keep_alive_handler(self) -> None:
        """Nobody asked anything more. What was not taken yet may be taken still, by whoever takes any of it meanwhile:
        a connection that is closed keeps it in memory for as long as the other side likes."""
        self.timeout_keep_alive_task = None
        untaken = self.transport.get_write_buffer_size()
        if not untaken:
            super().timeout_keep_alive_handler()
        elif untaken == self._untaken:
            self.transport.abort()
        else:
            self._untaken = untaken
            self._await_the_next()

    def _await_the_next(self) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def send_400_response(self, msg: str) -> None:
        self._refuse(Problem(400, "malformed_request", "this is not an HTTP/1.1 request", allowed="HTTP/1.1"))

    def _be_patient(self) -> None:
        self._patience = self.loop.call_later(HEAD_PATIENCE_S, self._give_up)

    def _lose_no_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        if self._head_open:
            message = f"the request's head did not arrive within {HEAD_PATIENCE_S:g} s"
            self._refuse(Problem(408, "slow_head", message))
        else:
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        """Answer what cannot be read, in its turn, and read nothing more."""
        self._lose_no_patience()
        if self._body_open and self.cycle.response_complete:
            # It has its answer; a second one would be taken for that to the next request.
            self.transport.close()
            return
        if self._unanswered and self._unanswered[-1].more_body:
            broken = self._unanswered.pop()
            if broken.response_started:
                self.transport.close()
                return
            if self._unanswered:
                self.pipeline.popleft()
            else:
                # Whoever is at work on it is not waited for, and says nothing more.
                broken.disconnected = True
                broken.message_event.set()
        if self._unanswered:
            self._refusal = problem
        else:
            self._send(problem)

    def _send(self, problem: Problem) -> None:
        response = answer(problem)
        lines = [STATUS_LINE[response.status_code]]
        for name, value in [*self.server_state.default_headers, *response.raw_headers]:
            lines += [name, b": ", value, b"\r\n"]
        self.transport.write(b"".join([*lines, b"connection: close\r\n\r\n", bytes(response.body)]))
        self.transport.close()


def _without_offer(
    parser: httptools.HttpRequestParser, url: bytes, headers: list[tuple[bytes, bytes]]
) -> bytes:
    """A head as it would be without `Upgrade`; the parser has seen to it that no value holds an end of line."""
    lines = [b"%b %b HTTP/%b" % (parser.get_method(), url, parser.get_http_version().encode())]
    lines += [b"%b: %b" % (name, value) for name, value in headers if name != b"upgrade"]
    return b"\r\n".join([*lines, b"", b""])


def _head_too_large() -> Problem:
    return Problem(
        431,
        "head_too_large",
        "request line and headers are too long",
        allowed=f"at most {MAX_HEAD_BYTES} bytes together",
        headers={"Connection": "close"},
    )
