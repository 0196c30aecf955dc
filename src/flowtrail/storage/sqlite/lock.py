"""Two advisory locks of a store's directory.

`Hold` says which process takes records in: one at a time, and others are told its address. It is the file `lock`;
all handles of one process share it. `switching` guards the moment in which views are swapped for rebuilt ones.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final, NamedTuple

from flowtrail.model.clock import monotonic_s, sleep_s
from flowtrail.model.errors import StoreHeld

NAME: Final = "lock"
LOOKED_AT_S: Final = 0.2
"""Whoever looks who holds the store (`find_holder`) locks it for an instant, and is not taken for a holder."""


class Holder(NamedTuple):
    """Who takes records in; `address` is empty when it serves nobody."""

    pid: int
    address: str


class _Held:
    __slots__ = ("handle", "pid", "uses")

    def __init__(self, handle: int) -> None:
        self.handle, self.uses, self.pid = handle, 0, os.getpid()


_held: dict[Path, _Held] = {}
_guard = Lock()


class Hold:
    """One handle's share in its process' right to write the journal of a directory."""

    def __init__(self, directory: Path, address: str) -> None:
        self._path = directory.resolve() / NAME
        self._address = address
        self._taken: int | None = None

    def take(self) -> None:
        """Take the right, once. Raises: StoreHeld."""
        if self._taken == os.getpid():
            return
        with _guard:
            held = _held.get(self._path)
            if held is None or held.pid != os.getpid():
                held = _held[self._path] = _Held(self._lock())
            held.uses += 1
            self._taken = held.pid
            if self._address or held.uses == 1:
                os.ftruncate(held.handle, 0)
                os.pwrite(held.handle, f"{os.getpid()}\n{self._address}\n".encode(), 0)

    def give_back(self) -> None:
        """Give this handle's share back; the last one frees the store."""
        with _guard:
            held = _held.get(self._path)
            if held is None or self._taken is None or held.pid != self._taken or held.pid != os.getpid():
                return
            self._taken = None
            held.uses -= 1
            if held.uses == 0:
                del _held[self._path]
                os.ftruncate(held.handle, 0)
                os.close(held.handle)

    def _lock(self) -> int:
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        until = monotonic_s() + LOOKED_AT_S
        try:
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    if monotonic_s() > until:
                        raise StoreHeld(_refusal(self._path)) from error
                    sleep_s(LOOKED_AT_S / 20)
                else:
                    return handle
        except BaseException:
            os.close(handle)
            raise


def _refusal(path: Path) -> str:
    holder = _read(path)
    who = "another process" if holder is None else f"process {holder.pid}"
    at = f", reachable at {holder.address}" if holder and holder.address else ""
    return f"the store {path.parent} is held by {who}{at}"


def find_holder(directory: Path) -> Holder | None:
    """Who holds the store at this moment; None when nobody does."""
    path = directory / NAME
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(path)
    finally:
        os.close(handle)
    return None


def _read(path: Path) -> Holder | None:
    pid, _, address = path.read_text(encoding="utf-8").partition("\n")
    return Holder(int(pid), address.strip()) if pid.isascii() and pid.isdigit() else None


@contextmanager
def switching(directory: Path, *, alone: bool) -> Iterator[None]:
    """Hold the names of the views still: `alone` to change them, together with others to open them."""
    handle = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)
