"""A writer's chain: what was altered, left out or moved shows, and is said where."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail.ledger.chain import ChainVerifier, chain_problems
from flowtrail.ledger.merkle import leaf_hashes, root_of
from flowtrail.ledger.pages import erase, page_hash, read_header
from flowtrail.model.pages import Writer
from flowtrail.model.records import BlockRecord, encode_record
from tests.support.pages import WRITER, chain_of, lists_of_records, page_of


def record(n: int) -> BlockRecord:
    return BlockRecord(b"t" * 16, n, id=bytes([n]) * 8)


PAGES = chain_of([record(1)], [record(2), record(3)], [], [record(4)])


@given(st.lists(lists_of_records, max_size=3))
def test_a_chain_as_it_was_written_is_whole(lists):
    pages = chain_of(*lists)
    verifier = ChainVerifier(WRITER)

    assert [verifier.follow(page) for page in pages] == [[] for _ in pages]
    assert verifier.head.sequence == len(pages)
    assert verifier.head.hash == (pages[-1].hash if pages else b"")


def test_an_erased_record_breaks_nothing():
    pages = [PAGES[0], erase(PAGES[1], 0), *PAGES[2:]]

    assert list(chain_problems(WRITER, pages)) == []


@pytest.mark.parametrize(
    "pages",
    [
        pytest.param([PAGES[0], *PAGES[2:]], id="one left out"),
        pytest.param(PAGES[1:], id="the first left out"),
        pytest.param([PAGES[1], PAGES[0], *PAGES[2:]], id="two swapped"),
        pytest.param([PAGES[0], PAGES[0], *PAGES[1:]], id="one twice"),
        pytest.param([PAGES[0], page_of([record(9)], 2, PAGES[0].hash), *PAGES[2:]], id="one replaced"),
        pytest.param(
            [PAGES[0], msgspec.structs.replace(PAGES[1], number=PAGES[1].number + 7), *PAGES[2:]],
            id="one moved",
        ),
    ],
)
def test_a_chain_that_was_altered_shows(pages):
    assert list(chain_problems(WRITER, pages)) != []


def test_a_break_is_told_once():
    replaced = page_of([record(9)], 2, PAGES[0].hash)

    problems = list(chain_problems(WRITER, [PAGES[0], replaced, *PAGES[2:]]))

    assert problems == [f"page {PAGES[2].number}: does not follow the page before it"]


def test_a_page_of_another_writer_or_tenant_shows():
    problems = [
        list(chain_problems(writer, PAGES))
        for writer in (
            Writer(3, "default", "other"),
            Writer(3, "other", WRITER.name),
            Writer(4, *WRITER_NAMES),
        )
    ]

    assert all(problems)


WRITER_NAMES = (WRITER.tenant, WRITER.name)


def test_a_count_that_lies_shows_though_the_hash_fits():
    # given somebody who can hash: the header says two records, the body holds one
    page = page_of([record(1)])
    header = msgspec.msgpack.encode(msgspec.structs.replace(read_header(page), count=2))
    root = root_of(leaf_hashes(page.secret, [encode_record(record(1))]))
    lying = msgspec.structs.replace(page, header=header, hash=page_hash(b"", header, root))

    problems = list(chain_problems(WRITER, [lying]))

    assert problems == [f"page {page.number}: holds 1 record, its header says 2"]


def test_where_one_part_ends_and_the_next_begins_is_part_of_the_hash():
    assert page_hash(b"ab", b"c", b"r" * 32) != page_hash(b"a", b"bc", b"r" * 32)
    assert page_hash(b"", b"abc", b"r" * 32) != page_hash(b"abc", b"", b"r" * 32)
