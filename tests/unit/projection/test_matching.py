"""What each leaf of a condition means, by example; queries against a recount are in tests/unit/query."""

import pytest

from flowtrail.model.conditions import (
    EVERYTHING,
    AllOf,
    AnyBlockHas,
    AnyOf,
    AttemptEnded,
    Between,
    BlockHas,
    DurationIs,
    FlowIs,
    HasFailures,
    HasTerm,
    HasTermPrefix,
    IdIs,
    IsLate,
    IsStuck,
    KeyStarts,
    Moment,
    Not,
    StatusIs,
    TypeIs,
)
from flowtrail.model.records import BlockRecord, EndRecord, TransactionRecord
from flowtrail.projection.derive import header_of
from flowtrail.projection.matching import matches, needs_state
from flowtrail.projection.state import State

ID = bytes(range(16))
T = 1_790_000_000_000_000
S = 1_000_000


def block(number, name, status=None, **more):
    return BlockRecord(transaction=ID, at=T, id=bytes([number]) * 8, block=name, status=status, **more)


def state_of(*records):
    state = State()
    for record in records:
        if isinstance(record, BlockRecord):
            state.add_block(record)
        elif isinstance(record, EndRecord):
            state.add_end(record)
        else:
            state.add_transaction(record)
    return state


OPENED = TransactionRecord(
    id=ID,
    at=T,
    flow="shop",
    object_type="order",
    object_id="4711",
    version="3",
    keys={"customer": "C-9", "note": "C"},
    created_at=T,
    deadline_at=T + 60 * S,
)
MAPPED = block(1, "map", "failed", queued_at=T + S, started_at=T + 2 * S, ended_at=T + 5 * S)
SHIPPING = block(2, "ship", "running", queued_at=T + 6 * S, started_at=T + 8 * S)
UNTOLD = block(3, "notify")
FAILED = EndRecord(transaction=ID, at=T + 9 * S, outcome="failed", attempt=1, ended_at=T + 9 * S)
DELIVERED = EndRecord(transaction=ID, at=T + 70 * S, outcome="delivered", attempt=2, ended_at=T + 70 * S)


def asked(condition, *records, now=T + 30 * S, patience=None):
    state = state_of(*(records or (OPENED, MAPPED, SHIPPING, UNTOLD)))
    return matches(condition, ID, header_of(state), state, Moment(now, patience or {}))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (EVERYTHING, True),
        (AnyOf(()), False),
        (AllOf((StatusIs("in_transit"), FlowIs("shop"))), True),
        (AllOf((StatusIs("in_transit"), FlowIs("bill"))), False),
        (AnyOf((StatusIs("failed"), TypeIs("order"))), True),
        (Not(TypeIs("order")), False),
        (IdIs(ID), True),
        (IdIs(bytes(16)), False),
        (HasFailures(), True),
        (HasTerm("o4711\0order"), True),
        (HasTerm("o4711"), False),
        (HasTermPrefix("o47"), True),
        (HasTermPrefix("o4711\0"), True),
        (HasTermPrefix("o471\0"), False),
        (KeyStarts("customer", "C-"), True),
        (KeyStarts("note", "C-"), False),
        (KeyStarts("note", ""), True),
        (KeyStarts("batch", ""), False),
        (BlockHas("map"), True),
        (BlockHas("deliver"), False),
        (BlockHas("ship", "running"), True),
        (BlockHas("ship", "failed"), False),
        (BlockHas("notify", "pending"), True),
        (AnyBlockHas("running"), True),
        (AnyBlockHas("skipped"), False),
        (DurationIs(least=0), False),
        (Between("ended"), False),
        (Between("opened", T, T + 1), True),
        (Between("opened", T + 1, None), False),
        (Between("opened", None, T), False),
    ],
)
def test_a_leaf_holds_exactly_where_its_definition_says(condition, expected):
    assert asked(condition) is expected


@pytest.mark.parametrize(
    ("status", "instant", "name"),
    [
        ("failed", T + 5 * S, "map"),
        ("running", T + 8 * S, "ship"),
        (None, T + S, "map"),
        (None, T + 6 * S, "ship"),
    ],
)
def test_an_execution_is_asked_at_the_instant_its_cell_counts(status, instant, name):
    assert asked(BlockHas(name, status, instant, instant + 1))
    assert not asked(BlockHas(name, status, None, instant))
    assert not asked(BlockHas(name, status, instant + 1, None))
    assert asked(AnyBlockHas(status, instant, instant + 1))


def test_two_conditions_on_one_block_may_be_met_by_two_executions():
    again = block(4, "map", "succeeded", started_at=T + 10 * S, ended_at=T + 11 * S)

    assert asked(AllOf((BlockHas("map", "failed"), BlockHas("map", "succeeded"))), OPENED, MAPPED, again)


def test_an_attempt_that_was_tried_again_is_still_found_by_how_it_ended():
    records = (OPENED, FAILED, DELIVERED)

    assert asked(StatusIs("delivered"), *records)
    assert asked(AttemptEnded("failed"), *records)
    assert asked(AttemptEnded("failed", T + 9 * S, T + 9 * S + 1), *records)
    assert not asked(AttemptEnded("failed", T + 10 * S, None), *records)
    assert not asked(AttemptEnded("cancelled"), *records)


def test_durations_and_ends_are_those_of_the_present_outcome():
    records = (OPENED, FAILED, DELIVERED)

    assert asked(DurationIs(70 * S, 70 * S), *records)
    assert not asked(DurationIs(70 * S + 1, None), *records)
    assert not asked(DurationIs(None, 70 * S - 1), *records)
    assert asked(Between("ended", T + 70 * S, None), *records)


def test_late_is_past_the_deadline_in_transit_as_well_as_ended():
    assert not asked(IsLate(), OPENED, now=T + 60 * S)
    assert asked(IsLate(), OPENED, now=T + 60 * S + 1)
    assert asked(IsLate(), OPENED, FAILED, DELIVERED, now=T)
    assert not asked(IsLate(), OPENED, FAILED, now=T + 600 * S)


def test_stuck_is_silent_for_longer_than_the_current_block_is_granted():
    hour = 3_600 * S

    assert not asked(IsStuck(), OPENED, SHIPPING, now=T + hour)
    assert asked(IsStuck(), OPENED, SHIPPING, now=T + hour + 1)
    assert asked(IsStuck(), OPENED, SHIPPING, now=T + 3 * S, patience={("shop", "ship"): 2 * S})
    assert not asked(IsStuck(), OPENED, SHIPPING, now=T + 3 * S, patience={("shop", "map"): 2 * S})
    assert not asked(IsStuck(), OPENED, FAILED, now=T + 9 * hour)


def test_conditions_on_headers_need_no_state():
    condition = AllOf((StatusIs("in_transit"), Not(HasFailures()), AnyOf((IsLate(), DurationIs(1)))))
    header = header_of(state_of(OPENED))

    assert not needs_state(condition)
    assert not matches(condition, ID, header, None, Moment(T))


@pytest.mark.parametrize(
    "leaf", [HasTerm("v3"), HasTermPrefix("v"), KeyStarts("a", ""), BlockHas("a"), AnyBlockHas()]
)
def test_a_condition_that_needs_a_state_says_so_and_refuses_to_guess(leaf):
    assert needs_state(AnyOf((FlowIs("x"), Not(leaf))))
    with pytest.raises(ValueError, match="needs a state"):
        matches(leaf, ID, header_of(state_of(OPENED)), None, Moment(T))
