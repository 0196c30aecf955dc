"""Pages of the journal: made by intake, read by everybody; the format is docs/journal.md.

Records go in as canonical bytes and come out decoded. The hash of a page covers the previous page's hash, the header
and the Merkle root over the records; the secret that salts the leaves, and the compression, stand outside it.
"""

import threading
from collections.abc import Sequence
from hashlib import sha256
from typing import Final, NamedTuple

import msgspec
import zstandard

from flowtrail.ledger.merkle import (
    HASH_BYTES,
    SALT_BYTES,
    SECRET_BYTES,
    leaf_hash,
    leaf_hashes,
    root_of,
    salts_of,
)
from flowtrail.model.errors import Damaged, Refusal
from flowtrail.model.ids import random_bytes
from flowtrail.model.pages import Page, Writer, page_number
from flowtrail.model.records import AnyRecord

FORMAT: Final = 1
COMPRESSION_LEVEL: Final = 1
"""Levels 2 to 5 take 1.2 to 4 × as long and save nothing on records."""
MAX_BODY_BYTES: Final = 8 * 1024 * 1024
"""No page decompresses to more: a page takes 1 MiB, or one record, which is at most 256 KiB of JSON."""

_TAG: Final = b"flowtrail/page/1"
_ERASED: Final = b"\xc0"
"""What stands in the body where a record was erased: msgpack's nil."""


UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding altered bytes may raise."""


class NamedHead(NamedTuple):
    """The last page of a writer that no page has named yet."""

    ordinal: int
    sequence: int
    hash: bytes


class PageHeader(msgspec.Struct, array_like=True, frozen=True):
    """What a page says of itself. `received_at` is in µs since the epoch; `rejected` are producers' sequences that
    came in and were refused, ascending; `named` stands on a writer's first page only."""

    format: int
    tenant: str
    writer: str
    sequence: int
    received_at: int
    count: int
    rejected: dict[str, list[int]]
    named: list[NamedHead]


_encode_header: Final = msgspec.msgpack.Encoder(order="deterministic").encode
_decode_header: Final = msgspec.msgpack.Decoder(PageHeader).decode
_decode_body: Final = msgspec.msgpack.Decoder(list[AnyRecord | None]).decode
_decode_raw: Final = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_encode_secret: Final = msgspec.msgpack.Encoder().encode
_decode_secret: Final = msgspec.msgpack.Decoder(list[bytes]).decode


class _Codec(threading.local):
    """zstd's contexts belong to one thread at a time."""

    def __init__(self) -> None:
        self.compress = zstandard.ZstdCompressor(COMPRESSION_LEVEL).compress
        self.decompress = zstandard.ZstdDecompressor().decompress


_codec = _Codec()


# --- making --------------------------------------------------------------------------------------------------


def build_page(
    writer: Writer,
    sequence: int,
    previous: bytes,
    received_at: int,
    encoded: Sequence[bytes],
    rejected: Sequence[tuple[str, int]] = (),
    named: Sequence[tuple[int, int, bytes]] = (),
) -> Page:
    """The writer's page of that sequence (from 1). `previous` is the hash of the page before, empty for the first;
    `encoded` the records' canonical bytes, `rejected` pairs of producer and sequence, `named` heads as
    `heads.unnamed_heads` gives them. Every call draws a new secret: a page that may be there already is kept and
    sent again, never built again.
    """
    refused: dict[str, set[int]] = {}
    for producer, seq in rejected:
        refused.setdefault(producer, set()).add(seq)
    header = _encode_header(
        PageHeader(
            FORMAT,
            writer.tenant,
            writer.name,
            sequence,
            received_at,
            len(encoded),
            {producer: sorted(seqs) for producer, seqs in refused.items()},
            sorted(NamedHead(*head) for head in named),
        )
    )
    secret = random_bytes(SECRET_BYTES)
    root = root_of(leaf_hashes(secret, encoded))
    hashed = page_hash(previous, header, root)
    return Page(page_number(writer.ordinal, sequence), header, previous, hashed, secret, _pack(encoded))


def page_hash(previous: bytes, header: bytes, root: bytes) -> bytes:
    """SHA-256 over a tag, the previous hash and the header, each after its length in four big-endian bytes, and
    the Merkle root."""
    digest = sha256(_TAG)
    for part in (previous, header):
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    digest.update(root)
    return digest.digest()


def _pack(encoded: Sequence[bytes]) -> bytes:
    if not encoded:
        return b""
    body = _array_head(len(encoded)) + b"".join(encoded)
    if len(body) > MAX_BODY_BYTES:
        raise ValueError(f"a page of {len(body)} bytes could not be read again; at most {MAX_BODY_BYTES}")
    packed: bytes = _codec.compress(body)
    return packed


