"""Chunks of changes: whatever is cut where, nothing is told twice, nothing is missed, and ids promise no more than that."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail.server import feed
from flowtrail.server.feed import format_revision, parse_revision, split
from flowtrail.server.live import Feed
from flowtrail.server.problems import Problem
from flowtrail.storage.interface import Revision

AFTER = 10
changes = st.lists(
    st.tuples(st.integers(AFTER + 1, AFTER + 6), st.sampled_from([b"a", b"b", b"c", b"d"]))
).map(lambda rows: sorted(set(rows)))
chunk_sizes = st.integers(1, 4)


@given(changes, chunk_sizes)
def test_every_transaction_is_told_once_at_its_last_change(rows, size):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feed, "CHUNK", size)
        chunks = split(rows, AFTER)

    told = [row for chunk in chunks for row in chunk.rows]
    assert told == sorted({transaction: (number, transaction) for number, transaction in rows}.values())
    assert all(len(chunk.rows) <= size for chunk in chunks)


@given(changes, chunk_sizes)
def test_what_is_complete_has_been_told_when_its_chunk_is_over(rows, size):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feed, "CHUNK", size)
        chunks = split(rows, AFTER)

    last = {transaction: number for number, transaction in rows}
    for index, chunk in enumerate(chunks):
        told = {transaction for before in chunks[: index + 1] for _, transaction in before.rows}
        assert {transaction for transaction, number in last.items() if number <= chunk.complete} <= told
    if chunks:
        assert chunks[-1].complete == chunks[-1].rows[-1][0]


@given(changes, chunk_sizes, st.integers(AFTER - 2, AFTER + 8), st.integers(1, 3))
def test_who_joins_what_is_shared_gets_all_that_came_after_him_or_must_read_for_himself(rows, size, at, kept):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feed, "CHUNK", size)
        patch.setattr("flowtrail.server.live.SHARED", kept)
        shared = Feed(Revision("g", 1, AFTER))
        chunks = split(rows, AFTER)
        newest = max([AFTER, *(number for number, _ in rows)])
        shared.publish(feed.Changes(Revision("g", 1, newest), chunks, more=False))

    serial = shared.serial_after(at)

    missed = {row for chunk in chunks for row in chunk.rows if row[0] > at}
    if serial is None:
        assert missed or at < AFTER
        return
    got = set()
    while (chunk := shared.at(serial)) is not None:
        got |= set(chunk.rows)
        serial += 1
    assert missed <= got


@given(st.text(min_size=1), st.integers(0, 10**15), st.integers(0, 10**15))
def test_an_id_leads_back_to_its_revision(generation, epoch, number):
    revision = Revision(generation, epoch, number)

    assert parse_revision(format_revision(revision)) == revision


@given(st.text())
def test_any_other_text_is_refused_or_reads_as_it_was_written(text):
    try:
        revision = parse_revision(text)
    except Problem:
        return
    assert text.startswith(revision.generation)
    assert min(revision.epoch, revision.number) >= 0
