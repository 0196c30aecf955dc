"""CloudEvents as records: the standard's own examples, its conformance suite, and our extension attributes."""

import base64
import json
from pathlib import Path

import pytest

from flowtrail.intake.foreign.cloudevents import EventDefaults
from flowtrail.intake.foreign.cloudevents_http import read_cloudevents
from flowtrail.model.errors import Refusal
from flowtrail.model.ids import derived_transaction_id
from flowtrail.model.instants import format_instant, parse_instant
from flowtrail.model.records import BlockRecord, EndRecord, LinkRecord, TransactionRecord

GOLDEN = Path(__file__).parent / "golden"
VALID = json.loads((GOLDEN / "cloudevents-valid.json").read_text(encoding="utf-8"))["events"]
INVALID = json.loads((GOLDEN / "cloudevents-invalid.json").read_text(encoding="utf-8"))["events"]
NONE = EventDefaults()
NOW = parse_instant("2026-11-23T12:00:00Z", None)
STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"


def read(
    body,
    content_type=STRUCTURED,
    headers=(),
    defaults=NONE,
    tenant="default",
    now=NOW,
    coding=None,
):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_cloudevents(tenant, raw, content_type, coding, now, headers=headers, defaults=defaults)


def event(**more):
    return {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/shop",
        "type": "com.example.order.mapped",
        "subject": "4711",
        "time": "2026-11-23T10:00:00Z",
    } | more


def only(records, kind):
    (found,) = [record for record in records if isinstance(record, kind)]
    return found


def refusal(body, **given):
    decoded = read(body, **given)
    assert decoded.encoded == []
    (rejected,) = decoded.rejected
    return rejected


def named(cases):
    return [pytest.param(case, id=case["name"]) for case in cases]


@pytest.mark.parametrize("case", named(VALID))
def test_a_valid_event_is_one_execution_that_keeps_every_attribute(case):
    sent = case["event"]

    decoded = read(sent)

    assert decoded.rejected == []
    assert decoded.accepted == 1
    block = only(decoded.records, BlockRecord)
    opened = only(decoded.records, TransactionRecord)
    assert block.details == {name: value for name, value in sent.items() if value is not None}
    assert block.transaction == opened.id
    assert block.status == "succeeded"
    assert format_instant(block.ended_at) == (
        "2018-04-05T17:31:00.000000Z" if sent.get("time") else format_instant(NOW)
    )
    assert opened.flow == sent["source"]
    assert (opened.object_type, block.block) == tuple(sent["type"].split(".")[-2:])
    assert opened.object_id == (sent.get("subject") or sent["id"])


@pytest.mark.parametrize("case", named(INVALID))
def test_what_the_standard_calls_invalid_is_refused_with_its_attribute(case):
    rejected = refusal(case["event"])

    assert (rejected.code, rejected.field) == (case["code"], case["field"])
    assert rejected.message
    assert rejected.allowed


@pytest.mark.parametrize("case", named(VALID))
def test_binary_mode_says_the_same_as_structured_mode(case):
    sent = {name: value for name, value in case["event"].items() if value is not None}
    media_type = sent.get("datacontenttype")
    body = b""
    if "data_base64" in sent:
        body = base64.b64decode(sent["data_base64"])
    elif "data" in sent:
        body = (
            json.dumps(sent["data"]).encode()
            if media_type in {None, "application/json"}
            else sent["data"].encode()
        )
    headers = [
        (b"ce-" + name.encode(), (str(value).lower() if isinstance(value, bool) else str(value)).encode())
        for name, value in sent.items()
        if name not in {"data", "data_base64", "datacontenttype"}
    ]

    binary = read(body, content_type=media_type, headers=headers)

    structured = read(sent)
    (one, two) = (only(each.records, BlockRecord) for each in (binary, structured))
    assert {
        name: str(value).lower() if isinstance(value, (bool, int)) else value
        for name, value in two.details.items()
    } == (one.details)
    assert (one.id, one.transaction, one.block, one.ended_at) == (
        two.id,
        two.transaction,
        two.block,
        two.ended_at,
    )
    assert only(binary.records, TransactionRecord) == only(structured.records, TransactionRecord)


@pytest.mark.parametrize(
    "content_type", [None, "application/json", STRUCTURED, STRUCTURED + "; charset=UTF-8"]
)
def test_an_event_alone_is_read_with_and_without_its_content_type(content_type):
    assert read(event(), content_type=content_type).encoded == read(event()).encoded


def test_headers_beside_a_structured_event_are_not_the_event():
    assert read(event(), headers=binary(b"ce-subject", b"other")).encoded == read(event()).encoded


