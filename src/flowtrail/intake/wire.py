"""What producers send, turned into canonical records: the one way from foreign bytes to `model.records`.

    body ── bodies: decompress, split ──► texts ── typed: all at once ──► records
                                                       │ not certain
                                                       ▼
                                            suspects: one by one ──► records or refusals

A record that is refused spoils no other.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from flowtrail.intake.bodies import decompress, is_lines, split
from flowtrail.intake.suspects import read_exact, read_stamp
from flowtrail.intake.typed import read_typed
from flowtrail.model.errors import Refusal, shorten
from flowtrail.model.records import AnyRecord, decode_record, encode_record

_AT_ONCE: Final = 1_024
"""Records that are read together: enough that the fixed cost of a table, 100 µs, is spread thin, and few enough that
what stands between text and bytes stays in the processor's cache and never amounts to more than some megabytes."""


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


class Decoded:
    """A body's records in their order, as canonical bytes, and those that were refused.

    `records` are the same as objects, made when somebody asks. `received_at` is when the body arrived, in
    microseconds since the epoch.
    """

    __slots__ = ("_records", "encoded", "received_at", "rejected")

    def __init__(
        self,
        records: list[AnyRecord] | None,
        encoded: list[bytes],
        rejected: list[Rejected],
        received_at: int = 0,
    ) -> None:
        self._records = records
        self.encoded = encoded
        self.rejected = rejected
        self.received_at = received_at

    @property
    def records(self) -> list[AnyRecord]:
        if self._records is None:
            self._records = [decode_record(each) for each in self.encoded]
        return self._records


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
    encoded: list[bytes] = []
    rejected: list[Rejected] = []
    for first in range(0, len(texts), _AT_ONCE):
        some = texts[first : first + _AT_ONCE]
        read = read_typed(some, body if len(some) == len(texts) else b"\n".join(some))
        if None not in read:
            encoded += read  # type: ignore[arg-type]
            continue
        for index, record in enumerate(read):
            try:
                encoded.append(encode_record(read_exact(some[index])) if record is None else record)
            except Refusal as refusal:
                rejected.append(_rejected(first + index, some[index], refusal))
    return Decoded(None, encoded, rejected, received_at)


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
