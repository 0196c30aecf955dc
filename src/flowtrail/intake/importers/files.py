"""A file's bytes, decompressed as they are read, and cut into lines of bounded length.

Compression is told by the first bytes, not by the name. Memory stays bounded whatever the file holds.
"""

import io
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from flowtrail.intake.importers.problems import Unreadable
from flowtrail.model.errors import Refusal

STDIN: Final = Path("-")
_READ_BYTES: Final = 64 * 1024
"""Compressed bytes at a time: whatever they decompress to is held at once."""
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_OTHERS: Final = {
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x04\x22\x4d\x18": "lz4",
}


class Source:
    """One file, or standard input for `-`. `done` and `total` count bytes as they lie on disk; `total` is None where
    nobody knows."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.done = 0
        self.readings = 1
        """How often the whole file will be read."""
        self.is_read_first = False
        """Whether all of it is read before anything of it is said."""
        self._read_bytes = 0
        self.counts: Counter[str] = Counter()
        """What was kept as it is though something is odd about it, by what that is."""
        self.is_regular = file != STDIN and file.is_file()
        """Whether it can be read from anywhere, and again: a pipe is read once, from its beginning."""
        self.total = file.stat().st_size if self.is_regular else None

    def chunks(self) -> Iterator[bytes]:
        """The decompressed bytes. Raises: Unreadable (cut or damaged), Refusal (a compression that is not read)."""
        raw: BinaryIO = sys.stdin.buffer if self.file == STDIN else self.file.open("rb")
        try:
            before = "nothing of it was taken" if self.is_read_first else "what stood before was read"
            yield from _decompressed(self._read(raw), before)
        finally:
            if raw is not sys.stdin.buffer:
                raw.close()

    def _read(self, raw: BinaryIO) -> Iterator[bytes]:
        while chunk := raw.read(_READ_BYTES):
            self._read_bytes += len(chunk)
            self.done = self._read_bytes // self.readings
            yield chunk

    def lines(self, longest: int) -> Iterator[bytes | None]:
        """Lines without their ends; None for one longer than `longest` bytes, which is left out."""
        held = bytearray()
        skipping = False
        for chunk in self.chunks():
            first, *rest = chunk.split(b"\n")
            if not skipping:
                held += first
            if len(held) > longest:
                skipping = True
                held.clear()
            if not rest:
                continue
            yield None if skipping else bytes(held)
            skipping = False
            *whole, last = rest
            for line in whole:
                yield line if len(line) <= longest else None
            held = bytearray(last)
        if held or skipping:
            yield None if skipping or len(held) > longest else bytes(held)


def _decompressed(chunks: Iterator[bytes], before: str) -> Iterator[bytes]:
    first = next(chunks, b"")
    for magic, name in _OTHERS.items():
        if first.startswith(magic):
            raise Refusal(
                "unsupported_compression",
                f"the file is compressed with {name}, which is not read; allowed: gzip, zstd or none",
                "file",
                name,
                "gzip, zstd or none",
            )
    if first.startswith(_GZIP):
        yield from _inflated(first, chunks, lambda: zlib.decompressobj(wbits=31), before)
    elif first.startswith(_ZSTD):
        import zstandard

        yield from _inflated(first, chunks, lambda: zstandard.ZstdDecompressor().decompressobj(), before)
    elif first:
        yield first
        yield from chunks


def _inflated(first: bytes, chunks: Iterator[bytes], start: Any, before: str) -> Iterator[bytes]:
    """Frame after frame: both formats may be concatenated. `before` says what became of what stood before damage."""
    import zstandard

    stream, chunk = start(), first
    try:
        while True:
            if out := stream.decompress(chunk):
                yield out
            if stream.eof and stream.unused_data:
                stream, chunk = start(), stream.unused_data
                continue
            chunk = next(chunks, b"")
            if not chunk:
                break
            if stream.eof:
                stream = start()
    except (zlib.error, zstandard.ZstdError) as error:
        raise Unreadable(None, f"the compressed file is damaged; {before} ({error})") from error
    if not stream.eof:
        raise Unreadable(None, f"the compressed file ends too early; {before}")


class ChunkReader(io.RawIOBase):
    """Chunks of bytes as a readable file, for readers that want one."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
