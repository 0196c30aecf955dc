"""What producers send, turned into canonical records: the one way from foreign bytes to `model.records`.

    body ── bodies: decompress, split ──► texts ── typed: all at once ──► records
                                                       │ not certain
                                                       ▼
                                            suspects: one by one ──► records or refusals

A record that is refused spoils no other.
"""

from collections.abc import Sequence

import msgspec

from flowtrail.intake.bodies import decompress, is_lines, split
from flowtrail.intake.suspects import read_exact, read_stamp
from flowtrail.intake.typed import read_typed
from flowtrail.model.errors import Refusal, shorten
from flowtrail.model.records import AnyRecord, encode_record


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """A record that was refused. `index` counts the body's records from 0; blank lines are none.

    `field` is a path such as `exceptions[0].type`, None when it is about the whole record. `producer` and `seq` are
    the record's own, where they could be read: the page that tells of the others names them.
    """

    index: int
    code: str
    field: str | None
    received: str | None
    allowed: str | None
    message: str
    producer: str | None = None
    seq: int | None = None


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """A body's records in their order, with the canonical bytes of each, and those that were refused."""

    records: list[AnyRecord]
    encoded: list[bytes]
    rejected: list[Rejected]
    received_at: int = 0
    """Microseconds since the epoch: when the body arrived."""


def decode_body(
    body: bytes, content_type: str | None, content_encoding: str | None, received_at: int
) -> Decoded:
    """Read a request's body. At least one record is accepted or rejected.

    Raises: Refusal for what concerns the whole body: 415 `unsupported_media_type`, `unsupported_encoding`;
    413 `body_too_large`, `compression_ratio`, `too_many_records`; 400 `broken_compression`, `empty_body`,
    `not_utf8`, `invalid_json`.
    """
    lines = is_lines(content_type)
    plain = decompress(body, content_encoding)
    return decode_texts(split(plain, lines=lines), plain, received_at)


def decode_texts(texts: Sequence[bytes], body: bytes, received_at: int) -> Decoded:
    """Read the texts of records, none of them blank; `body` holds them all."""
    rejected: list[Rejected] = []
    records: list[AnyRecord] = []
    for index, record in enumerate(read_typed(texts, body)):
        if record is not None:
            records.append(record)
            continue
        try:
            records.append(read_exact(texts[index]))
        except Refusal as refusal:
            rejected.append(_rejected(index, texts[index], refusal))
    return Decoded(records, [encode_record(record) for record in records], rejected, received_at)


def _rejected(index: int, text: bytes, refusal: Refusal) -> Rejected:
    producer, seq = read_stamp(text)
    return Rejected(
        index,
        refusal.code,
        shorten(refusal.field),
        refusal.received,
        refusal.allowed,
        refusal.message,
        producer,
        seq,
    )
