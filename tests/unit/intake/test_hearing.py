"""Sequences by column are what they are record by record."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail.intake.hearing import Hearing
from flowtrail.model.records import BlockRecord, LinkRecord, ReportRecord
from flowtrail.projection.ranges import of_numbers, pairs, union
from tests.support.records import BASE, order_id


def record(producer, seq):
    return BlockRecord(order_id(1), BASE, producer, seq, b"\1" * 8, "map")


def numbers(ranges):
    return [number for first, last in pairs(union(ranges, [])) for number in range(first, last + 1)]


def heard(*pages, at=7):
    hearing = Hearing()
    for page in pages:
        hearing.take("acme", at, page, {})
    return {each.producer: numbers(each.accepted) for each in hearing.heard}


def plain(*pages):
    found = {}
    for page in pages:
        for each in page:
            if each is not None and each.producer is not None and each.seq is not None:
                found.setdefault(each.producer, set()).add(each.seq)
    return {producer: sorted(seqs) for producer, seqs in found.items()}


stamps = st.tuples(st.sampled_from(["a/1", "b/1", None]), st.one_of(st.none(), st.integers(1, 30)))
runs = st.tuples(st.sampled_from(["a/1", "b/1"]), st.integers(1, 9), st.integers(1, 40))


@given(st.lists(st.lists(st.one_of(st.none(), stamps), max_size=30), max_size=4))
def test_whatever_stands_in_a_page(pages):
    made = [[None if each is None else record(*each) for each in page] for page in pages]

    assert heard(*made) == plain(*made)


@given(st.lists(st.lists(runs, max_size=5), max_size=4))
def test_batches_one_after_the_other(pages):
    made = [
        [record(producer, first + more) for producer, first, count in page for more in range(count)]
        for page in pages
    ]

    assert heard(*made) == plain(*made)


@pytest.mark.parametrize("count", [1, 2, 2_000])
def test_runs_that_go_on_from_page_to_page_are_one(count):
    hearing = Hearing()
    for first in range(1, 5 * count + 1, count):
        hearing.take("acme", 7, [record("a/1", first + more) for more in range(count)], {})

    (only,) = hearing.heard
    assert only.accepted == [1, 5 * count]


def test_two_sessions_that_share_a_count_are_told_apart():
    page = [record("a/1" if seq % 2 else "b/1", seq) for seq in range(1, 101)]

    assert heard(page) == {"a/1": list(range(1, 101, 2)), "b/1": list(range(2, 101, 2))}


def test_rejected_sequences_instants_and_reports_are_heard_by_tenant():
    hearing = Hearing()
    late = ReportRecord(BASE + 5, "a/1", 3, 9, 3, {"full": 1})
    early = ReportRecord(BASE, "a/1", 2, 2, 2)
    hearing.take("acme", 30, [late], {"a/1": [9, 8], "c/1": [4]})
    hearing.report("acme", late)
    hearing.take("acme", 10, [early, LinkRecord(order_id(1), order_id(2), "split", None, "a/1", 1)], {})
    hearing.report("acme", early)
    hearing.take("globex", 20, [record("a/1", 1)], {})
    hearing.take("acme", 50, [record(None, None)], {})

    found = {(each.tenant, each.producer): each for each in hearing.heard}
    assert set(found) == {("acme", "a/1"), ("acme", "c/1"), ("globex", "a/1")}
    one = found["acme", "a/1"]
    assert (one.first_at, one.last_at) == (10, 30)
    assert (numbers(one.accepted), numbers(one.rejected)) == ([1, 2, 3], [8, 9])
    assert (one.stated.at, one.stated.seq) == (late.at, 3)
    assert found["acme", "c/1"].accepted == []
    assert of_numbers([1]) == found["globex", "a/1"].accepted


@given(
    st.dictionaries(st.sampled_from("abcde"), st.sets(st.integers(1, 90), min_size=1), min_size=1),
    st.sets(st.integers(1, 90)),
    st.integers(2, 20),
)
def test_parts_say_the_same_together_and_none_changes_many_rows(accepted, refused, most):
    hearing = Hearing()
    for name, seqs in accepted.items():
        hearing.take("acme", 7, [record(f"{name}/1", seq) for seq in sorted(seqs)], {})
    hearing.take("acme", 9, [], {"a/1": sorted(refused)} if refused else {})
    whole = {each.producer: each for each in hearing.heard}

    found = {}
    for part in hearing.parts(most):
        assert len({each.producer for each in part}) == len(part)
        assert sum(1 + (len(each.accepted) + len(each.rejected)) // 2 for each in part) <= most + 1
        for each in part:
            held = found.setdefault(each.producer, ([], [], set()))
            held[0].extend(each.accepted)
            held[1].extend(each.rejected)
            held[2].add((each.first_at, each.last_at, each.stated))
    assert {name: (numbers(took), numbers(gone), facts) for name, (took, gone, facts) in found.items()} == {
        name: (numbers(each.accepted), numbers(each.rejected), {(each.first_at, each.last_at, None)})
        for name, each in whole.items()
    }
    assert hearing.parts(None) == [hearing.heard]


def test_nothing_heard_is_one_empty_part():
    assert Hearing().parts(3) == [[]]
