"""One HTTP connection to one server, whose every step is bounded in time and size.

Whatever answers may be hostile: it may drip, never end, or send anything at all. A request therefore has one
instant at which it is over, which every wait for the network is cut to; and an answer has a number of bytes.
"""

import http.client
import io
import os
import select
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from errno import EAGAIN, EINPROGRESS, EWOULDBLOCK
from functools import partial
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from flowtrail.model.clock import monotonic_s
from flowtrail.sdk.verdicts import Answer

_HEAD_BYTES: Final = 64 * 1024
"""What an answer may have beside its body."""
_PIECE: Final = 64 * 1024
"""What is given to the network at once; between two pieces the time is looked at."""
_SLICE_S: Final = 0.25
"""How long one wait for the network lasts before other duties have their turn."""


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
    """`POST` to `URL/v1/records`, over one connection that is kept while it lasts.

    Of an answer `most_bytes` are read. `between` is called at least every `_SLICE_S` while the network is waited for, but for a name being resolved.
    """

    def __init__(self, url: str, most_bytes: int, between: Callable[[], None]) -> None:
        self._most_bytes = most_bytes
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._secure else 80)
        self._authority = parts.netloc
        self._path = f"{parts.path.rstrip('/')}/v1/records"
        self._between = between
        self._context: Any = None
        self._line: _Line | None = None

    def post(self, body: bytes, headers: Mapping[str, str], timeout_s: float) -> Answer:
        """Send a body; a kept connection that turns out to be closed is replaced once."""
        until = monotonic_s() + timeout_s
        if self._line is not None and self._line.is_cut:
            # For a fork, after its answer had come: nothing is under way on it, and nothing can be any more.
            self.close()
        kept = self._line
        try:
            try:
                return self._exchange(body, headers, until)
            except ConnectionError:
                if kept is None or self._line is not kept:
                    raise
                self.close()
                return self._exchange(body, headers, until)
        except (OSError, http.client.HTTPException, ValueError, EOFError) as error:
            self.close()
            raise Unreachable(f"{type(error).__name__}: {error}") from error
        except BaseException:
            # Its answer may still come, and would be taken for that of the next request.
            self.close()
            raise

    def _exchange(self, body: bytes, headers: Mapping[str, str], until: float) -> Answer:
        line = self._line
        if line is None:
            line = self._connect(until)
        line.begin(until, self._most_bytes + _HEAD_BYTES)
        line.send(self._head(body, headers))
        line.send(body)
        response = _Response(line, method="POST")  # type: ignore[arg-type]
        try:
            response.begin()
            came = bytearray(self._most_bytes)
            size = 0
            while more := response.readinto(memoryview(came)[size:]):
                size += more
            is_whole = size < self._most_bytes
            del came[size if is_whole else 0 :]
            answer = Answer(response.status, came, response.headers.get("Retry-After"), is_whole=is_whole)
            if not is_whole or response.will_close:
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

    def _connect(self, until: float) -> "_Line":
        error: OSError | None = None
        found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        for place, (family, kind, protocol, _, address) in enumerate(found):
            try:
                line = self._line = _Line(socket.socket(family, kind, protocol), self._between)
                # One that swallows everything, as IPv6 often does, leaves the others their share of the time.
                now = monotonic_s()
                line.begin(now + (until - now) / (len(found) - place), 0)
                line.connect(address)
                if self._secure:
                    line.secure(self._tls(), self._host)
                return line
            except OSError as failed:
                self.close()
                error = failed
        raise error or OSError("the name has no address")

    def _tls(self) -> Any:
        import ssl  # 10 ms that only those pay who speak TLS

        if self._context is None:
            self._context = ssl.create_default_context()
        return self._context

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


class _Response(http.client.HTTPResponse):
    """An answer, whatever is said before it: the library skips 100 only, and takes 103 for the answer, so that the
    next request would be told of this one."""

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 100 < status < 200:
                return version, status, reason
            http.client.parse_headers(self.fp)


class _Line:
    """A socket that is never waited for beyond an instant, and never read beyond a number of bytes."""

    def __init__(self, line: socket.socket, between: Callable[[], None]) -> None:
        line.setblocking(False)
        self._socket = line
        self._between = between
        self.is_cut = False
        """Whether its time is over, whatever it is doing."""

    def begin(self, until: float, most_bytes: int) -> None:
        """One exchange begins."""
        self._until = until
        self._left_bytes = most_bytes

    def connect(self, address: Any) -> None:
        if (code := self._socket.connect_ex(address)) not in {0, EINPROGRESS, EWOULDBLOCK, EAGAIN}:
            raise OSError(code, os.strerror(code))
        self._wait(writes=True)
        if code := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, os.strerror(code))
        with suppress(OSError):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def secure(self, context: Any, host: str) -> None:
        self._socket = context.wrap_socket(self._socket, server_hostname=host, do_handshake_on_connect=False)
        self._when_ready(self._socket.do_handshake, writes=False)  # type: ignore[attr-defined]

    def send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            sent = self._when_ready(partial(self._socket.send, rest[:_PIECE]), writes=True)
            rest = rest[sent:]

    def makefile(self, mode: str) -> io.BufferedReader:
        """What `http.client` reads an answer from; closing it leaves the connection as it is."""
        return io.BufferedReader(_Reading(self))

    def receive(self, buffer: Any) -> int:
        came: int = self._when_ready(partial(self._socket.recv_into, buffer), writes=False)
        self._left_bytes -= came
        if self._left_bytes < 0:
            raise OSError("the answer is too long")
        return came

    def _when_ready(self, step: Callable[[], Any], *, writes: bool) -> Any:
        while True:
            if monotonic_s() > self._until or self.is_cut:
                raise TimeoutError("the time for one request is over")
            try:
                return step()
            except (BlockingIOError, InterruptedError):
                self._wait(writes=writes)
            except OSError as error:
                # What TLS wants may be the other direction.
                if (name := type(error).__name__) not in {"SSLWantReadError", "SSLWantWriteError"}:
                    raise
                self._wait(writes=name == "SSLWantWriteError")

    def _wait(self, *, writes: bool) -> None:
        while True:
            left = self._until - monotonic_s()
            if left <= 0 or self.is_cut:
                raise TimeoutError("the time for one request is over")
            if _is_ready(self._socket, min(left, _SLICE_S), writes=writes):
                return
            self._between()

    def cut(self) -> None:
        self.is_cut = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self, *, abandon: bool = False) -> None:
        if abandon:
            # Whatever was at work on it is gone with its thread, and may have left it in any state.
            _abandoned.append(self._socket)
            with suppress(OSError):
                os.close(self._socket.detach())
            return
        self.cut()
        with suppress(OSError):
            self._socket.close()


_abandoned: Final[list[socket.socket]] = []
"""Connections of parents, kept from being taken apart."""


class _Reading(io.RawIOBase):
    def __init__(self, line: _Line) -> None:
        super().__init__()
        self._line = line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._line.receive(buffer)


def _is_ready(line: socket.socket, timeout_s: float, *, writes: bool) -> bool:
    if hasattr(select, "poll"):
        # `select` cannot watch files beyond the thousandth, and the host may have that many open.
        poll = select.poll()
        poll.register(line, select.POLLOUT if writes else select.POLLIN)
        return bool(poll.poll(timeout_s * 1_000))
    watched = [line]
    ready = select.select([] if writes else watched, watched if writes else [], watched, timeout_s)
    return any(ready)
