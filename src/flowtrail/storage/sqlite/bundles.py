"""Bundles: what many transactions said in one batch, compressed together.

Facts and pieces of one transaction are some hundred bytes, which compress to half; those of its neighbours, told by
the same blocks of the same flow, compress to a quarter, and are one insert instead of ten. What a transaction holds
is found by its *place*: the bundle's row and the index in it. A bundle goes when nothing in it is held any more.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
import zstandard

from flowtrail.model.errors import Damaged
from flowtrail.storage.sqlite.connection import run_many

BUNDLE_BYTES: Final = 4_096
"""Before compression, from where on a bundle is closed: three fit into a page of SQLite's, and reading one of its
parts takes some 10 µs. Twice as much saves a tenth more."""
COMPRESS_ABOVE_BYTES: Final = 256
LEVEL: Final = -1
"""zstd's: as small as level 1, at two thirds of its time."""
INDEX_BITS: Final = 8
_MOST_PARTS: Final = 1 << INDEX_BITS
_AT_ONCE: Final = 500
_ZSTD_FIRST_BYTE: Final = 0x28
"""Of its magic number; an array in msgpack never begins with it."""

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[bytes]).decode

Part = tuple[bytes, bytes]
"""Packed journal pages, and the body."""


class BundleWriter:
    """Fills bundles inside the caller's transaction. Forget it after a write that may have failed."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._compress = zstandard.ZstdCompressor(level=LEVEL).compress
        last = connection.execute("SELECT max(row) FROM bundle").fetchone()[0]
        self._row = (last or 0) + 1
        self._parts: list[bytes] = []
        self._size = 0
        self._closed: list[tuple[int, int, bytes]] = []
        self._freed: Counter[int] = Counter()

    def add(self, pages: bytes, body: bytes) -> int:
        """Put a part in; its place. It can be read after `flush`."""
        parts = self._parts
        index = len(parts) >> 1
        parts.append(pages)
        parts.append(body)
        place = self._row << INDEX_BITS | index
        self._size += len(body)
        if self._size >= BUNDLE_BYTES or index + 1 == _MOST_PARTS:
            self._close()
        return place

    def free(self, place: int) -> None:
        """Nobody holds this part any more."""
        self._freed[place >> INDEX_BITS] += 1

    def flush(self) -> None:
        """Write what was added."""
        if self._parts:
            self._close()
        run_many(self._connection, "INSERT INTO bundle (row, held, body) VALUES", self._closed)
        self._closed.clear()

    def settle(self) -> None:
        """Write what was added, and drop the bundles of which nothing is held: once, at the end of a batch."""
        self.flush()
        if self._freed:
            run_many(
                self._connection,
                "UPDATE bundle SET held = held - freed.column2 FROM (VALUES",
                list(self._freed.items()),
                ") AS freed WHERE row = freed.column1",
            )
            run_many(
                self._connection,
                "DELETE FROM bundle WHERE held <= 0 AND row IN (VALUES",
                [(row,) for row in self._freed],
                ")",
            )
            self._freed.clear()

    def _close(self) -> None:
        body = _encode(self._parts)
        if len(body) > COMPRESS_ABOVE_BYTES:
            body = self._compress(body)
        self._closed.append((self._row, len(self._parts) >> 1, body))
        self._row += 1
        self._parts = []
        self._size = 0


class BundleReader:
    """Reads parts and remembers the bundles they stand in, until told to forget. One thread at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._decompress = zstandard.ZstdDecompressor().decompress
        self._held: dict[int, list[bytes]] = {}

    def fetch(self, places: Iterable[int]) -> None:
        """Read the bundles of many places in few statements."""
        rows = {place >> INDEX_BITS for place in places}.difference(self._held)
        wanted = sorted(rows)
        for first in range(0, len(wanted), _AT_ONCE):
            marks = ",".join(map(str, wanted[first : first + _AT_ONCE]))
            for row, body in self._connection.execute(f"SELECT row, body FROM bundle WHERE row IN ({marks})"):
                self._held[row] = self._unpack(body)

    def part(self, place: int) -> Part:
        """One part. Raises: Damaged when it is not there."""
        row = place >> INDEX_BITS
        parts = self._held.get(row)
        if parts is None:
            found = self._connection.execute("SELECT body FROM bundle WHERE row = ?", (row,)).fetchone()
            if found is None:
                raise Damaged(f"views.db: bundle {row}, which transactions stand in, is missing")
            parts = self._held[row] = self._unpack(found[0])
        index = (place & (_MOST_PARTS - 1)) << 1
        if index + 1 >= len(parts):
            raise Damaged(f"views.db: bundle {row} has no part {index >> 1}")
        return parts[index], parts[index + 1]

    def parts(self, places: Sequence[int]) -> list[Part]:
        """Many parts, in the order asked."""
        self.fetch(places)
        return [self.part(place) for place in places]

    def forget(self, most: int = 0) -> None:
        """Forget what was read, when it is more than `most` bundles."""
        if len(self._held) > most:
            self._held.clear()

    def _unpack(self, body: bytes) -> list[bytes]:
        return _decode(self._decompress(body) if body[0] == _ZSTD_FIRST_BYTE else body)
