"""What an event that knows nothing of us becomes: its ids, its names, its time and its data."""

import pytest

from flowtrail.intake.foreign.cloudevents import EventDefaults
from flowtrail.model.ids import derived_transaction_id
from flowtrail.model.records import BlockRecord, EndRecord, TransactionRecord
from tests.support.cloudevents import NOW, event, read
from tests.support.kinds import only


def test_the_same_event_again_is_the_same_records():
    assert read(event()).encoded == read(event(), now=NOW + 5_000_000).encoded


def test_an_event_without_time_stands_at_its_arrival_and_stays_one_execution():
    sent = event()
    del sent["time"]

    first, second = (only(read(sent, now=now).records, BlockRecord) for now in (NOW, NOW + 1))

    assert (first.ended_at, second.ended_at) == (NOW, NOW + 1)
    assert first.id == second.id


def test_ids_follow_from_source_and_id_and_differ_by_tenant():
    def ids(tenant="default", **more):
        block = only(read(event(**more), tenant=tenant).records, BlockRecord)
        return block.transaction, block.id

    assert ids()[0] == derived_transaction_id("default", "cloudevents", "", "/shop", "order", "4711")
    assert ids()[1] != ids(id="e-2")[1]
    assert ids(flowtrailflow="f")[1] != ids(flowtrailflow="f", source="/other")[1]
    assert ids(flowtrailflow="f")[0] == ids(flowtrailflow="f", source="/other")[0]
    assert ids()[0] != ids("other")[0]
    assert ids()[0] != ids(flowtrailcase="2")[0]


@pytest.mark.parametrize(
    ("type_", "object_type", "block"),
    [
        ("com.github.pull_request.opened", "pull_request", "opened"),
        ("google.cloud.storage.object.v1.finalized", "object", "finalized"),
        ("order.shipped.v2", "order", "shipped"),
        ("order/shipped", "order", "shipped"),
        ("Microsoft.Storage.BlobCreated", "Storage", "BlobCreated"),
        ("shipped", "event", "shipped"),
        ("v1", "event", "v1"),
        ("...", "event", "..."),
    ],
)
def test_a_type_names_the_block_by_its_last_part_and_the_object_by_the_one_before(type_, object_type, block):
    records = read(event(type=type_)).records

    assert only(records, TransactionRecord).object_type == object_type
    assert only(records, BlockRecord).block == block


def test_defaults_of_the_request_stand_between_our_attributes_and_the_fallback():
    defaults = EventDefaults("shop-to-erp", "parcel")

    given = only(read(event(), defaults=defaults).records, TransactionRecord)
    said = only(
        read(event(flowtrailflow="f", flowtrailtype="t"), defaults=defaults).records, TransactionRecord
    )

    assert (given.flow, given.object_type) == ("shop-to-erp", "parcel")
    assert (said.flow, said.object_type) == ("f", "t")


def test_an_event_without_a_subject_is_an_object_of_its_own_that_ends_with_it():
    sent = event()
    del sent["subject"]

    for more, outcome in (
        ({}, "delivered"),
        ({"flowtrailstatus": "failed"}, "failed"),
        ({"flowtrailpredicate": "p"}, "filtered"),
    ):
        records = read(sent | more).records
        assert only(records, TransactionRecord).object_id == "e-1"
        assert only(records, EndRecord).outcome == outcome
    running = read(sent | {"flowtrailstatus": "running"}).records
    assert [record for record in running if isinstance(record, EndRecord)] == []


def test_data_deeper_than_a_record_is_kept_as_text_and_longer_one_as_its_hash():
    deep = 1
    for _ in range(12):
        deep = {"a": deep}
    long = {"text": "x" * 70_000}

    block = only(read(event(data=deep)).records, BlockRecord)
    other = only(read(event(data=long)).records, BlockRecord)

    kept = block.details["data"]
    for _ in range(8):
        kept = kept["a"]
    assert kept == '{"a":{"a":{"a":{"a":1}}}}'
    assert other.details["data"]["omitted_bytes"] == len('{"text":""}') + 70_000
    assert len(other.details["data"]["sha256"]) == 64
