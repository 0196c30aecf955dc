"""A transaction's row: how its header, its list of pieces and its pages are packed into columns.

Every byte counts: a transaction of seven records is to take at most 1.6 KB, indexes and all.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from flowtrail.model.pages import page_number, split_number
from flowtrail.projection.header import Header
from flowtrail.storage.sqlite.names import Cohort
from flowtrail.storage.varints import put_varint, read_varints

ANNOUNCED: Final = 1
TRUNCATED: Final = 2
CREATED_IS_OPENED: Final = 4
ATTEMPT_SHIFT: Final = 3
"""`marks` holds the flags, and the attempt above them."""

TICK_BITS: Final = 20
"""The column `tick` is `updated` in steps of a second (2^20 µs): what is updated often need not move in its index."""

HEADER_COLUMNS: Final = "id, opened, updated, ended, cohort, deadline, created, block, marks, version, object"
"""In the order `header_of_row` takes them."""

ENTRY_BYTES: Final = 7
_LEVEL_BITS: Final = 4
UNMERGED: Final = 15
"""The level of pieces that would exceed the largest piece if they were merged."""


def marks_of(header: Header) -> int:
    """The column `marks`."""
    return (
        (ANNOUNCED if header.announced else 0)
        | (TRUNCATED if header.truncated else 0)
        | (CREATED_IS_OPENED if header.created_at == header.opened_at else 0)
        | header.attempt << ATTEMPT_SHIFT
    )


def created_of(header: Header) -> int | None:
    """The column `created`: empty where `marks` says it all."""
    return None if header.created_at == header.opened_at else header.created_at


def header_of_row(row: Sequence[Any], cohort: Cohort) -> Header:
    """The header that `HEADER_COLUMNS` hold."""
    _, opened, updated, ended, _, deadline, created, block, marks, version, object_id = row
    return Header(
        announced=bool(marks & ANNOUNCED),
        flow=cohort.flow,
        version=version,
        object_type=cohort.object_type,
        object_id=object_id,
        status=cohort.status,
        attempt=marks >> ATTEMPT_SHIFT,
        opened_at=opened,
        updated_at=updated,
        created_at=opened if marks & CREATED_IS_OPENED else created,
        ended_at=ended,
        deadline_at=deadline,
        current_block=block,
        has_failures=cohort.has_failures,
        truncated=bool(marks & TRUNCATED),
    )


# --- lists of pieces: entries of 7 bytes, the piece's place above 4 bits of its level; the lowest level stands last ---


def piece_entry(place: int, level: int) -> bytes:
    """One entry; lists are entries one after the other, so that adding a piece is adding bytes."""
    return (place << _LEVEL_BITS | level).to_bytes(ENTRY_BYTES, "big")


def piece_entries(packed: bytes) -> list[tuple[int, int]]:
    """(place, level) of every piece."""
    entries = [
        int.from_bytes(packed[at : at + ENTRY_BYTES], "big") for at in range(0, len(packed), ENTRY_BYTES)
    ]
    return [(entry >> _LEVEL_BITS, entry & UNMERGED) for entry in entries]


def piece_places(packed: bytes) -> list[int]:
    """The place of every piece."""
    return [
        int.from_bytes(packed[at : at + ENTRY_BYTES], "big") >> _LEVEL_BITS
        for at in range(0, len(packed), ENTRY_BYTES)
    ]


def is_full(packed: bytes, count: int) -> bool:
    """Whether so many of the lowest level stand at the list's end."""
    at = len(packed) - count * ENTRY_BYTES
    return at >= 0 and not packed[at + ENTRY_BYTES - 1] & UNMERGED


# --- lists of journal pages: varints of the writer's ordinal and the sequence, each less what went before ---

PAGES_GO_ON: Final = b"\0\0"
"""Between two lists: adding one to another is adding bytes. A step of nothing is never a page."""


def pack_pages(pages: Iterable[int]) -> bytes:
    """A set of page numbers, packed."""
    out = bytearray()
    ordinal = sequence = 0
    for number in sorted(set(pages)):
        next_ordinal, next_sequence = split_number(number)
        put_varint(out, next_ordinal - ordinal)
        put_varint(out, next_sequence - sequence if next_ordinal == ordinal else next_sequence)
        ordinal, sequence = next_ordinal, next_sequence
    return bytes(out)


def unpack_pages(packed: bytes | None) -> list[int]:
    """The page numbers; ascending when it is one list, as it stands when it is several."""
    pages: list[int] = []
    ordinal = sequence = 0
    values = iter(read_varints(packed or b""))
    for step in values:
        further = next(values)
        if step == further == 0:
            ordinal = sequence = 0
            continue
        ordinal, sequence = ordinal + step, further + (0 if step else sequence)
        pages.append(page_number(ordinal, sequence))
    return pages
