"""A server that does what it should not, as a list of ways to behave says: one for each connection, the last for all
further ones. It keeps what it rightly acknowledged, so that a producer's count can be held to it."""

import contextlib
import json
import random
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Sequence

from flowtrail.intake.bodies import decompress

PATIENCE_S = 30.0
HUGE_BYTES = 100_000_000


class Hostile:
    """One such server, on a free port of this machine. Every connection has a thread of its own."""

    def __init__(self, ways: Sequence[str], seed: int = 0, context: ssl.SSLContext | None = None) -> None:
        self.ways = list(ways)
        self._context = context
        self.random = random.Random(seed)
        self.acknowledged: set[tuple[str, int]] = set()
        """(producer, seq) of what was accepted by an answer that was sent whole."""
        self.refused: set[tuple[str, int]] = set()
        """The same of what was rejected."""
        self.seen: set[tuple[str, int]] = set()
        """All that came in a request that could be read."""
        self.connections = 0
        self.keys: list[str | None] = []
        self.elsewhere: list[bytes] = []
        """What arrived where redirects lead."""
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("", 0), backlog=128)
        self._other = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.other_url = f"http://127.0.0.1:{self._other.getsockname()[1]}"
        for target, listener in ((self._serve, self._listener), (self._take_elsewhere, self._other)):
            threading.Thread(target=self._accept, args=(listener, target), daemon=True).start()

    def close(self) -> None:
        self._over.set()
        for each in (self._listener, self._other, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self, listener: socket.socket, target: Callable[[socket.socket], None]) -> None:
        while not self._over.is_set():
            try:
                line, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._guarded, args=(target, line), daemon=True).start()

    def _guarded(self, target: Callable[[socket.socket], None], line: socket.socket) -> None:
        self._open.add(line)
        line.settimeout(PATIENCE_S)
        with contextlib.suppress(OSError, ValueError, EOFError), line:
            if self._context is None:
                target(line)
            else:
                with self._context.wrap_socket(line, server_side=True) as secured:
                    target(secured)
        self._open.discard(line)

    def _take_elsewhere(self, line: socket.socket) -> None:
        self.elsewhere.append(line.recv(65_536))

    def _serve(self, line: socket.socket) -> None:
        with self._lock:
            way = self.ways[min(self.connections, len(self.ways) - 1)]
            self.connections += 1
        if way in BEFORE:
            BEFORE[way](self, line)
        else:
            self._converse(line, way)

    def _converse(self, line: socket.socket, way: str) -> None:
        reader = line.makefile("rb")
        while not self._over.is_set() and (request := self._read(reader)) is not None:
            WAYS[way](self, line, request)
            if way not in LASTING:
                return

    def _read(self, reader) -> "list[dict] | None":
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            more = reader.readline(65_536)
            if not more:
                return None
            head += more
        fields = dict(row.split(": ", 1) for row in head.decode().split("\r\n")[1:] if row)
        self.keys.append(fields.get("Authorization"))
        body = reader.read(int(fields["Content-Length"]))
        body = decompress(body, fields.get("Content-Encoding"))
        records = [json.loads(row) for row in body.split(b"\n")]
        self.seen |= {stamp(record) for record in records}
        return records

    def pause(self, seconds: float) -> None:
        self._over.wait(seconds)

    # ------------------------------------------------------------------------------------- answers

    def receipt(self, records: "list[dict]", refused: Sequence[int] = ()) -> bytes:
        """A right answer; with it the records count as acknowledged. Send it whole."""
        rows = [{"index": index, "code": "missing_field", "message": "m"} for index in refused]
        with self._lock:
            for index, record in enumerate(records):
                (self.refused if index in refused else self.acknowledged).add(stamp(record))
        told = {"accepted": len(records) - len(refused), "rejected": rows, "durable": "disk", "token": "t"}
        return json.dumps(told).encode()

    @property
    def settled(self) -> "set[tuple[str, int]]":
        """What a producer may take for settled."""
        return self.acknowledged | self.refused


