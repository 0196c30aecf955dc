"""Our extension attributes of CloudEvents: what they say, and how a wrong attribute is named."""

import pytest

from flowtrail.model.ids import derived_transaction_id
from flowtrail.model.instants import format_instant, parse_instant
from flowtrail.model.records import BlockRecord, EndRecord, LinkRecord, TransactionRecord
from tests.support.cloudevents import event, read, refusal
from tests.support.kinds import only


def test_our_extension_attributes_say_everything_a_record_can():
    records = read(
        event(
            flowtrailflow="shop-to-erp",
            flowtrailversion="3",
            flowtrailtype="order",
            flowtrailobject="O-1",
            flowtrailblock="deliver",
            flowtrailstage="egress",
            flowtrailexecution="run-7",
            flowtrailattempt="2",
            flowtrailstatus="failed",
            flowtrailqueued="2026-11-23T09:59:58Z",
            flowtrailstarted="2026-11-23T09:59:59Z",
            flowtrailworker="w-1",
            flowtrailexception="java.io.IOException",
            flowtrailreason="the line is down",
            flowtrailoutcome="failed",
            flowtrailparent="B-1",
            flowtrailparenttype="batch",
            partitionkey="P-1",
            correlationid="C-1",
            traceparent="00-0af7651916cd43dd8448eb211c80319c-b9c7c989f97918e1-01",
        )
    ).records

    opened, block, end, link = (
        only(records, kind) for kind in (TransactionRecord, BlockRecord, EndRecord, LinkRecord)
    )
    assert (opened.flow, opened.version, opened.object_type, opened.object_id) == (
        "shop-to-erp",
        "3",
        "order",
        "O-1",
    )
    assert opened.keys == {"partitionkey": "P-1", "correlationid": "C-1"}
    assert opened.trace == "0af7651916cd43dd8448eb211c80319c"
    assert (block.block, block.stage, block.status, block.worker) == ("deliver", "egress", "failed", "w-1")
    assert (opened.attempt, block.attempt, end.attempt) == (2, 2, 2)
    assert format_instant(block.queued_at) == "2026-11-23T09:59:58.000000Z"
    assert format_instant(block.started_at) == "2026-11-23T09:59:59.000000Z"
    assert [(each.kind, each.message) for each in block.exceptions] == [
        ("java.io.IOException", "the line is down")
    ]
    assert (end.outcome, end.reason) == ("failed", "the line is down")
    assert link.parent == derived_transaction_id("default", "cloudevents", "", "shop-to-erp", "batch", "B-1")
    assert (link.child, link.relation) == (opened.id, "split")
    assert not any(name.startswith("flowtrail") for name in block.details)


def test_a_start_and_an_end_of_one_execution_meet():
    started, ended = (
        only(read(event(id=key, flowtrailexecution="run-7", **more)).records, BlockRecord)
        for key, more in (("e-1", {"flowtrailstatus": "running"}), ("e-2", {}))
    )

    assert started.id == ended.id
    assert (started.status, ended.status) == ("running", "succeeded")
    assert started.started_at == ended.ended_at == parse_instant("2026-11-23T10:00:00Z", None)


def test_a_predicate_makes_a_skip_or_says_why_an_object_was_filtered():
    skipped = only(read(event(flowtrailpredicate="allowed_country")).records, BlockRecord)
    assert (skipped.status, skipped.skip.predicate) == ("skipped", "allowed_country")

    records = read(event(flowtrailpredicate="allowed_country", flowtrailoutcome="filtered")).records
    assert only(records, EndRecord).predicate == "allowed_country"
    assert only(records, BlockRecord).status == "succeeded"


def test_a_transaction_of_ours_can_be_named():
    named = "0192e4a0b1c27d3e8f90a1b2c3d4e5f6"

    records = read(event(flowtrailtransaction=named)).records

    assert {only(records, TransactionRecord).id.hex(), only(records, BlockRecord).transaction.hex()} == {
        named
    }
    assert refusal(event(flowtrailtransaction="x")).field == "flowtrailtransaction"


@pytest.mark.parametrize(
    ("more", "code", "field"),
    [
        ({"flowtrailfoo": "x"}, "unknown_field", "flowtrailfoo"),
        ({"flowtrailstatus": "done"}, "not_allowed", "flowtrailstatus"),
        ({"flowtrailstatus": "skipped"}, "missing_field", "flowtrailpredicate"),
        ({"flowtrailoutcome": "gone"}, "not_allowed", "flowtrailoutcome"),
        ({"flowtrailattempt": "two"}, "wrong_type", "flowtrailattempt"),
        ({"flowtrailattempt": 0}, "out_of_range", "flowtrailattempt"),
        ({"flowtrailstarted": "noon"}, "invalid_instant", "flowtrailstarted"),
        ({"flowtrailrelation": "x", "flowtrailparent": "1"}, "not_allowed", "flowtrailrelation"),
        ({"flowtrailparent": "4711"}, "contradiction", "flowtrailparent"),
        ({"flowtrailblock": 7}, "wrong_type", "flowtrailblock"),
        ({"source": "x" * 201}, "too_long", "source"),
        ({"subject": "x" * 1001}, "too_long", "subject"),
        ({"type": "a." + "x" * 201}, "too_long", "type"),
        ({"partitionkey": "x" * 1001}, "too_long", "partitionkey"),
        ({"data": {"a": [1, "\0"]}}, "invalid_text", "data.a[1]"),
        ({f"ext{number}": 1 for number in range(70)}, "too_many", None),
        ({"data_base64": "?"}, "invalid_base64", "data_base64"),
    ],
)
def test_a_refusal_names_the_attribute_and_not_our_field(more, code, field):
    rejected = refusal(event(**more))

    assert (rejected.code, rejected.field) == (code, field)
