"""Small pieces of a document, gathered into parts that are worth sending."""

from collections.abc import Callable, Generator, Iterable
from functools import wraps
from typing import Final, TypeVar

from flowtrail.model.clock import monotonic_s

Parts = Generator[bytes, None, None]
Pieces = Iterable[bytes]
"""Pieces of a document in order; an empty one says that nothing was found for a while."""

A = TypeVar("A")

PART_BYTES: Final = 64 * 1024
"""What a part holds at least, the last and slow ones aside: small enough to be waiting in a socket many times over."""
PART_S: Final = 0.1
"""How long a part may take, so that a thread that makes parts is soon free for others."""


def in_parts(pieces: Callable[[A], Pieces]) -> Callable[[A], Parts]:
    """The same document in parts."""

    @wraps(pieces)
    def parts(asked: A) -> Parts:
        held: list[bytes] = []
        size, since = 0, monotonic_s()
        for piece in pieces(asked):
            held.append(piece)
            size += len(piece)
            if size >= PART_BYTES or monotonic_s() - since > PART_S:
                yield b"".join(held)
                held, size, since = [], 0, monotonic_s()
        if held:
            yield b"".join(held)

    return parts
