"""Trees of RFC 6962, held to its definition by recursion."""

from hashlib import sha256, shake_256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail.ledger.merkle import leaf_hash, leaf_hashes, path_of, root_by_path, root_of, salts_of

hashes = st.binary(min_size=32, max_size=32)
trees = st.integers(1, 40).flatmap(lambda n: st.lists(hashes, min_size=n, max_size=n, unique=True))


def half_of(size: int) -> int:
    """The largest power of two below a size, as RFC 6962 splits."""
    half = 1
    while half * 2 < size:
        half *= 2
    return half


def naive_root(leaves: list[bytes]) -> bytes:
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256(b"").digest()
    half = half_of(len(leaves))
    return sha256(b"\x01" + naive_root(leaves[:half]) + naive_root(leaves[half:])).digest()


def naive_path(leaves: list[bytes], index: int) -> list[bytes]:
    if len(leaves) < 2:
        return []
    half = half_of(len(leaves))
    if index < half:
        return [*naive_path(leaves[:half], index), naive_root(leaves[half:])]
    return [*naive_path(leaves[half:], index - half), naive_root(leaves[:half])]


def test_the_root_of_nothing_is_the_hash_of_nothing():
    assert root_of([]) == sha256(b"").digest()


@given(trees)
def test_the_root_is_that_of_the_recursive_definition(leaves):
    assert root_of(leaves) == naive_root(leaves)


@given(trees, st.data())
def test_a_path_is_that_of_the_recursive_definition_and_leads_to_the_root(leaves, data):
    index = data.draw(st.integers(0, len(leaves) - 1))

    path = path_of(leaves, index)

    assert path == naive_path(leaves, index)
    assert root_by_path(leaves[index], index, len(leaves), path) == root_of(leaves)


@given(trees, st.data())
def test_a_path_leads_elsewhere_for_another_leaf_place_or_sibling(leaves, data):
    size = len(leaves)
    index = data.draw(st.integers(0, size - 1))
    path, root = path_of(leaves, index), root_of(leaves)

    other = data.draw(hashes.filter(lambda drawn: drawn != leaves[index]))
    assert root_by_path(other, index, size, path) != root
    for place in range(size):
        if place != index:
            assert root_by_path(leaves[index], place, size, path) != root
    for level in range(len(path)):
        bent = [*path[:level], data.draw(hashes.filter(lambda drawn: drawn not in path)), *path[level + 1 :]]
        assert root_by_path(leaves[index], index, size, bent) != root


@given(trees, hashes)
def test_a_path_of_the_wrong_length_is_no_path(leaves, more):
    path = path_of(leaves, 0)

    assert root_by_path(leaves[0], 0, len(leaves), [*path, more]) is None
    if path:
        assert root_by_path(leaves[0], 0, len(leaves), path[:-1]) is None
        assert root_by_path(leaves[0], 0, len(leaves), [path[0] + b"x", *path[1:]]) is None


@pytest.mark.parametrize("index", [-1, 3, 4])
def test_a_leaf_outside_the_tree_has_no_path(index):
    leaves = [bytes([n]) * 32 for n in range(3)]

    with pytest.raises(IndexError):
        path_of(leaves, index)
    assert root_by_path(leaves[0], index, 3, []) is None


def test_leaves_and_nodes_are_told_apart():
    left, right = b"l" * 32, b"r" * 32
    node = root_of([left, right])

    assert leaf_hash(left[:16], left[16:] + right) != node


def test_salts_are_pieces_of_one_stream_and_salt_the_leaves():
    secret, records = b"s" * 32, [b"a", b"b", b"a"]

    salts = salts_of(secret, 3)

    assert b"".join(salts) == shake_256(secret).digest(48)
    assert leaf_hashes(secret, records) == [
        sha256(b"\x00" + salt + record).digest() for salt, record in zip(salts, records, strict=True)
    ]
    assert leaf_hashes(secret, records)[0] != leaf_hashes(secret, records)[2], "equal records show as equal"
