"""What spans say about the transaction that their trace is: its start, its end and its object."""

import pytest

from flowtrail.model.records import BlockRecord, EndRecord, TransactionRecord
from tests.support.kinds import only
from tests.support.otlp import END, START, TRACE, root, span
from tests.support.spans import ended, opened, records


def test_a_root_opens_and_ends_the_transaction():
    told = records(root(), resource={"service.name": "shop", "service.version": "3"})
    opened, ended = only(told, TransactionRecord), only(told, EndRecord)

    assert (opened.id.hex(), opened.flow, opened.version) == (TRACE, "shop", "3")
    assert (opened.object_type, opened.object_id, opened.trace) == ("trace", TRACE, TRACE)
    assert opened.created_at == START // 1_000
    assert (ended.transaction.hex(), ended.outcome, ended.ended_at) == (TRACE, "delivered", END // 1_000)
    assert only(told, BlockRecord).parent is None


def test_a_parent_of_zeros_is_none():
    assert ended(parentSpanId="0" * 16).outcome == "delivered"


def test_a_server_span_below_a_remote_parent_is_no_root():
    assert [type(each) for each in records(span(kind=2, flags=0x301))] == [BlockRecord]


def test_a_span_may_be_declared_the_root():
    assert only(records(span({"flowtrail.root": True})), EndRecord).outcome == "delivered"


def test_a_root_that_fails_fails_the_transaction():
    found = ended(status={"code": 2, "message": "no such article"})

    assert (found.outcome, found.reason) == ("failed", "no such article")


def test_an_outcome_may_be_said():
    found = ended(
        {"flowtrail.outcome": "filtered", "flowtrail.predicate": "allowed_country", "flowtrail.reason": "no"}
    )

    assert (found.outcome, found.predicate, found.reason) == ("filtered", "allowed_country", "no")


def test_a_root_may_hand_on():
    told = records(root({"flowtrail.outcome": "in_transit"}))
    later = records(span({"flowtrail.outcome": "delivered"}))

    assert [each for each in told if isinstance(each, EndRecord)] == []
    assert only(later, EndRecord).outcome == "delivered"


def test_a_root_that_still_runs_ends_nothing():
    assert [each for each in records(root(endTimeUnixNano=0)) if isinstance(each, EndRecord)] == []


def test_flow_object_keys_and_attributes_are_named_by_attributes():
    found = opened(
        {
            "flowtrail.flow": "shop-to-erp",
            "flowtrail.version": "7",
            "flowtrail.object.type": "order",
            "flowtrail.object.id": 4711,
            "flowtrail.key.customer": "C-9",
            "flowtrail.attribute.country": "DE",
        }
    )

    assert (found.flow, found.version, found.object_type, found.object_id) == (
        "shop-to-erp",
        "7",
        "order",
        "4711",
    )
    assert (found.keys, found.attributes) == ({"customer": "C-9"}, {"country": "DE"})


def test_bytes_name_an_object_and_its_keys_in_base64():
    found = opened(
        {"flowtrail.object.type": "order", "flowtrail.object.id": b"\0\1\2", "flowtrail.key.lot": b"\xff"}
    )

    assert (found.object_id, found.keys) == ("AAEC", {"lot": "/w=="})


def test_a_resource_may_name_the_flow():
    assert opened(resource={"service.name": "shop", "flowtrail.flow": "shop-to-erp"}).flow == "shop-to-erp"


def test_a_service_without_a_name_has_a_flow_all_the_same():
    assert opened(resource={}).flow == "traces"


def test_what_a_message_is_known_by_names_the_object_and_finds_it():
    found = opened({"messaging.message_id": "m-1", "messaging.message.conversation_id": "c-2"}, kind=5)

    assert (found.object_type, found.object_id) == ("conversation", "c-2")
    assert found.keys == {"conversation": "c-2", "message": "m-1"}


def test_a_child_that_names_the_object_tells_it():
    found = only(
        records(span({"flowtrail.object.type": "order", "flowtrail.object.id": "4711"})), TransactionRecord
    )

    assert (found.object_type, found.object_id) == ("order", "4711")
    assert (found.at, found.created_at) == (START // 1_000, None)


@pytest.mark.parametrize("skew", [0, -3_600_000_000_000])
def test_who_names_the_object_wins_over_a_root_that_does_not_whatever_their_clocks_say(skew):
    named = span(
        {"flowtrail.object.type": "order", "flowtrail.object.id": "4711"}, startTimeUnixNano=START + skew
    )
    guessed = span({"flowtrail.key.customer": "C-9"})
    stated = [each for each in records(root(), named, guessed) if isinstance(each, TransactionRecord)]

    ranked = sorted(stated, key=lambda each: each.at)
    assert [each.object_id for each in ranked] == [TRACE, TRACE, "4711"]
    assert [each.keys for each in ranked] == [{"customer": "C-9"}, None, None]
