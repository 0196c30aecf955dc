"""A page of the journal as stores keep it: plain data; `ledger` makes and verifies it."""

from typing import Final

import msgspec

SEQUENCE_BITS: Final = 40
"""A page's number carries its writer's ordinal above this many bits of its sequence: a trillion pages a writer."""


def page_number(ordinal: int, sequence: int) -> int:
    """The store-wide number of a writer's page; ordered within a writer."""
    return ordinal << SEQUENCE_BITS | sequence


def split_number(number: int) -> tuple[int, int]:
    """The writer's ordinal and the sequence of a page's number."""
    return number >> SEQUENCE_BITS, number & ((1 << SEQUENCE_BITS) - 1)


def is_place(ordinal: int, sequence: int) -> bool:
    """Whether a page may stand there: ordinals and sequences begin at 1, and a number is one of 63 bits."""
    return 0 < ordinal < 1 << (63 - SEQUENCE_BITS) and 0 < sequence < 1 << SEQUENCE_BITS


class Writer(msgspec.Struct, frozen=True):
    """A writer of one tenant: new at each start of an intake process; `ordinal` is given by the store."""

    ordinal: int
    tenant: str
    name: str


class Page(msgspec.Struct, frozen=True):
    """One group commit of one tenant.

    `header` is canonical msgpack (see `ledger.pages`), `hash` covers it together with `previous` and the Merkle
    root; `secret` salts the leaves and is kept outside both; `body` is the zstd-compressed concatenation of what
    `ledger.pages` describes, empty when the page holds rejected sequences only.
    """

    number: int
    header: bytes
    previous: bytes
    hash: bytes
    secret: bytes
    body: bytes