def _array_head(count: int) -> bytes:
    """What msgpack writes in front of an array's elements."""
    if count < 16:
        return bytes((0x90 | count,))
    if count < 1 << 16:
        return b"\xdc" + count.to_bytes(2, "big")
    return b"\xdd" + count.to_bytes(4, "big")


# --- reading -------------------------------------------------------------------------------------------------


def read_header(page: Page) -> PageHeader:
    """What the page says of itself. Raises: Damaged."""
    try:
        header = _decode_header(page.header)
    except UNREADABLE as error:
        raise Damaged(f"page {page.number}: the header cannot be read: {error}") from error
    if header.format != FORMAT:
        raise Damaged(f"page {page.number}: format {header.format}; this Flowtrail knows {FORMAT}")
    return header


def record_count(page: Page) -> int:
    """How many records the page says it holds, erased ones included. Raises: Damaged."""
    return read_header(page).count


def read_records(page: Page) -> list[AnyRecord | None]:
    """The records in the order they were accepted; None where one was erased. Raises: Damaged."""
    if not page.body:
        return []
    try:
        return _decode_body(_unpack(page))
    except UNREADABLE as error:
        raise Damaged(f"page {page.number}: a record cannot be read: {error}") from error


def encoded_records(page: Page) -> list[bytes | None]:
    """The records' canonical bytes, as hashed; None where one was erased. Raises: Damaged."""
    if not page.body:
        return []
    try:
        raw = [bytes(record) for record in _decode_raw(_unpack(page))]
    except UNREADABLE as error:
        raise Damaged(f"page {page.number}: the body cannot be read: {error}") from error
    return [None if record == _ERASED else record for record in raw]


def _unpack(page: Page) -> bytes:
    try:
        # Asked before it is believed: an altered frame must not make us take all memory.
        size = zstandard.frame_content_size(page.body)
        if not 0 <= size <= MAX_BODY_BYTES:
            raise Damaged(f"page {page.number}: the body claims to be {size} bytes long")
        unpacked: bytes = _codec.decompress(page.body, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Damaged(f"page {page.number}: the body cannot be decompressed: {error}") from error
    return unpacked


# --- leaves and erasing --------------------------------------------------------------------------------------


def salts(page: Page, count: int) -> list[bytes | None]:
    """The salts of the page's `count` leaves; None where the record was erased. Raises: Damaged."""
    return [None if len(part) == HASH_BYTES else part for part in _secret_parts(page, count)]


def leaves(page: Page) -> list[bytes]:
    """The leaf hashes: computed from what is held, and as kept where a record was erased. Raises: Damaged."""
    records = encoded_records(page)
    found = []
    for part, record in zip(_secret_parts(page, len(records)), records, strict=True):
        if (record is None) != (len(part) == HASH_BYTES):
            raise Damaged(f"page {page.number}: body and secret disagree about what was erased")
        found.append(part if record is None else leaf_hash(part, record))
    return found


def erase(page: Page, leaf: int) -> Page:
    """The page without that record: its bytes and its salt are gone, only its leaf hash stays, and the page's hash
    still holds. Erasing twice changes nothing. Raises: Refusal (404 `not_found`: no such leaf), Damaged.

    `journal.replace_secret` puts the new secret and body in place.
    """
    records = encoded_records(page)
    if not 0 <= leaf < len(records):
        raise Refusal(
            "not_found", "the page holds no such record", "leaf", leaf, f"0 to {len(records) - 1}", 404
        )
    parts = _secret_parts(page, len(records))
    record = records[leaf]
    if record is None:
        return page
    parts[leaf] = leaf_hash(parts[leaf], record)
    kept = [_ERASED if held is None or index == leaf else held for index, held in enumerate(records)]
    return msgspec.structs.replace(page, secret=_encode_secret(parts), body=_pack(kept))


def _secret_parts(page: Page, count: int) -> list[bytes]:
    """For each leaf its salt (16 bytes) or, where the record was erased, its hash (32 bytes).

    A whole secret is exactly 32 bytes long, which the list that replaces it never is: n parts of 18 or 34 bytes and
    1 to 3 bytes in front.
    """
    if len(page.secret) == SECRET_BYTES:
        return salts_of(page.secret, count)
    try:
        parts = _decode_secret(page.secret)
    except UNREADABLE as error:
        raise Damaged(f"page {page.number}: the salts cannot be read: {error}") from error
    if len(parts) != count or any(len(part) not in {SALT_BYTES, HASH_BYTES} for part in parts):
        raise Damaged(f"page {page.number}: there are not {count} salts")
    return parts
