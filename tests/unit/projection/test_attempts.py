"""Ends are counted attempt by attempt: trying again changes what a transaction is, not what happened to it."""

from flowtrail.model.records import EndRecord, TransactionRecord
from flowtrail.projection import cells as code
from flowtrail.projection.cells import CellKey, start_of
from flowtrail.projection.contributions import contributions
from flowtrail.projection.derive import header_of
from flowtrail.projection.state import State

AT = 1_790_000_000_000_000
DAY = 86_400_000_000
KEY = b"t" * 16


def state_of(*records):
    state = State()
    for record in records:
        if isinstance(record, EndRecord):
            state.add_end(record)
        else:
            state.add_transaction(record)
    return state


def counted(state, day):
    key = CellKey("default", "events", "day", start_of("day", AT + day * DAY), ("shop", "", "", "order"))
    return contributions("default", state).get(key, {})


def tried_again():
    return state_of(
        TransactionRecord(KEY, AT, flow="shop", object_type="order", object_id="4711", created_at=AT),
        EndRecord(KEY, AT + 5, outcome="failed", ended_at=AT + 5),
        TransactionRecord(
            KEY, AT + DAY, flow="shop", object_type="order", object_id="4711", created_at=AT, attempt=2
        ),
        EndRecord(KEY, AT + DAY + 9, outcome="delivered", attempt=2, ended_at=AT + DAY + 9),
    )


def test_a_retry_does_not_erase_yesterdays_failure():
    state = tried_again()

    assert counted(state, 0)[code.FAILED] == 1
    assert counted(state, 1)[code.DELIVERED] == 1
    assert code.DELIVERED not in counted(state, 0)
    assert code.FAILED not in counted(state, 1)


def test_a_retry_is_one_arrival_and_one_transaction_with_the_outcome_of_its_last_attempt():
    state = tried_again()

    assert counted(state, 0)[code.ARRIVALS] == 1
    assert code.ARRIVALS not in counted(state, 1)
    assert counted(state, 0)[code.RETRIES] == 1
    assert (header_of(state).status, header_of(state).attempt) == ("delivered", 2)


def test_a_transaction_that_is_being_tried_again_is_in_transit_though_it_failed_before():
    state = state_of(
        TransactionRecord(
            KEY, AT, flow="shop", object_type="order", object_id="4711", created_at=AT, attempt=2
        ),
        EndRecord(KEY, AT + 5, outcome="failed", ended_at=AT + 5),
    )

    assert (header_of(state).status, header_of(state).ended_at) == ("in_transit", None)
    assert counted(state, 0)[code.FAILED] == 1
