"""Rows of any number, sorted in bounded memory: full lists are sorted and spilled to a temporary file, then merged.

A check compares two sides that may be larger than memory; both go in here, and equal keys meet when they come out.
"""

import heapq
import tempfile
from collections.abc import Iterator
from operator import itemgetter
from typing import IO, Any, Final

import msgspec
import zstandard

MOST_ROWS: Final = 200_000
MOST_BYTES: Final = 64 * 1024 * 1024
_BLOCK_ROWS: Final = 1_000

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
        self._spilled: list[IO[bytes]] = []

    def add(self, key: Key, value: Any = None, size_bytes: int = 0) -> None:
        """Take a row in; `size_bytes` is about what its value holds in memory."""
        self._rows.append((key, value))
        self._bytes += size_bytes
        if len(self._rows) >= self._most_rows or self._bytes >= self._most_bytes:
            self._spill()

    def groups(self) -> Iterator[tuple[Key, list[Any]]]:
        """The values of each key, keys ascending; values in no particular order."""
        self._rows.sort(key=_first)
        runs = [_read(file) for file in self._spilled]
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
        for file in self._spilled:
            file.close()
        self._spilled = []

    def _spill(self) -> None:
        self._rows.sort(key=_first)
        compress = zstandard.ZstdCompressor(level=1).compress
        file = tempfile.TemporaryFile(prefix="flowtrail-check-")  # noqa: SIM115 -- it lives as long as the run does
        for first in range(0, len(self._rows), _BLOCK_ROWS):
            block = compress(_encode(self._rows[first : first + _BLOCK_ROWS]))
            file.write(len(block).to_bytes(4, "big") + block)
        self._spilled.append(file)
        self._rows, self._bytes = [], 0


def _read(file: IO[bytes]) -> Iterator[Row]:
    decompress = zstandard.ZstdDecompressor().decompress
    file.seek(0)
    while size := file.read(4):
        for key, value in _decode(decompress(file.read(int.from_bytes(size, "big")))):
            yield tuple(key), value
