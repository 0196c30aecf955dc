"""Inclusion proofs: that a record stands in a page, without showing another record of it.

A proof carries the record, its salt, its path through the Merkle tree and the page's header; the verifier needs
nothing but the page's hash, which a HEAD or the page after it vouches for.
"""

import msgspec

from flowtrail.ledger.merkle import SALT_BYTES, leaf_hash, path_of, root_by_path
from flowtrail.ledger.pages import FORMAT, UNREADABLE, PageHeader, encoded_records, leaves, page_hash, salts
from flowtrail.model.errors import Refusal
from flowtrail.model.pages import Page


class InclusionProof(msgspec.Struct, frozen=True):
    """What shows that `record` (canonical bytes) is leaf `leaf`, from 0, of the page with this header."""

    header: bytes
    previous: bytes
    leaf: int
    salt: bytes
    record: bytes
    path: list[bytes]


def prove(page: Page, leaf: int) -> InclusionProof:
    """The proof for one record of a page.

    Raises: Refusal (404 `not_found`: no such leaf; 410 `erased`: only its hash is left), Damaged.
    """
    records = encoded_records(page)
    if not 0 <= leaf < len(records):
        raise Refusal(
            "not_found", "the page holds no such record", "leaf", leaf, f"0 to {len(records) - 1}", 404
        )
    record, salt = records[leaf], salts(page, len(records))[leaf]
    if record is None or salt is None:
        raise Refusal("erased", "the record was erased; only its hash is left", "leaf", leaf, status=410)
    return InclusionProof(page.header, page.previous, leaf, salt, record, path_of(leaves(page), leaf))


def verify(proof: InclusionProof, expected: bytes) -> bool:
    """Whether the proof shows its record to stand in the page whose hash is `expected`. Pure."""
    try:
        header = msgspec.msgpack.decode(proof.header, type=PageHeader)
    except UNREADABLE:
        return False
    # A salt of another length would move the border between salt and record.
    if header.format != FORMAT or len(proof.salt) != SALT_BYTES:
        return False
    root = root_by_path(leaf_hash(proof.salt, proof.record), proof.leaf, header.count, proof.path)
    return root is not None and page_hash(proof.previous, proof.header, root) == expected
