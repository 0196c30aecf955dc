"""One HTTP connection to one server, whose every step is bounded in time and size.

Whatever answers may be hostile: it may drip, never end, or send anything at all. A request therefore has one
instant at which it is over, which every wait for the network is cut to; and an answer has a number of bytes.
"""

import http.client
import io
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from flowtrail.model.clock import monotonic_s
from flowtrail.sdk.verdicts import Answer

MAX_ANSWER_BYTES: Final = 1024 * 1024
"""Of head and body: the longest honest one names every record of a batch as rejected."""
_PIECE: Final = 64 * 1024
"""What is given to the network at once; between two pieces the time is looked at."""


class Unreachable(Exception):
    """No answer came: whether anything arrived is unknown, and sending the same again is harmless."""


class Transport(Protocol):
    """What carries a body to the server."""

    def post(self, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Answer:
        """Send it and wait for the answer, all within `timeout_s`. Raises: Unreachable."""
        ...

    def cut(self) -> None:
        """End what is under way, from another thread: `post` raises soon."""
        ...

    def close(self, *, abandon: bool = False) -> None:
        """Give the connection back; `abandon` says nothing to the other side, whose connection it still is."""
        ...


class HttpTransport:
    """`POST` to `URL/v1/records`, over one connection that is kept while it lasts."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._secure else 80)
        self._authority = parts.netloc
        self._path = f"{parts.path.rstrip('/')}/v1/records"
        self._context: Any = None
        self._line: _Line | None = None

    def post(self, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Answer:
        """Send a body; a kept connection that turns out to be closed is replaced once."""
        until = monotonic_s() + timeout_s
        kept = self._line
        try:
            try:
                return self._exchange(body, headers, until)
            except (ConnectionError, http.client.RemoteDisconnected):
                if kept is None or self._line is not kept:
                    raise
                self.close()
                return self._exchange(body, headers, until)
        except (OSError, http.client.HTTPException, ValueError, EOFError) as error:
            self.close()
            raise Unreachable(f"{type(error).__name__}: {error}") from error

    def _exchange(self, body: bytes, headers: Mapping[str, str], until: float) -> Answer:
        line = self._line
        if line is None:
            line = self._line = _Line(self._connect(until), until)
        line.begin(until)
        line.send(self._head(body, headers))
        line.send(body)
        response = http.client.HTTPResponse(line, method="POST")  # type: ignore[arg-type]
        try:
            response.begin()
            came = response.read(MAX_ANSWER_BYTES)
            whole = response.isclosed() or not response.read(1)
            answer = Answer(response.status, came, response.headers.get("Retry-After"))
            if not whole or response.will_close:
                self.close()
            return answer
        finally:
            response.close()

    def _head(self, body: bytes, headers: Mapping[str, str]) -> bytes:
        lines = [
            f"POST {self._path} HTTP/1.1",
            f"Host: {self._authority}",
            f"Content-Length: {len(body)}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        return "\r\n".join([*lines, "", ""]).encode("ascii")

    def _connect(self, until: float) -> socket.socket:
        error: OSError | None = None
        for family, kind, protocol, _, address in socket.getaddrinfo(
            self._host, self._port, type=socket.SOCK_STREAM
        ):
            line = socket.socket(family, kind, protocol)
            try:
                line.settimeout(_left(until))
                line.connect(address)
                with suppress(OSError):
                    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return self._secured(line, until) if self._secure else line
            except OSError as failed:
                line.close()
                error = failed
        raise error or OSError("the name has no address")

    def _secured(self, line: socket.socket, until: float) -> socket.socket:
        import ssl  # 10 ms that only those pay who speak TLS

        if self._context is None:
            self._context = ssl.create_default_context()
        line.settimeout(_left(until))
        secured: socket.socket = self._context.wrap_socket(line, server_hostname=self._host)
        return secured

    def cut(self) -> None:
        """End what is under way."""
        line = self._line
        if line is not None:
            line.cut()

    def close(self, *, abandon: bool = False) -> None:
        """Close the connection, if there is one."""
        line, self._line = self._line, None
        if line is not None:
            line.close(abandon=abandon)


class _Line:
    """A socket that keeps to an instant and to a number of bytes."""

    def __init__(self, line: socket.socket, until: float) -> None:
        self._socket = line
        self.begin(until)

    def begin(self, until: float) -> None:
        """One exchange begins."""
        self._until = until
        # What is read beyond the body's bound is what tells that there is more.
        self._left_bytes = MAX_ANSWER_BYTES + _PIECE

    def send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self._socket.settimeout(_left(self._until))
            rest = rest[self._socket.send(rest[:_PIECE]) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reading(self))

    def receive(self, buffer: Any) -> int:
        self._socket.settimeout(_left(self._until))
        came = self._socket.recv_into(buffer)
        self._left_bytes -= came
        if self._left_bytes < 0:
            raise OSError("the answer is too long")
        return came

    def cut(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self, *, abandon: bool = False) -> None:
        if not abandon:
            self.cut()
        with suppress(OSError):
            self._socket.close()


class _Reading(io.RawIOBase):
    """What an answer is read from; closing it leaves the connection as it is."""

    def __init__(self, line: _Line) -> None:
        super().__init__()
        self._line = line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._line.receive(buffer)


def _left(until: float) -> float:
    left = until - monotonic_s()
    if left <= 0:
        raise TimeoutError("the time for one request is over")
    return left
