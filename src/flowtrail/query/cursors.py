"""Page tokens: where a list goes on, bound to what was asked.

Opaque and url-safe; inside, a version, eight bytes of SHA-256 over the question and the position, and the position:
where the page ended. A token tells nothing that its holder may not ask for anyway, so it is not signed: the digest
keeps it with its question, and from being altered by accident.
"""

import base64
import hashlib
from typing import Any, Final

import msgspec

from flowtrail.model.errors import Refusal
from flowtrail.model.limits import MAX_NAME_CHARS

_VERSION: Final = 1
_MAX_CHARS: Final = 1_200
"""A token that holds the longest name, four bytes a character."""
_LARGEST: Final = (1 << 63) - 1
_ID_BYTES: Final = 16
_encode: Final = msgspec.msgpack.Encoder(order="deterministic").encode
_decode: Final = msgspec.msgpack.Decoder(tuple[int, bytes, list[int | bytes]]).decode


def write_page_token(question: tuple[object, ...], position: list[Any]) -> str:
    """The token of the page after `position`; `question` is everything the answer depends on."""
    position = [part.encode() if isinstance(part, str) else part for part in position]
    raw = _encode((_VERSION, _digest(question, position), position))
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def read_page_token(text: str, question: tuple[object, ...], *kinds: type) -> list[Any]:
    """The position that `write_page_token` was given, one value of each kind: numbers that a store can take, ids,
    and names.

    Raises: Refusal (400 `invalid_page_token`: altered, of another question, or of another version).
    """
    position = _read(text, question) if len(text) <= _MAX_CHARS else None
    if position is None or len(position) != len(kinds) or not all(map(_fits, position, kinds)):
        raise Refusal(
            "invalid_page_token",
            "this page token is not one of ours, or belongs to another question",
            "page_token",
            text,
            "the `next_page_token` of the same question, with the same q, from, to and sort",
        )
    return [
        part.decode() if isinstance(part, bytes) and kind is str else part
        for part, kind in zip(position, kinds, strict=True)
    ]


def _fits(value: int | bytes, kind: type) -> bool:
    if isinstance(value, bytes):
        return _is_name(value) if kind is str else kind is bytes and len(value) == _ID_BYTES
    return kind is int and abs(value) <= _LARGEST


def _is_name(value: bytes) -> bool:
    try:
        return len(value.decode()) <= MAX_NAME_CHARS and b"\0" not in value
    except UnicodeDecodeError:
        return False


def _read(text: str, question: tuple[object, ...]) -> list[Any] | None:
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        version, digest, position = _decode(raw)
    except (ValueError, msgspec.MsgspecError, RecursionError):
        return None
    if (version, digest) != (_VERSION, _digest(question, position)):
        return None
    # Only what this very function's counterpart writes is a token.
    return position if write_page_token(question, position) == text else None


def _digest(question: tuple[object, ...], position: list[Any]) -> bytes:
    asked = [None if part is None else str(part) for part in question]
    return hashlib.sha256(_encode([asked, position])).digest()[:8]
