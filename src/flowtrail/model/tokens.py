"""The token of an acknowledgement: how far the journal has to be visible for a reader to see what was accepted.

To its holder it is opaque. Inside: a version, pairs of a writer's ordinal (as the difference to the one before) and
a sequence as LEB128 numbers, and a CRC-32, so that a token cut short in a log is refused instead of
naming less.
"""

import base64
import binascii
from typing import Final

from flowtrail.model.errors import Refusal
from flowtrail.model.pages import SEQUENCE_BITS

VERSION: Final = 1
MAX_TOKEN_CHARS: Final = 4_096
_CHECK_BYTES: Final = 4
_MAX_ORDINAL: Final = 1 << (63 - SEQUENCE_BITS)
_MAX_NUMBER_BYTES: Final = 6
"""Of a sequence below 2 ** 40."""


def format_token(position: dict[int, int]) -> str:
    """A token for these writers' ordinals and sequences; url-safe, equal for equal positions."""
    raw = bytearray((VERSION,))
    before = 0
    for ordinal, sequence in sorted(position.items()):
        _put(raw, ordinal - before)
        _put(raw, sequence)
        before = ordinal
    return base64.urlsafe_b64encode(bytes(raw) + _check(raw)).rstrip(b"=").decode()


def parse_token(text: str, field: str = "token") -> dict[int, int]:
    """What `format_token` was given. `field` is where the token stood. Raises: Refusal (400 `invalid_token`)."""
    position = _parse(text) if len(text) <= MAX_TOKEN_CHARS else None
    # Only what this very function's counterpart writes is a token.
    if position is None or format_token(position) != text:
        raise Refusal(
            "invalid_token",
            "this is no token of ours, or not all of it",
            field,
            text,
            "the `token` of an answer to POST /v1/records",
        )
    return position


def _parse(text: str) -> dict[int, int] | None:
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return None
    body, check = raw[:-_CHECK_BYTES], raw[-_CHECK_BYTES:]
    if not body or body[0] != VERSION or check != _check(body):
        return None
    numbers = _numbers(body[1:])
    if numbers is None or len(numbers) % 2:
        return None
    position: dict[int, int] = {}
    ordinal = 0
    for step, sequence in zip(numbers[::2], numbers[1::2], strict=True):
        ordinal += step
        if not (step and 0 < ordinal < _MAX_ORDINAL and 0 < sequence < 1 << SEQUENCE_BITS):
            return None
        position[ordinal] = sequence
    return position


def _put(raw: bytearray, number: int) -> None:
    while number > 0x7F:
        raw.append(number & 0x7F | 0x80)
        number >>= 7
    raw.append(number)


def _numbers(raw: bytes) -> list[int] | None:
    numbers = []
    number = shift = 0
    for byte in raw:
        if shift >= 7 * _MAX_NUMBER_BYTES:
            return None
        number |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            numbers.append(number)
            number = shift = 0
    return None if shift else numbers


def _check(raw: bytes | bytearray) -> bytes:
    return binascii.crc32(raw).to_bytes(_CHECK_BYTES, "big")
