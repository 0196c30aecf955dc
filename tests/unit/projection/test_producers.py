"""What came of a producer session is a join: any order, repetition and batching, and it is what a plain set says."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail.model.records import ReportRecord, encode_record
from flowtrail.projection import producers
from flowtrail.projection.cells import add_into
from flowtrail.projection.producers import (
    CHUNK,
    DROPPED,
    MISSING,
    REJECTED,
    SESSIONS,
    TROUBLED,
    Heard,
    Stated,
    contribution,
    encode_session,
    gaps,
    join,
    moved,
    touched,
)
from flowtrail.projection.ranges import of_numbers, pairs


class Kept:
    """A session as a store keeps it."""

    def __init__(self):
        self.session, self.chunks, self.totals = None, {}, {}

    def hear(self, heard):
        joined = join(
            self.session, {each: self.chunks[each] for each in touched(heard) if each in self.chunks}, heard
        )
        add_into(self.totals, moved(self.session, joined.session))
        self.session = joined.session
        for chunk, body in joined.chunks.items():
            if body is None:
                del self.chunks[chunk]
            else:
                self.chunks[chunk] = body
        return self

    def bytes(self):
        return encode_session(self.session), self.chunks


def heard(accepted=(), rejected=(), at=5, stated=None):
    return Heard("acme", "shop/1", at, at, of_numbers(accepted), of_numbers(rejected), stated)


def stated(at=1, seq=1, **counts):
    return Stated(at, seq, encode_record(ReportRecord(at, "shop/1", seq, **counts)))


@pytest.fixture
def small(monkeypatch):
    """Chunks of eight, so that a few numbers fill many."""
    monkeypatch.setattr(producers, "CHUNK", 8)


statements = st.lists(
    st.tuples(st.integers(1, 40), st.booleans(), st.integers(0, 3)), min_size=1, max_size=60
)


@given(statements, st.randoms(use_true_random=False), st.integers(1, 7))
def test_any_order_batching_and_repetition_ends_in_the_same_bytes(told, random, batch):
    held, producers.CHUNK = producers.CHUNK, 8
    try:
        one = Kept()
        for seq, accepted, at in told:
            one.hear(heard([seq] if accepted else [], [] if accepted else [seq], at))
        again = [*told, *random.choices(told, k=len(told))]
        random.shuffle(again)
        other = Kept()
        for first in range(0, len(again), batch):
            some = again[first : first + batch]
            group = heard([s for s, a, _ in some if a], [s for s, a, _ in some if not a])
            group.first_at, group.last_at = min(at for *_, at in some), max(at for *_, at in some)
            other.hear(group)
        assert one.bytes() == other.bytes()
        assert one.totals == other.totals == contribution(one.session)

        taken = {seq for seq, accepted, _ in told if accepted}
        came = {seq for seq, *_ in told}
        session = one.session
        assert (session.accepted, session.rejected, session.top) == (len(taken), len(came - taken), max(came))
        assert session.missing == max(came) - len(came)
        assert gaps(session, sorted(one.chunks.items()))[0] == of_numbers(set(range(1, max(came))) - came)
    finally:
        producers.CHUNK = held


def test_a_session_that_lost_nothing_is_one_row_however_long_it_lives():
    kept = Kept()
    for first in range(1, 40 * CHUNK, 1_000):
        kept.hear(heard(range(first, first + 1_000)))

    assert kept.session.missing == 0
    assert len(kept.session.whole) == 2
    assert len(kept.chunks) == 1
    assert len(encode_session(kept.session)) < 60
    assert sum(map(len, kept.chunks.values())) < 20


def test_two_writers_whose_pages_are_read_one_after_the_other_lose_nothing():
    batches = [range(first, first + 100) for first in range(1, 10 * CHUNK, 100)]
    kept, even = Kept(), Kept()
    for batch in [*batches[::2], *batches[1::2]]:
        kept.hear(heard(batch))
    for batch in batches:
        even.hear(heard(batch))

    assert kept.bytes() == even.bytes()
    assert kept.session.missing == 0


def test_a_row_stays_small_whatever_comes():
    kept, random = Kept(), Random(7)
    kept.hear(heard(range(1, 3 * CHUNK, 2)))
    kept.hear(heard(random.sample(range(1, 1 << 62), 500)))

    assert max(map(len, kept.chunks.values())) < 17_000
    assert len(encode_session(kept.session)) < 100
    assert len(kept.chunks) == 503
    assert kept.session.missing > 1 << 60


def test_what_was_rejected_first_and_then_accepted_is_accepted(small):
    kept = Kept().hear(heard([1, 3], [2, 4])).hear(heard([2]))

    assert (kept.session.accepted, kept.session.rejected, kept.session.missing) == (3, 1, 0)
    kept.hear(heard(range(4, 9)))
    assert kept.chunks == {}
    kept.hear(heard([], [3, 5]))
    assert (kept.session.rejected, kept.chunks) == (0, {})


def test_the_greatest_report_counts_in_any_order(small):
    old, new = stated(1, 1, produced=1, sent=1), stated(9, 5, produced=7, sent=5, dropped={"full": 2})
    one = Kept().hear(heard([1], stated=old)).hear(heard([5], stated=new))
    other = Kept().hear(heard([5], stated=new)).hear(heard([1], stated=old))

    assert one.bytes() == other.bytes()
    assert (one.session.dropped, one.session.report().produced) == (2, 7)


def test_totals_move_by_what_changed(small):
    kept = Kept().hear(heard([1, 3], [4], stated=stated(2, 4, produced=9, sent=4, dropped={"a": 2, "b": 3})))
    before = kept.session
    assert contribution(before) | {
        SESSIONS: 1,
        TROUBLED: 1,
        MISSING: 1,
        REJECTED: 1,
        DROPPED: 5,
    } == contribution(before)

    kept.hear(heard([2, 4]))

    assert moved(before, kept.session) == {MISSING: -1, REJECTED: -1, producers.ACCEPTED: 2}
    assert moved(kept.session, kept.session) == {}


def test_gaps_are_told_page_by_page_without_tearing_one(small):
    kept = Kept().hear(heard([2, 3, 5, 20, 21, 40], [7]))
    rows = sorted(kept.chunks.items())
    whole, end = gaps(kept.session, rows)
    assert list(pairs(whole)) == [(1, 1), (4, 4), (6, 6), (8, 19), (22, 39)]
    assert end is None

    # Two rows, of which the second ends inside a gap.
    first, on = gaps(kept.session, rows[:2], more=True)
    assert list(pairs(first)) == [(1, 1), (4, 4), (6, 6), (8, 19)]
    rest, end = gaps(kept.session, [row for row in rows if row[0] >= producers.chunk_of(on)], on)
    assert (first + rest, end) == (whole, None)


@given(st.sets(st.integers(1, 400), min_size=1), st.integers(2, 5))
def test_a_walk_over_gaps_tells_each_once_however_few_rows_are_read(came, most):
    held, producers.CHUNK = producers.CHUNK, 8
    try:
        kept = Kept().hear(heard(came))
        start, found = 1, []
        while start is not None:
            rows = [row for row in sorted(kept.chunks.items()) if row[0] >= producers.chunk_of(start)]
            some, after = gaps(kept.session, rows[:most], start, more=len(rows) > most)
            assert after is None or after > start
            found += some
            start = after
        assert found == of_numbers(set(range(1, max(came))) - came)
    finally:
        producers.CHUNK = held
