"""Pages: what goes in comes out, and what was erased does not."""

from hashlib import sha256

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from flowtrail.ledger.chain import page_problems
from flowtrail.ledger.merkle import leaf_hash, salts_of
from flowtrail.ledger.pages import (
    NamedHead,
    build_page,
    encoded_records,
    erase,
    leaves,
    read_header,
    read_records,
    record_count,
    salts,
)
from flowtrail.model.errors import Damaged, Refusal
from flowtrail.model.pages import page_number
from flowtrail.model.records import BlockRecord, encode_record
from tests.support.pages import WRITER, lists_of_records, page_of
from tests.support.records import BASE


def some_records(count: int) -> list[BlockRecord]:
    return [
        BlockRecord(
            b"t" * 16, BASE + n, id=n.to_bytes(8, "big"), block="map", details={"secret": f"word-{n}"}
        )
        for n in range(1, count + 1)
    ]


@given(lists_of_records)
def test_records_come_out_as_they_went_in(held):
    page = page_of(held)

    assert read_records(page) == held
    assert encoded_records(page) == [encode_record(record) for record in held]
    assert record_count(page) == len(held)
    assert page_problems(page) == []


@pytest.mark.parametrize("count", [1, 15, 16, 2_000, 65_536])
def test_a_body_is_headed_as_msgpack_heads_an_array(count):
    page = build_page(WRITER, 1, b"", BASE, [encode_record(some_records(1)[0])] * count)

    body = zstandard.ZstdDecompressor().decompress(page.body)

    assert body.startswith(msgspec.msgpack.encode([None] * count)[:-count])
    assert len(read_records(page)) == count


def test_a_header_says_what_the_page_was_built_of():
    named = [(2, 9, b"b" * 32), (1, 4, b"a" * 32)]
    page = page_of(some_records(2), 1, rejected=[("b/2", 7), ("a/1", 5), ("a/1", 3), ("a/1", 5)], named=named)

    header = read_header(page)

    assert page.number == page_number(WRITER.ordinal, 1)
    assert (header.tenant, header.writer, header.sequence) == ("default", WRITER.name, 1)
    assert (header.received_at, header.count) == (BASE, 2)
    assert header.rejected == {"a/1": [3, 5], "b/2": [7]}
    assert header.named == [NamedHead(1, 4, b"a" * 32), NamedHead(2, 9, b"b" * 32)]


def test_a_header_is_the_same_bytes_whatever_order_its_parts_came_in():
    one = page_of([], rejected=[("b", 1), ("a", 2)], named=[(1, 1, b"x"), (2, 1, b"y")])
    other = page_of([], rejected=[("a", 2), ("b", 1)], named=[(2, 1, b"y"), (1, 1, b"x")])

    assert one.header == other.header


def test_a_page_may_hold_rejected_sequences_only():
    page = page_of([], rejected=[("a/1", 3)])

    assert page.body == b""
    assert read_records(page) == []
    assert record_count(page) == 0
    assert page_problems(page) == []


def test_every_page_has_a_secret_of_its_own():
    held = some_records(3)

    one, other = page_of(held), page_of(held)

    assert one.header == other.header
    assert one.secret != other.secret
    assert not set(leaves(one)) & set(leaves(other))
    assert one.hash != other.hash


def test_a_page_that_could_not_be_read_again_is_not_built():
    with pytest.raises(ValueError, match="at most"):
        build_page(WRITER, 1, b"", BASE, [b"x" * (9 << 20)])


# --- erasing -----------------------------------------------------------------------------------------------


@given(lists_of_records, st.data())
def test_erasing_keeps_hash_and_chain_and_every_other_record(held, data):
    gone = data.draw(st.lists(st.integers(0, len(held) - 1), unique=True))
    page = kept = page_of(held)
    before = leaves(page)

    for leaf in gone:
        kept = erase(kept, leaf)

    assert (kept.number, kept.header, kept.previous, kept.hash) == (
        page.number,
        page.header,
        page.previous,
        page.hash,
    )
    assert read_records(kept) == [None if leaf in gone else record for leaf, record in enumerate(held)]
    assert leaves(kept) == before
    assert page_problems(kept) == []