def stamp(record: "dict") -> tuple[str, int]:
    return record["producer"], record["seq"]


def answer(status: int, body: bytes = b"", *fields: str, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    rows = [f"HTTP/1.1 {status} Said", f"Content-Length: {size}", *fields]
    return "\r\n".join(rows).encode() + b"\r\n\r\n" + body


# ------------------------------------------------------------------------------- before any request


def _reset(server: Hostile, line: socket.socket) -> None:
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _hang(server: Hostile, line: socket.socket) -> None:
    server.pause(PATIENCE_S)


def _shut(server: Hostile, line: socket.socket) -> None:
    return


def _talk_first(server: Hostile, line: socket.socket) -> None:
    line.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
    server.pause(0.2)


def _read_slowly(server: Hostile, line: socket.socket) -> None:
    while not server._over.is_set() and line.recv(1):
        server.pause(0.05)


def _stop_reading(server: Hostile, line: socket.socket) -> None:
    line.recv(10)
    _reset(server, line)


BEFORE = {
    "reset": _reset,
    "hang": _hang,
    "shut": _shut,
    "talk_first": _talk_first,
    "read_slowly": _read_slowly,
    "stop_reading": _stop_reading,
}

# --------------------------------------------------------------------------------- after a request


def _good(server, line, records):
    line.sendall(answer(200, server.receipt(records)))


def _slow(server, line, records):
    server.pause(0.3)
    _good(server, line, records)


def _hinted(server, line, records):
    line.sendall(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </app.css>\r\n\r\n")
    server.pause(0.05)
    _good(server, line, records)


def _chunked(server, line, records):
    body = server.receipt(records)
    parts = [body[place : place + 7] for place in range(0, len(body), 7)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    line.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")


def _old(server, line, records):
    line.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + server.receipt(records))


def _good_then_shut(server, line, records):
    line.sendall(answer(200, server.receipt(records)))


def _refuse_some(server, line, records):
    refused = [place for place in range(len(records)) if server.random.random() < 0.3]
    line.sendall(answer(200, server.receipt(records, refused)))


def _refuse_all(server, line, records):
    told = json.loads(server.receipt(records, range(len(records)))) | {"code": "nothing_accepted"}
    line.sendall(answer(400, json.dumps(told).encode()))


def _redirect(server, line, records):
    status = server.random.choice([301, 302, 303, 307, 308])
    line.sendall(answer(status, b"", f"Location: {server.other_url}/v1/records"))


def _garbage(server, line, records):
    line.sendall(server.random.randbytes(server.random.randrange(1, 5_000)))


def _huge(server, line, records):
    line.sendall(
        f"HTTP/1.1 {server.random.choice([200, 500])} OK\r\nContent-Length: {HUGE_BYTES}\r\n\r\n".encode()
    )
    _flood(server, line, b"x" * 65_536)


def _huge_chunked(server, line, records):
    line.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    _flood(server, line, b"10000\r\n" + b"x" * 65_536 + b"\r\n")


def _huge_head(server, line, records):
    line.sendall(b"HTTP/1.1 200 OK\r\n")
    _flood(server, line, b"X-More: " + b"y" * 1_000 + b"\r\n")


def _huge_line(server, line, records):
    line.sendall(b"HTTP/1.1 200 ")
    _flood(server, line, b"z" * 65_536)


def _flood(server: Hostile, line: socket.socket, part: bytes) -> None:
    sent = 0
    while sent < HUGE_BYTES and not server._over.is_set():
        line.sendall(part)
        sent += len(part)


def _drip(server, line, records):
    for byte in answer(200, b'{"accepted":1}' * 20):
        line.sendall(bytes([byte]))
        server.pause(0.05)


def _drip_head(server, line, records):
    line.sendall(b"HTTP/1.1 200 OK\r\n")
    while not server._over.is_set():
        line.sendall(b"X-Wait: a while\r\n")
        server.pause(0.05)


def _continue_for_ever(server, line, records):
    while not server._over.is_set():
        line.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        server.pause(0.01)


def _cut_in_status(server, line, records):
    line.sendall(b"HTTP/1.1 20")


def _cut_in_head(server, line, records):
    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Len")


def _cut_in_body(server, line, records):
    whole = answer(200, json.dumps({"accepted": len(records), "rejected": []}).encode())
    line.sendall(whole[:-3])


def _too_short(server, line, records):
    body = json.dumps({"accepted": len(records), "rejected": []}).encode()
    line.sendall(answer(200, body, length=5))


def _length_of_nonsense(server, line, records):
    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\nContent-Length: many\r\n\r\nhello")


def _page(server, line, records):
    line.sendall(answer(200, b"<html><form>sign in</form></html>", "Content-Type: text/html"))


def _lie(server, line, records):
    told = server.random.choice(
        [
            {"accepted": len(records) + 1, "rejected": []},
            {"accepted": 0, "rejected": []},
            {"accepted": len(records), "rejected": [{"index": 0, "code": "x"}]},
            {"accepted": len(records) - 1, "rejected": [{"index": 10**9, "code": "x"}]},
            {"accepted": "all", "rejected": None},
        ]
    )
    line.sendall(answer(200, json.dumps(told).encode()))


def _deep(server, line, records):
    line.sendall(answer(200, b"[" * 500_000))


def _too_large(server, line, records):
    if len(records) > 3:
        line.sendall(answer(413, b'{"code":"body_too_large"}'))
    else:
        _good(server, line, records)


def _unsupported(server, line, records):
    line.sendall(answer(415, b'{"code":"unsupported_encoding"}'))


def _later(server, line, records):
    status = server.random.choice([429, 503, 507])
    wait = server.random.choice(["0", "1", "600", "99999999999", "never", "Wed, 21 Oct 2199 07:28:00 GMT"])
    line.sendall(answer(status, b'{"code":"busy"}', f"Retry-After: {wait}"))


def _fail(server, line, records):
    line.sendall(answer(server.random.choice([401, 403, 404, 500, 502, 504]), b"no"))


def _twice(server, line, records):
    whole = answer(200, server.receipt(records))
    line.sendall(whole + answer(500, b"and another"))


def _switch(server, line, records):
    line.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: nothing\r\n\r\n")
    server.pause(0.2)


WAYS = {
    "good": _good,
    "slow": _slow,
    "hinted": _hinted,
    "chunked": _chunked,
    "old": _old,
    "good_then_shut": _good_then_shut,
    "refuse_some": _refuse_some,
    "refuse_all": _refuse_all,
    "redirect": _redirect,
    "garbage": _garbage,
    "huge": _huge,
    "huge_chunked": _huge_chunked,
    "huge_head": _huge_head,
    "huge_line": _huge_line,
    "drip": _drip,
    "drip_head": _drip_head,
    "continue_for_ever": _continue_for_ever,
    "cut_in_status": _cut_in_status,
    "cut_in_head": _cut_in_head,
    "cut_in_body": _cut_in_body,
    "too_short": _too_short,
    "length_of_nonsense": _length_of_nonsense,
    "page": _page,
    "lie": _lie,
    "deep": _deep,
    "too_large": _too_large,
    "unsupported": _unsupported,
    "later": _later,
    "fail": _fail,
    "twice": _twice,
    "switch": _switch,
}
LASTING = {"good", "slow", "hinted", "chunked", "refuse_some", "too_large"}
"""Ways after which the connection goes on."""
ALL = [*BEFORE, *WAYS]


def random_ways(seed: int) -> list[str]:
    """One to five ways; one script in three ends well."""
    rng = random.Random(seed)
    ways = [rng.choice(ALL) for _ in range(rng.randrange(1, 6))]
    return [*ways, "good"] if rng.random() < 0.34 else ways


@contextlib.contextmanager
def hostile(ways: Sequence[str], seed: int = 0, context: ssl.SSLContext | None = None) -> Iterator[Hostile]:
    server = Hostile(ways, seed, context)
    try:
        yield server
    finally:
        server.close()
