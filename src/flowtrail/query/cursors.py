"""Page tokens: where a list goes on, bound to what was asked.

Opaque and url-safe; inside, a version, eight bytes of SHA-256 over the question, and where the page ended. A token
tells nothing that its holder may not ask for anyway, so it is not signed: the digest keeps it with its question.
"""

import base64
import binascii
import hashlib
from typing import Any, Final

import msgspec

from flowtrail.model.errors import Refusal

_VERSION: Final = 1
_MAX_CHARS: Final = 1_000
_encode: Final = msgspec.msgpack.Encoder(order="deterministic").encode
_decode: Final = msgspec.msgpack.Decoder(tuple[int, bytes, list[Any]]).decode


def write_page_token(question: tuple[object, ...], position: list[Any]) -> str:
    """The token of the page after `position`; `question` is everything the answer depends on."""
    raw = _encode((_VERSION, _digest(question), position))
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def read_page_token(text: str, question: tuple[object, ...], *kinds: type) -> list[Any]:
    """The position that `write_page_token` was given, one value of each kind.

    Raises: Refusal (400 `invalid_page_token`: altered, of another question, or of another version).
    """
    position = _read(text, question) if len(text) <= _MAX_CHARS else None
    if position is None or [type(part) for part in position] != list(kinds):
        raise Refusal(
            "invalid_page_token",
            "this page token is not one of ours, or belongs to another question",
            "page_token",
            text,
            "the `next_page_token` of the same question, with the same q, from, to and sort",
        )
    return position


def _read(text: str, question: tuple[object, ...]) -> list[Any] | None:
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        version, digest, position = _decode(raw)
    except (UnicodeEncodeError, binascii.Error, msgspec.MsgspecError, RecursionError):
        return None
    return position if (version, digest) == (_VERSION, _digest(question)) else None


def _digest(question: tuple[object, ...]) -> bytes:
    return hashlib.sha256(_encode([str(part) if part is not None else None for part in question])).digest()[
        :8
    ]
