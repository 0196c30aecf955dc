"""A transaction's document: how it is keyed, indexed and packed.

`_id` tenant's number and transaction id; `k` everything it is found by: its tenant, its cohort and its terms, each
with the tenant's number in front, in one multikey index with `o` (opened); `u` updated, `e` ended, `d` deadline;
`h` the header, `f` the facts, `p` entries of statements about executions with the pages they stand in, `s` how many
entries of each level have moved to documents of their own (`n`: the next one's number); `r` the revision that last
changed it.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Final

import msgspec
import zstandard

from flowtrail.model.limits import MAX_PIECE_BYTES
from flowtrail.model.pages import page_number, split_number
from flowtrail.model.records import BlockRecord, encode_record
from flowtrail.projection.header import Header
from flowtrail.storage.mongodb.names import TENANT_BYTES
from flowtrail.storage.varints import put_varint, read_varints

ID_BYTES: Final = 16
STEP_BITS: Final = 20
"""The order of updates goes in steps of 2^20 µs, about a second: an open transaction moves in it once a step instead
of with every record, and a list sorts one step at a time."""
STEP_BYTES: Final = 5
COMPRESS_ABOVE_BYTES: Final = 4_096
"""Below, compressing costs more than it saves: MongoDB compresses its blocks itself."""
_ZSTD_FIRST_BYTE: Final = 0x28
"""Of its magic number. Facts are msgpack arrays, which never begin with it; entries begin with their own mark."""
_PLAIN: Final = b"\0"
_PACKED: Final = b"\1"

encode_header: Final = msgspec.msgpack.Encoder().encode
decode_header: Final = msgspec.msgpack.Decoder(Header).decode
_decode_piece: Final = msgspec.msgpack.Decoder(list[BlockRecord]).decode


def tenant_key(tenant: int) -> bytes:
    """What every key of a tenant begins with."""
    return tenant.to_bytes(TENANT_BYTES, "big")


def transaction_key(tenant: int, id: bytes) -> bytes:
    """The `_id` of a transaction."""
    return tenant.to_bytes(TENANT_BYTES, "big") + id


def id_of(key: bytes) -> bytes:
    """The transaction's id in its key."""
    return key[TENANT_BYTES:]


def tenant_of(key: bytes) -> int:
    """The tenant's number in a transaction's key."""
    return int.from_bytes(key[:TENANT_BYTES], "big")


def updated_key(key: bytes, updated_at: int) -> bytes:
    """Where a transaction stands in the order of updates: a document that is nothing but its `_id`."""
    return key[:TENANT_BYTES] + _step(updated_at) + key[TENANT_BYTES:]


def _step(instant: int) -> bytes:
    return max(instant >> STEP_BITS, 0).to_bytes(STEP_BYTES, "big")


def split_updated(key: bytes) -> tuple[int, bytes]:
    """(step, transaction key) of an `updated_key`."""
    end = TENANT_BYTES + STEP_BYTES
    return int.from_bytes(key[TENANT_BYTES:end], "big"), key[:TENANT_BYTES] + key[end:]


def updated_bounds(front: bytes, since: int | None, until: int | None) -> dict[str, bytes]:
    """The range of a tenant's `updated_key`s whose steps hold instants in [since, until)."""
    # Of their full length: MongoDB compares binary values by length before their bytes.
    low = front + _step(since or 0) + b"\0" * ID_BYTES
    if until is None:
        return {"$gte": low, "$lte": front + b"\xff" * (STEP_BYTES + ID_BYTES)}
    return {"$gte": low, "$lte": front + _step(until - 1) + b"\xff" * ID_BYTES}


# --- what a transaction is found by: terms begin with a letter, so the other two cannot be mistaken ---


def found_by_all(tenant: int) -> str:
    """What all transactions of a tenant are found by."""
    return f"{tenant} *"


def found_by_cohort(tenant: int, cohort: int) -> str:
    """What the transactions of a cohort are found by."""
    return f"{tenant} !{cohort}"


def found_by_deadline(tenant: int, *, late: bool) -> str:
    """What transactions are found by that ended after their deadline; or that have one and are in transit."""
    return f"{tenant} !{'late' if late else 'due'}"


def deadline_mark(header: Header) -> bool | None:
    """Which of the two holds: True late, False due, None neither."""
    if header.deadline_at is None:
        return None
    if header.ended_at is None:
        return False
    return True if header.ended_at > header.deadline_at else None


def found_by_term(tenant: int, term: str) -> str:
    """What the transactions with a term are found by."""
    return f"{tenant} {term}"


def terms_in(found: Sequence[str]) -> tuple[str, ...]:
    """The terms in a field `k`, sorted."""
    bare = [entry.partition(" ")[2] for entry in found]
    return tuple(sorted(term for term in bare if term[0] not in "*!"))


# --- facts and entries ---


class Bodies:
    """Packs and unpacks bodies. One thread each: zstd's contexts must not be shared."""

    # Made when first needed: most reads need neither, and would pay for both a tenth of what they take.

    @cached_property
    def _compress(self) -> Callable[[bytes], bytes]:
        return zstandard.ZstdCompressor(level=1).compress

    @cached_property
    def _decompress(self) -> Callable[[bytes], bytes]:
        return zstandard.ZstdDecompressor().decompress

    def pack(self, body: bytes) -> bytes:
        """The bytes to keep of facts."""
        if len(body) <= COMPRESS_ABOVE_BYTES and not (body and body[0] == _ZSTD_FIRST_BYTE):
            return body
        return self._compress(body)

    def unpack(self, packed: bytes) -> bytes:
        """The facts that were kept."""
        return self._decompress(packed) if packed and packed[0] == _ZSTD_FIRST_BYTE else packed

    def entry(self, piece: bytes | None, pages: bytes) -> bytes:
        """One entry: what one batch said of a transaction (perhaps nothing about executions), and where it stands."""
        body = len(pages).to_bytes(4, "big") + pages + (piece or b"")
        return _PLAIN + body if len(body) <= COMPRESS_ABOVE_BYTES else _PACKED + self._compress(body)

    def open_entry(self, entry: bytes) -> tuple[bytes, bytes]:
        """(piece, pages) of an entry; the piece is empty when it has none."""
        body = entry[1:] if entry[:1] == _PLAIN else self._decompress(entry[1:])
        end = 4 + int.from_bytes(body[:4], "big")
        return body[end:], body[4:end]


def split_piece(piece: bytes) -> list[bytes]:
    """Pieces no larger than the largest that may be, that say the same together: what one batch adds has no bound."""
    if len(piece) <= MAX_PIECE_BYTES:
        return [piece]
    parts: list[bytes] = []
    held: list[BlockRecord] = []
    size = 0
    for record in _decode_piece(piece):
        more = len(encode_record(record))
        if held and size + more > MAX_PIECE_BYTES - 16:
            parts.append(encode_record(held))
            held, size = [], 0
        held.append(record)
        size += more
    parts.append(encode_record(held))
    return parts


# --- lists of journal pages: varints of the writer's ordinal and the sequence, each less what went before ---


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


def unpack_pages(packed: bytes) -> list[int]:
    """The page numbers, ascending."""
    pages: list[int] = []
    ordinal = sequence = 0
    values = iter(read_varints(packed))
    for step in values:
        ordinal, sequence = ordinal + step, next(values) + (0 if step else sequence)
        pages.append(page_number(ordinal, sequence))
    return pages
