"""A door in front of a server that a test can shut: what is beyond it is then gone, for everybody."""

import contextlib
import socket
import threading
from collections.abc import Iterator


class Door:
    """Passes bytes between a free port here and a server, while it is open."""

    def __init__(self, host: str, port: int) -> None:
        self._beyond = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._open = True
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def shut(self) -> None:
        """Drop every connection, and every new one at once."""
        with self._lock:
            self._open = False
            pairs, self._pairs = self._pairs, set()
        for one in (each for pair in pairs for each in pair):
            _drop(one)

    def open(self) -> None:
        """Let through again."""
        with self._lock:
            self._open = True

    def close(self) -> None:
        """For good."""
        self.shut()
        _drop(self._listener)
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self._beyond, timeout=10)
            except OSError:
                _drop(near)
                continue
            far.settimeout(None)
            with self._lock:
                let_in = self._open
                if let_in:
                    self._pairs.add((near, far))
            if not let_in:
                _drop(near)
                _drop(far)
                continue
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=_pass_on, args=(source, target), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    _drop(source)
    _drop(target)


def _drop(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


@contextlib.contextmanager
def door_to(host: str, port: int) -> Iterator[Door]:
    """A door, open at first."""
    door = Door(host, port)
    try:
        yield door
    finally:
        door.close()
