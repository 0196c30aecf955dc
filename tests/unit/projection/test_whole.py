"""A transaction told whole is stored and counted as its records folded one by one would be."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrail.model.records import BlockRecord
from flowtrail.projection.contributions import contributions
from flowtrail.projection.derive import header_of, terms_of
from flowtrail.projection.difference import add_record
from flowtrail.projection.state import State
from flowtrail.projection.tally import Tally
from flowtrail.projection.whole import fold_whole
from tests.support.records import BASE, IDS, an_order, blocks, ends, records, transactions

ONE = [IDS[0]]


def agree(batch):
    """Whether the one pass took the batch; if so, its answer is that of the definitions."""
    tally = Tally()
    told = fold_whole("default", batch, tally)
    if told is None:
        assert tally.cells() == {}
        return False
    state = State()
    for record in batch:
        add_record(state, record)
    header, facts, piece, terms = told
    assert header == header_of(state)
    assert facts == state.encode_facts()
    assert piece == (state.encode_executions() if state.executions else None)
    assert terms == sorted(terms_of(state))
    assert tally.cells() == contributions("default", state)
    return True


@settings(max_examples=300, deadline=None)
@given(st.lists(blocks(ONE), max_size=4), transactions(ONE), ends(ONE), st.randoms(use_true_random=False))
def test_one_announcement_and_one_end_in_any_order(executions, opened, end, random):
    batch = [opened, *executions, end]
    random.shuffle(batch)
    distinct = len({record.id for record in executions}) == len(executions)
    is_whole = distinct and opened.created_at is not None and end.attempt == (opened.attempt or 1)

    assert agree(batch) is is_whole


@settings(max_examples=300, deadline=None)
@given(st.lists(records(ONE), min_size=1, max_size=6))
def test_whatever_else_comes(batch):
    agree(batch)


@pytest.mark.parametrize("outcome", ["delivered", "failed", "filtered"])
def test_an_order_is_told_whole(outcome):
    assert agree(an_order(1, outcome=outcome))


@pytest.mark.parametrize("ids", [[1, 2, 3], [3, 2, 1], [2, 3, 1]])
def test_executions_at_the_same_instants_follow_each_other_by_their_ids_in_whatever_order_they_come(ids):
    opened, *_, end = an_order(1)
    at = opened.created_at
    told = [
        BlockRecord(
            opened.id, at, "shop/1", number, bytes([number] * 8), f"block {number}", "succeeded", at, at, at
        )
        for number in ids
    ]

    assert agree([opened, *told, end])


def test_what_is_not_told_whole_is_left_to_the_fold():
    order = an_order(1)
    again = an_order(1, opened=BASE)

    assert not agree(order[:-1]), "no end"
    assert not agree(order[1:]), "no announcement"
    assert not agree([*order, order[-1]]), "two ends"
    assert not agree([again[0], *order]), "two announcements"
    assert not agree([*order, order[1]]), "two statements about one execution"
