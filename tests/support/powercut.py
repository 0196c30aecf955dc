"""Power cuts without root: what SQLite writes is recorded below it, and a disk is made of what was synced.

The file methods of SQLite's own unix VFS are replaced in this process, in the very library that `sqlite3` uses, so
that everything above runs as it always does. A write goes to the file as usual, and is kept besides until the file
is synced. A cut gives each file what was synced, and of what was not any part: sectors at random, in any order.

Not modelled: names in a directory (they survive), and disks that lie about a sync. The loop-mounted variant in
tests/torture does both names and the kernel's own order of writing.
"""

import _sqlite3
import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

SECTOR = 512


_Pointer = ctypes.c_void_p
# The name stays a bare pointer: SQLite keeps it, and finds parameters behind it.
_Open = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, _Pointer, _Pointer, ctypes.c_int, _Pointer)
_Write = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, _Pointer, ctypes.c_int, ctypes.c_int64)
_Truncate = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, ctypes.c_int64)
_Sync = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer, ctypes.c_int)
_Close = ctypes.CFUNCTYPE(ctypes.c_int, _Pointer)


class _Vfs(ctypes.Structure):
    """The head of `sqlite3_vfs`."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("file_size", ctypes.c_int),
        ("max_path", ctypes.c_int),
        ("next", _Pointer),
        ("name", ctypes.c_char_p),
        ("data", _Pointer),
        ("open", _Pointer),
    )


class _Methods(ctypes.Structure):
    """`sqlite3_io_methods`, version 3."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("close", _Pointer),
        ("read", _Pointer),
        ("write", _Pointer),
        ("truncate", _Pointer),
        ("sync", _Pointer),
        *((f"other{number}", _Pointer) for number in range(13)),
    )


@dataclass
class _Disk:
    """One file: what is on disk for certain, and what was written since, in order."""

    synced: bytearray
    pending: list[tuple[str, int, bytes]] = field(default_factory=list)

    def settle(self) -> None:
        for operation in self.pending:
            _apply(self.synced, *operation)
        self.pending = []


def _apply(content: bytearray, kind: str, offset: int, data: bytes) -> None:
    if kind == "truncate":
        del content[offset:]
        return
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


class Recorder:
    """What the disk would hold. `cut` may be called at any moment, from any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.RLock()
        self._disks: dict[str, _Disk] = {}
        self._files: dict[int, str] = {}
        self.syncs = 0

    def cut(self, into: Path, random: Random) -> None:
        """Make the directory as it would be found after a power cut right now."""
        into.mkdir(parents=True)
        with self._lock:
            for path, disk in self._disks.items():
                if not Path(path).exists():
                    continue
                content = bytearray(disk.synced)
                for operation in disk.pending:
                    for part in _sectors(*operation):
                        if random.random() < 0.5:
                            _apply(content, *part)
                (into / Path(path).name).write_bytes(content)

    # --- called by SQLite ---

    def opened(self, file: int, path: str) -> None:
        with self._lock:
            self._files[file] = path
            # Never read: closing another handle of the file would drop the locks that SQLite holds on it.
            if path not in self._disks or not Path(path).stat().st_size:
                self._disks[path] = _Disk(bytearray())

    def written(self, file: int, offset: int, data: bytes) -> None:
        self._pend(file, ("write", offset, data))

    def truncated(self, file: int, size: int) -> None:
        self._pend(file, ("truncate", size, b""))

    def _pend(self, file: int, operation: tuple[str, int, bytes]) -> None:
        with self._lock:
            if path := self._files.get(file):
                self._disks[path].pending.append(operation)

    def synced(self, file: int) -> None:
        with self._lock:
            self.syncs += 1
            if path := self._files.get(file):
                self._disks[path].settle()

    def closed(self, file: int) -> None:
        with self._lock:
            self._files.pop(file, None)

    def concerns(self, path: str) -> bool:
        """Whether the file belongs to the store that is recorded."""
        return Path(path).parent == self._folder


def _sectors(kind: str, offset: int, data: bytes) -> Iterator[tuple[str, int, bytes]]:
    if kind == "truncate":
        yield kind, offset, data
        return
    for first in range(0, len(data), SECTOR):
        yield kind, offset + first, data[first : first + SECTOR]


class _Hooks:
    """The replaced functions; C holds pointers to them, so they live as long as the process."""

    def __init__(self) -> None:
        library = ctypes.CDLL(_sqlite3.__file__)
        library.sqlite3_vfs_find.restype = ctypes.POINTER(_Vfs)
        self._vfs = library.sqlite3_vfs_find(None).contents
        self._open_original = _Open(self._vfs.open)
        self._open_replaced = _Open(self._open)
        self._methods: dict[int, tuple[_Methods, tuple[Any, ...]]] = {}
        self.recorder: Recorder | None = None

    def install(self) -> None:
        self._vfs.open = ctypes.cast(self._open_replaced, _Pointer).value

    def remove(self) -> None:
        self._vfs.open = ctypes.cast(self._open_original, _Pointer).value

    def _open(self, vfs: int, name: int | None, file: int, flags: int, out: int) -> int:
        code: int = self._open_original(vfs, name, file, flags, out)
        recorder = self.recorder
        path = ctypes.string_at(name).decode() if name else ""
        if code == 0 and recorder is not None and recorder.concerns(path):
            recorder.opened(file, path)
            held = ctypes.cast(file, ctypes.POINTER(_Pointer))
            held[0] = ctypes.addressof(self._replaced(held[0]))
        return code

    def _replaced(self, original: int) -> _Methods:
        """A copy of a file's methods that tells the recorder; one for each set SQLite uses."""
        if original not in self._methods:
            methods = _Methods.from_buffer_copy(ctypes.cast(original, ctypes.POINTER(_Methods)).contents)
            write, truncate = _Write(methods.write), _Truncate(methods.truncate)
            sync, close = _Sync(methods.sync), _Close(methods.close)

            def recorded_write(file: int, data: int, size: int, offset: int) -> int:
                code = write(file, data, size, offset)
                if code == 0 and self.recorder is not None:
                    self.recorder.written(file, offset, ctypes.string_at(data, size))
                return code

            def recorded_truncate(file: int, size: int) -> int:
                code = truncate(file, size)
                if code == 0 and self.recorder is not None:
                    self.recorder.truncated(file, size)
                return code

            def recorded_sync(file: int, flags: int) -> int:
                code = sync(file, flags)
                if code == 0 and self.recorder is not None:
                    self.recorder.synced(file)
                return code

            def recorded_close(file: int) -> int:
                if self.recorder is not None:
                    self.recorder.closed(file)
                return close(file)

            kept = (
                _Write(recorded_write),
                _Truncate(recorded_truncate),
                _Sync(recorded_sync),
                _Close(recorded_close),
            )
            for name, function in zip(("write", "truncate", "sync", "close"), kept, strict=True):
                setattr(methods, name, ctypes.cast(function, _Pointer).value)
            self._methods[original] = methods, kept
        return self._methods[original][0]


@contextmanager
def recording(folder: Path) -> Iterator[Recorder]:
    """Record every SQLite file in that directory, from before it is opened until the end. One at a time."""
    hooks = _installed()
    hooks.recorder = Recorder(folder)
    hooks.install()
    try:
        yield hooks.recorder
    finally:
        hooks.remove()
        hooks.recorder = None


@cache
def _installed() -> _Hooks:
    return _Hooks()
