"""A HEAD as people keep it elsewhere: the hash, and the few pages that lead to every page it covers.

The hash alone can be compared with the present one. That it stood here in the past follows from the pages it was
made of: those that no writer's first page names, since each of the others is reached from them. So the text that
`flowtrail check` prints is the hash, a dot, and those pages; it stays short however often servers were started.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from flowtrail.ledger.merkle import HASH_BYTES
from flowtrail.ledger.pages import NamedHead
from flowtrail.model.errors import Refusal

ALLOWED: Final = (
    "the line HEAD that `flowtrail check` prints, its last word, or the 64 hex digits that begin that"
)

_decode_tips: Final = msgspec.msgpack.Decoder(list[NamedHead]).decode


class Kept(NamedTuple):
    """A HEAD that somebody kept: its hash in hex, and its unnamed pages where the whole text was kept."""

    head: str
    tips: list[NamedHead] | None


def kept_text(head: str, tips: Sequence[NamedHead]) -> str:
    """The text to keep: 64 hex digits, a dot and about 60 characters for each unnamed page (usually one)."""
    return f"{head}.{urlsafe_b64encode(msgspec.msgpack.encode(list(tips))).rstrip(b'=').decode()}"


def parse_kept(text: str) -> Kept:
    """What was kept: the whole line, its last word, or the hash alone. Raises: Refusal (`invalid_head`)."""
    line = text.strip()
    kept = line.rpartition(" ")[2] if line.startswith("HEAD ") else line
    head, dot, rest = kept.partition(".")
    try:
        size = len(bytes.fromhex(head))
        tips = _decode_tips(urlsafe_b64decode(rest + "=" * (-len(rest) % 4))) if dot else None
    except (ValueError, binascii.Error, msgspec.DecodeError):
        size, tips = 0, None
    if size != HASH_BYTES:
        raise Refusal("invalid_head", f"this is no HEAD; allowed: {ALLOWED}", "expect", text, ALLOWED)
    return Kept(head.lower(), tips)
