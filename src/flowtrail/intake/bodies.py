"""A request's body before anybody reads it: media type, compression and bounds.

Decompression streams, so that a bomb costs no more than the limit it breaks.
"""

import re
import zlib
from collections.abc import Callable
from typing import Final

import zstandard

from flowtrail.model.errors import Refusal
from flowtrail.model.limits import MAX_BODY_BYTES, MAX_COMPRESSION_RATIO

LINES: Final = frozenset({"application/x-ndjson", "application/jsonl"})
JSON: Final = "application/json"
ALLOWED_TYPES: Final = "application/x-ndjson, application/jsonl or application/json, in UTF-8"
ALLOWED_CODINGS: Final = "identity, gzip or zstd"

_PIECE: Final = 64 * 1024
"""Compressed bytes given to gzip at once; what it has not used is copied, so this stays small."""
_MOST_MEMBERS: Final = 4_096
"""Members of one gzip stream: block-wise writers make one per 64 KiB, and starting one costs microseconds."""
_ZSTD_PIECE: Final = 512
"""Compressed bytes given to zstd at once, which then makes at most 16 MiB of them: it has no bound of its own."""
_ZSTD_WINDOW: Final = 32 * 1024 * 1024
"""Memory one frame may ask for; no body is longer."""


def is_lines(content_type: str | None) -> bool:
    """Whether the records are lines; else they are one JSON value. Raises: Refusal (415)."""
    media_type, _, rest = (content_type or "").partition(";")
    media_type = media_type.strip().lower()
    charset = re.search(r"charset\s*=\s*\"?([\w.:-]*)", rest, re.IGNORECASE)
    known = media_type in LINES or media_type == JSON
    if not known or (charset and charset[1].lower() not in {"utf-8", "utf8", "us-ascii"}):
        raise Refusal(
            "unsupported_media_type",
            "Content-Type must name the form of the records" if not known else "records are UTF-8",
            "Content-Type",
            content_type,
            ALLOWED_TYPES,
            415,
        )
    return media_type in LINES


def decompress(body: bytes, content_encoding: str | None) -> bytes:
    """The body without its coding.

    Raises: Refusal (`unsupported_encoding` 415; `body_too_large`, `compression_ratio` 413; `broken_compression`).
    """
    coding = (content_encoding or "identity").strip().lower()
    if coding in {"identity", ""}:
        if len(body) > MAX_BODY_BYTES:
            raise _too_large(len(body))
        return body
    read = {"gzip": _gunzip, "x-gzip": _gunzip, "zstd": _unzstd}.get(coding)
    if read is None:
        raise Refusal(
            "unsupported_encoding",
            "Content-Encoding names a coding that is not read here",
            "Content-Encoding",
            content_encoding,
            ALLOWED_CODINGS,
            415,
        )
    if not body:
        return body
    if len(body) > MAX_BODY_BYTES:
        raise _too_large(len(body))
    grown = _Grown(len(body))
    read(body, grown.add)
    return b"".join(grown.parts)


class _Grown:
    """What came out of a compressed body so far, within the limits."""

    def __init__(self, compressed: int) -> None:
        self.parts: list[bytes] = []
        self._size = 0
        self._by_ratio = compressed * MAX_COMPRESSION_RATIO

    def add(self, part: bytes) -> None:
        self.parts.append(part)
        self._size += len(part)
        if self._size > MAX_BODY_BYTES:
            raise _too_large(None)
        if self._size > self._by_ratio:
            raise Refusal(
                "compression_ratio",
                "the body grows too much when it is decompressed",
                "body",
                f"more than {MAX_COMPRESSION_RATIO} times its compressed size",
                f"at most {MAX_COMPRESSION_RATIO} times its compressed size",
                413,
            )


def _gunzip(body: bytes, add: Callable[[bytes], None]) -> None:
    view, position, members = memoryview(body), 0, 0
    while position < len(view):
        members += 1
        if members > _MOST_MEMBERS:
            raise _broken("gzip", "there are too many members")
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            piece = view[position : position + _PIECE]
            if not piece:
                raise _broken("gzip", "the stream is cut off")
            try:
                part = member.decompress(piece, _PIECE * 16)
            except zlib.error as error:
                raise _broken("gzip", str(error)) from None
            position += len(piece) - len(member.unconsumed_tail) - len(member.unused_data)
            add(part)


def _unzstd(body: bytes, add: Callable[[bytes], None]) -> None:
    reader = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    try:
        size = zstandard.frame_content_size(body)
        if 0 < size <= min(MAX_BODY_BYTES, len(body) * MAX_COMPRESSION_RATIO):
            # One frame that says its size, as nearly every client sends it; it gets no more room than it says.
            try:
                add(reader.decompress(body, allow_extra_data=False))
            except zstandard.ZstdError:
                pass  # several frames, or a broken one: piece by piece shows which
            else:
                return
        position = 0
        while position < len(body):
            frame = reader.decompressobj()
            while not frame.eof:
                piece = body[position : position + _ZSTD_PIECE]
                if not piece:
                    raise _broken("zstd", "the stream is cut off")
                add(frame.decompress(piece))
                position += len(piece) - len(frame.unused_data)
    except zstandard.ZstdError as error:
        raise _broken("zstd", str(error)) from None


def _too_large(size: int | None) -> Refusal:
    return Refusal(
        "body_too_large",
        "the body is too long; send the records in several requests",
        "body",
        None if size is None else f"{size} bytes",
        f"at most {MAX_BODY_BYTES} bytes, before and after decompression",
        413,
    )


def _broken(coding: str, reason: str) -> Refusal:
    return Refusal(
        "broken_compression", f"the body is not sound {coding}: {reason}", "body", None, f"complete {coding}"
    )