def test_events_that_make_too_many_records_are_refused_as_a_whole(monkeypatch):
    monkeypatch.setattr("flowtrail.intake.foreign.events.MAX_BODY_RECORDS", 5)

    assert read([event(), event(id="2")], content_type=BATCHED).accepted == 2
    with pytest.raises(Refusal) as refused:
        read([event(), event(id="2"), event(id="3")], content_type=BATCHED)
    assert (refused.value.code, refused.value.status) == ("too_many_records", 413)


def test_an_event_above_its_size_is_refused_and_spoils_no_other():
    long = event(id="2", dataschema="x" * 1_100_000)
    middling = event(id="3", dataschema="x" * 300_000)

    decoded = read([event(), long, middling], content_type=BATCHED)

    assert decoded.accepted == 1
    assert [(each.index, each.code) for each in decoded.rejected] == [
        (1, "record_too_large"),
        (2, "record_too_large"),
    ]


@pytest.mark.parametrize("content_type", [None, "application/json", BATCHED, "application/cloudevents-batch"])
def test_a_batch_is_read_with_and_without_its_content_type(content_type):
    decoded = read([event(), event(id="e-2", specversion="0.3"), event(id="e-3")], content_type=content_type)

    assert decoded.accepted == 2
    assert [(each.index, each.code) for each in decoded.rejected] == [(1, "not_allowed")]


def test_an_empty_batch_holds_nothing_and_is_fine():
    decoded = read(b" [ ] ", content_type=BATCHED)

    assert (decoded.accepted, decoded.encoded, decoded.rejected) == (0, [], [])


@pytest.mark.parametrize(
    "content_type",
    [
        "application/cloudevents+xml",
        "application/cloudevents+avro",
        "text/plain",
        STRUCTURED + "; charset=latin-1",
    ],
)
def test_forms_that_are_not_read_here_name_the_header(content_type):
    with pytest.raises(Refusal) as refused:
        read(event(), content_type=content_type)

    assert (refused.value.status, refused.value.field) == (415, "Content-Type")


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


def test_nothing_of_an_event_is_accepted_when_a_part_of_it_is_refused():
    decoded = read([event(flowtrailoutcome="gone"), event(id="e-2")], content_type=BATCHED)

    assert decoded.accepted == 1
    assert len(decoded.encoded) == 2


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


def test_headers_are_percent_decoded_once_and_unquoted():
    headers = binary(
        b"ce-subject", b"Euro%20%E2%82%AC%20%f0%9f%98%80", b"ce-ext", b'"say \\"hi\\" 100%25%41"'
    )

    records = read(b"", content_type=None, headers=headers).records

    assert only(records, TransactionRecord).object_id == "Euro € 😀"
    assert only(records, BlockRecord).details["ext"] == 'say "hi" 100%A'


def test_headers_that_are_not_utf_8_once_decoded_are_refused():
    decoded = read(b"", content_type=None, headers=binary(b"ce-subject", b"%C0%A0"))

    assert [(each.code, each.field) for each in decoded.rejected] == [("not_utf8", "ce-subject")]


@pytest.mark.parametrize(
    ("name", "code"),
    [(b"ce-id", "repeated_name"), (b"ce-datacontenttype", "contradiction"), (b"ce-a_b", "invalid_name")],
)
def test_headers_that_the_binding_forbids_are_refused(name, code):
    decoded = read(b"", content_type=None, headers=binary(name, b"x"))

    assert [each.code for each in decoded.rejected] == [code]


@pytest.mark.parametrize(
    ("content_type", "body", "data"),
    [
        ("application/json", b'{"a": 1}', {"data": {"a": 1}}),
        ("application/vnd.x+json; charset=utf-8", b"[1]", {"data": [1]}),
        (None, b'{"a": 1}', {"data": {"a": 1}}),
        (None, b"plain", {"data": "plain"}),
        (None, b"\xff\x00", {"data_base64": "/wA="}),
        ("text/plain", "grüß".encode(), {"data": "grüß"}),
        ("text/plain", b"\xff", {"data_base64": "/w=="}),
        ("application/octet-stream", b"abc", {"data_base64": "YWJj"}),
        ("application/json", b"", {}),
        ("application/json", b"a string without quotes", {"data": "a string without quotes"}),
        ("application/json", b"\xff", {"data_base64": "/w=="}),
    ],
)
def test_the_body_of_binary_mode_is_data_in_the_form_of_its_type(content_type, body, data):
    block = only(read(body, content_type=content_type, headers=binary()).records, BlockRecord)

    assert {name: block.details[name] for name in ("data", "data_base64") if name in block.details} == data


def binary(*more: bytes) -> list[tuple[bytes, bytes]]:
    pairs = list(zip(more[::2], more[1::2], strict=True))
    return [
        (b"ce-specversion", b"1.0"),
        (b"ce-id", b"1"),
        (b"ce-source", b"/s"),
        (b"ce-type", b"a.b"),
        *pairs,
    ]
