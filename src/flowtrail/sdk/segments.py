"""Files that records survive in when their process does not: how they look, and how they are read after a crash.

A segment is one file of fixed size, mapped into memory. Writing to it is a copy within memory; the kernel holds it
from that moment on, whatever becomes of the process. What a power cut leaves is what was synchronised, and perhaps
more, in any order: so every frame has a mark, a length and a checksum, and what is torn is skipped.

    header, 1,024 bytes: magic 8 | offset up to which all is settled 8 | length of producer 2 | producer
    frame: mark 4 | length of body 4 (highest bit: a report) | CRC-32 of body 4 | number, 20 digits | body

Integers are little-endian. A body is a record's JSON without `producer` and `seq`.
"""

import mmap
import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple
from zlib import crc32

MAGIC: Final = b"FTSPILL1"
MARK: Final = b"\xf1\x0a\xe7\x1b"
HEADER_BYTES: Final = 1_024
SEGMENT_BYTES: Final = 1024 * 1024
REPORT: Final = 1 << 31
SUFFIX: Final = ".spill"

_FRAME: Final = struct.Struct("<4sII")
_OFFSET: Final = struct.Struct("<Q")
_LENGTH: Final = struct.Struct("<H")
_DIGITS: Final = 20
FRAME_BYTES: Final = _FRAME.size + _DIGITS
"""Around a body."""


class Frame(NamedTuple):
    """One record as it lies in a segment."""

    seq: int
    body: bytes
    is_report: bool
    end: int


class Segment:
    """One mapped file. `at` is where the next frame goes, `bar` the offset up to which a frame may reach without
    anybody being woken or the next segment begun; both belong to whoever writes."""

    __slots__ = (
        "at",
        "bar",
        "ends",
        "fd",
        "map",
        "path",
        "producer",
        "read_at",
        "sealed",
        "size",
        "synced_at",
    )

    def __init__(
        self, path: Path, fd: int, mapped: mmap.mmap, producer: str, settled: int = HEADER_BYTES
    ) -> None:
        self.path, self.fd, self.map, self.producer = path, fd, mapped, producer
        self.at = self.read_at = self.synced_at = settled
        self.size = self.bar = len(mapped)
        self.sealed = False
        self.ends: list[int] = []
        """Where the frames end that were read and are not settled."""

    @property
    def is_done(self) -> bool:
        """Whether everything in it is settled, and nothing more will come."""
        return self.sealed and not self.ends and self.read_at >= self.at

    def settle(self, frames: int) -> None:
        """The first of the frames in flight are settled."""
        if frames:
            self.map[len(MAGIC) : len(MAGIC) + _OFFSET.size] = _OFFSET.pack(self.ends[frames - 1])
            del self.ends[:frames]

    def sync(self) -> None:
        """Make what is written safe against a power cut. Raises: OSError."""
        at = self.at
        if at != self.synced_at:
            _datasync(self.fd)
            self.synced_at = at

    def close(self) -> None:
        """Give back map and file; what is in it stays."""
        self.map.close()
        if self.fd >= 0:
            with suppress(OSError):
                os.close(self.fd)
            self.fd = -1

    def remove(self) -> None:
        """The file is needed no longer."""
        self.close()
        with suppress(OSError):
            self.path.unlink()


_datasync = getattr(os, "fdatasync", os.fsync)


def head_of(body: bytes, *, is_report: bool = False) -> bytes:
    """A frame's beginning; the number's 20 digits and the body follow."""
    return _FRAME.pack(MARK, len(body) | (REPORT if is_report else 0), crc32(body))


def create_segment(path: Path, producer: str) -> Segment:
    """A new file, all of whose space is there: a mapped file that cannot grow would kill the process.

    Raises: OSError.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(fd, 0, SEGMENT_BYTES)
        else:
            os.write(fd, bytes(SEGMENT_BYTES))
        name = producer.encode()
        mapped = mmap.mmap(fd, SEGMENT_BYTES)
    except BaseException:
        os.close(fd)
        with suppress(OSError):
            path.unlink()
        raise
    mapped[8:HEADER_BYTES] = (
        _OFFSET.pack(HEADER_BYTES) + _LENGTH.pack(len(name)) + name.ljust(HEADER_BYTES - 18, b"\0")
    )
    mapped[:8] = MAGIC
    for page in range(0, SEGMENT_BYTES, mmap.PAGESIZE):
        # The first touch of a page costs, and whoever makes a segment ahead can pay it.
        mapped[page] = mapped[page]
    return Segment(path, fd, mapped, producer)


def no_segment() -> Segment:
    """One that has room for nothing."""
    nothing = Segment(Path(), -1, mmap.mmap(-1, mmap.PAGESIZE), "")
    nothing.size = nothing.bar = -1
    nothing.at = nothing.read_at = nothing.synced_at = 0
    nothing.sealed = True
    return nothing


def open_segment(path: Path) -> Segment | None:
    """A file that a process left behind, to be read; None where it is none, or holds nothing yet.

    Raises: OSError.
    """
    fd = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
    try:
        size = os.fstat(fd).st_size
        mapped = mmap.mmap(fd, size) if size >= HEADER_BYTES else None
    except BaseException:
        os.close(fd)
        raise
    if mapped is None or mapped[:8] != MAGIC:
        if mapped is not None:
            mapped.close()
        os.close(fd)
        return None
    (length,) = _LENGTH.unpack_from(mapped, 16)
    (settled,) = _OFFSET.unpack_from(mapped, 8)
    producer = mapped[18 : 18 + min(length, HEADER_BYTES - 18)].decode("utf-8", "replace")
    segment = Segment(path, fd, mapped, producer, max(HEADER_BYTES, min(settled, size)))
    segment.at, segment.sealed = size, True
    return segment


def read_frame(segment: Segment, *, skips: bool = False) -> Frame | None:
    """The next frame, which then is in flight. With `skips`, what is torn is passed over; else it is waited for.
    None: there is none (yet)."""
    at = segment.read_at
    while (frame := _frame_at(segment.map, at, segment.at)) is None:
        at = segment.map.find(MARK, at + 1, segment.at) if skips else -1
        if at < 0:
            return None
    segment.read_at = frame.end
    segment.ends.append(frame.end)
    return frame


def _frame_at(data: mmap.mmap, at: int, limit: int) -> Frame | None:
    if at + FRAME_BYTES > limit:
        return None
    mark, length, checksum = _FRAME.unpack_from(data, at)
    body_at = at + FRAME_BYTES
    end = body_at + (length & ~REPORT)
    if mark != MARK or end > limit:
        return None
    digits = data[at + _FRAME.size : body_at]
    body = data[body_at:end]
    if not digits.isdigit() or crc32(body) != checksum:
        return None
    return Frame(int(digits), body, length >= REPORT, end)
