"""Rows of any number, sorted in bounded memory: full lists are sorted and spilled to a temporary file, then merged.

A check compares two sides that may be larger than memory; both go in here, and equal keys meet when they come out.
"""

import heapq
import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from operator import itemgetter
from typing import IO, Any, Final

import msgspec
import zstandard

MOST_ROWS: Final = 200_000
MOST_BYTES: Final = 64 * 1024 * 1024
MOST_FILES: Final = 64
"""Temporary files of one level; so many are merged into one of the next. A process may open some 1,000, and of each a
block is in memory."""
_BLOCK_ROWS: Final = 1_000
_BLOCK_BYTES: Final = 1024 * 1024
"""Of what rows hold in memory: those with large values stand in smaller blocks."""

Key = tuple[Any, ...]
Row = tuple[Key, Any]
"""A key of strings, integers and bytes, flat and comparable with every other; a value of plain data."""

_first: Final = itemgetter(0)
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[tuple[list[Any], Any]]).decode


class Runs:
    """Collects rows, then gives them sorted by key. One thread; `close` removes what was spilled."""

    def __init__(self, most_rows: int = MOST_ROWS, most_bytes: int = MOST_BYTES) -> None:
        self._most_rows, self._most_bytes = most_rows, most_bytes
        self._rows: list[Row] = []
        self._bytes = 0
        self._block_rows = _BLOCK_ROWS
        self._spilled: list[list[IO[bytes]]] = []
        """By level."""

    def add(self, key: Key, value: Any = None, size_bytes: int = 0) -> None:
        """Take a row in; `size_bytes` is about what its value holds in memory."""
        self._rows.append((key, value))
        self._bytes += size_bytes
        if len(self._rows) >= self._most_rows or self._bytes >= self._most_bytes:
            self._spill()

    def groups(self) -> Iterator[tuple[Key, list[Any]]]:
        """The values of each key, keys ascending; values in no particular order."""
        self._rows.sort(key=_first)
        runs = [_read(file) for files in self._spilled for file in files]
        held: Key | None = None
        values: list[Any] = []
        for key, value in heapq.merge(iter(self._rows), *runs, key=_first) if runs else self._rows:
            if key != held:
                if held is not None:
                    yield held, values
                held, values = key, []
            values.append(value)
        if held is not None:
            yield held, values

    def close(self) -> None:
        """Give memory and temporary files back."""
        self._rows = []
        for files in self._spilled:
            _close(files)
        self._spilled = []
        self._bytes = 0

    def _spill(self) -> None:
        self._rows.sort(key=_first)
        held = _BLOCK_BYTES * len(self._rows) // max(self._bytes, 1)
        self._block_rows = max(min(self._block_rows, held), 1)
        self._put(0, self._rows)
        self._rows, self._bytes = [], 0

    def _put(self, level: int, rows: Iterable[Row]) -> None:
        """Keep sorted rows in a file of that level."""
        if level == len(self._spilled):
            self._spilled.append([])
        files = self._spilled[level]
        files.append(_written(rows, self._block_rows))
        if len(files) >= MOST_FILES:
            self._put(level + 1, heapq.merge(*map(_read, files), key=_first))
            _close(files)
            files.clear()


def _written(rows: Iterable[Row], block_rows: int) -> IO[bytes]:
    compress = zstandard.ZstdCompressor(level=1).compress
    file = tempfile.TemporaryFile(prefix="flowtrail-check-")  # noqa: SIM115 -- it lives as long as the run does
    rest = iter(rows)
    while some := list(islice(rest, block_rows)):
        block = compress(_encode(some))
        file.write(len(block).to_bytes(4, "big") + block)
    return file


def _close(files: Iterable[IO[bytes]]) -> None:
    for file in files:
        file.close()


def _read(file: IO[bytes]) -> Iterator[Row]:
    decompress = zstandard.ZstdDecompressor().decompress
    file.seek(0)
    while size := file.read(4):
        for key, value in _decode(decompress(file.read(int.from_bytes(size, "big")))):
            yield tuple(key), value
