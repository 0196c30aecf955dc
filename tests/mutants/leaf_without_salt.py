"""A leaf's hash is the bare record's: whoever guesses a neighbour can confirm it from a proof."""

from hashlib import sha256

from flowtrail.ledger import merkle


def _leaf_hash(salt, record):
    return sha256(b"\0" + record).digest()


def _leaf_hashes(secret, records):
    return [_leaf_hash(b"", record) for record in records]


merkle.leaf_hash = _leaf_hash
merkle.leaf_hashes = _leaf_hashes
