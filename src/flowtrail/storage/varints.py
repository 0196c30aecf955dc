"""Integers packed as small as they are, for the lists of pages and pieces that back ends keep in a row."""

from collections.abc import Iterable


def put_varint(out: bytearray, value: int) -> None:
    """Append an integer that is not negative, seven bits a byte, the lowest first."""
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def read_varints(packed: bytes) -> Iterable[int]:
    """The integers that were appended, in their order."""
    value = shift = 0
    for byte in packed:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield value
            value = shift = 0