def test_what_was_erased_is_nowhere_in_the_page():
    held = some_records(3)
    page = page_of(held)
    salt = salts_of(page.secret, 3)[1]

    kept = erase(page, 1)

    body = zstandard.ZstdDecompressor().decompress(kept.body)
    assert b"word-2" not in body
    assert b"word-1" in body
    assert page.secret not in kept.secret
    assert salt not in kept.secret
    assert salts(kept, 3)[1] is None
    assert leaf_hash(salt, encode_record(held[1])) in kept.secret


def test_erasing_twice_changes_nothing():
    once = erase(page_of(some_records(3)), 1)

    assert erase(once, 1) == once


def test_a_page_may_lose_all_its_records():
    page = page_of(some_records(2))

    empty = erase(erase(page, 0), 1)

    assert read_records(empty) == [None, None]
    assert record_count(empty) == 2
    assert page_problems(empty) == []


@pytest.mark.parametrize("leaf", [-1, 2])
def test_only_records_that_are_there_can_be_erased(leaf):
    with pytest.raises(Refusal) as refusal:
        erase(page_of(some_records(2)), leaf)

    assert (refusal.value.code, refusal.value.status) == ("not_found", 404)


# --- damage ------------------------------------------------------------------------------------------------


def bent(part: bytes, at: int) -> bytes:
    return part[:at] + bytes([part[at] ^ 1]) + part[at + 1 :]


@given(lists_of_records, st.data())
def test_any_flipped_bit_shows(held, data):
    page = page_of(held, 2, sha256(b"before").digest(), rejected=[("a/1", 3)])
    name = data.draw(st.sampled_from(["header", "previous", "hash", "secret", "body"]))
    part = getattr(page, name)
    changed = bent(part, data.draw(st.integers(0, len(part) - 1)))
    altered = msgspec.structs.replace(page, **{name: changed})

    if name == "body" and zstd_reads_the_same(page.body, changed):
        return  # a bit of zstd's frame that no decoder looks at
    assert page_problems(altered) != []


def zstd_reads_the_same(one: bytes, other: bytes) -> bool:
    try:
        return zstandard.ZstdDecompressor().decompress(one) == zstandard.ZstdDecompressor().decompress(other)
    except zstandard.ZstdError:
        return False


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"no zstd", id="no frame"),
        pytest.param(zstandard.ZstdCompressor().compress(b"\x91\xc1"), id="no msgpack"),
        pytest.param(zstandard.ZstdCompressor().compress(b"\x91\xa1\xff"), id="no text"),
        pytest.param(zstandard.ZstdCompressor().compress(b"\x91" * 5_000 + b"\xc0"), id="too deep"),
        pytest.param(zstandard.ZstdCompressor().compress(b"\0" * (9 << 20)), id="too long"),
        pytest.param(
            zstandard.ZstdCompressor(write_content_size=False).compress(b"\x90"), id="unknown length"
        ),
        pytest.param(zstandard.ZstdCompressor().compress(b"\x91\xc0")[:-1], id="cut short"),
        pytest.param(page_of(some_records(1)).body + b"\0", id="more behind it"),
    ],
)
def test_a_body_that_cannot_be_read_is_damaged(body):
    page = msgspec.structs.replace(page_of(some_records(1)), body=body)

    with pytest.raises(Damaged):
        read_records(page)
    assert page_problems(page) != []


def test_a_format_of_the_future_is_not_guessed_at():
    header = msgspec.msgpack.encode([2, "default", "w", 1, BASE, 0, {}, []])
    page = msgspec.structs.replace(page_of([]), header=header)

    with pytest.raises(Damaged, match="format 2"):
        read_header(page)


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param(b"", id="none"),
        pytest.param(b"x" * 31, id="short"),
        pytest.param(msgspec.msgpack.encode([b"x" * 16]), id="too few"),
        pytest.param(msgspec.msgpack.encode([b"x" * 16, b"x" * 17]), id="odd length"),
        pytest.param(msgspec.msgpack.encode([b"x" * 16, b"x" * 32]), id="a hash where nothing was erased"),
    ],
)
def test_a_secret_that_does_not_fit_its_page_is_damaged(secret):
    page = msgspec.structs.replace(page_of(some_records(2)), secret=secret)

    with pytest.raises(Damaged):
        leaves(page)
