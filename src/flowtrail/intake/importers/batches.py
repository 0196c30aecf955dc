"""Records grouped into bodies of requests."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from flowtrail.intake.importers.files import Source

MOST_RECORDS: Final = 1_000
MOST_BYTES: Final = 1024 * 1024
"""A body stays far below the server's limit, and several are in flight at once."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The body of one request. `done` and `total` count bytes of the file; `rows` tells each record's row."""

    body: bytes
    records: int
    done: int
    total: int | None
    rows: tuple[int, ...] = ()


def grouped(records: Iterable[tuple[int, bytes]], source: Source) -> Iterator[Batch]:
    """Bodies of at most `MOST_RECORDS` records and about `MOST_BYTES`."""
    lines: list[bytes] = []
    rows: list[int] = []
    size = 0
    for row, line in records:
        lines.append(line)
        rows.append(row)
        size += len(line)
        if len(lines) == MOST_RECORDS or size > MOST_BYTES:
            yield Batch(b"\n".join(lines), len(lines), source.done, source.total, tuple(rows))
            lines, rows, size = [], [], 0
    if lines:
        yield Batch(b"\n".join(lines), len(lines), source.done, source.total, tuple(rows))
