"""What producers send, turned into canonical records: the one way from foreign bytes to `model.records`.

    body ── bodies, chunks ──► texts ── typed: all at once ──► canonical bytes
                                          │ not certain
                                          ▼
                                        suspects: one by one ──► canonical bytes, or refusals

A record that is refused spoils no other.
"""

from typing import Final

import msgspec

from flowtrail.intake.bodies import decompress, is_lines
from flowtrail.intake.chunks import Chunk, cut
from flowtrail.intake.suspects import read_exact, read_stamp
from flowtrail.intake.typed import read_typed
from flowtrail.model.errors import Refusal, shorten
from flowtrail.model.records import AnyRecord, decode_record, encode_record

_FEW: Final = 8
"""Below this many records the fixed cost of a table, 100 µs, exceeds reading each exactly, 13 µs."""


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

    __slots__ = ("_records", "encoded", "received_at", "redacted", "rejected")

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
        self.redacted = 0
        """Values that were taken out of the records before they are written."""

    def replace(self, encoded: list[bytes]) -> None:
        """Other canonical bytes for the same records."""
        self.encoded, self._records = encoded, None

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
    encoded: list[bytes] = []
    rejected: list[Rejected] = []
    first = 0
    for chunk in cut(decompress(body, content_encoding), lines=lines):
        _read(chunk, first, encoded, rejected)
        first += chunk.count
    return Decoded(None, encoded, rejected, received_at)


def _read(chunk: Chunk, first: int, encoded: list[bytes], rejected: list[Rejected]) -> None:
    read = read_typed(chunk) if chunk.count >= _FEW else [None] * chunk.count
    if None not in read:
        encoded += read  # type: ignore[arg-type]
        return
    for index, record in enumerate(read):
        try:
            encoded.append(encode_record(read_exact(chunk.texts[index])) if record is None else record)
        except Refusal as refusal:
            rejected.append(_rejected(first + index, chunk.texts[index], refusal))


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
