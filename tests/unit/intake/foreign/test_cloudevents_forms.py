"""The forms a CloudEvent comes in: alone, in a batch, and in headers with its data as the body."""

import pytest

from flowtrail.model.errors import Refusal
from flowtrail.model.records import BlockRecord, TransactionRecord
from tests.support.cloudevents import BATCHED, STRUCTURED, binary, event, read
from tests.support.kinds import only


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


def test_nothing_of_an_event_is_accepted_when_a_part_of_it_is_refused():
    decoded = read([event(flowtrailoutcome="gone"), event(id="e-2")], content_type=BATCHED)

    assert decoded.accepted == 1
    assert len(decoded.encoded) == 2


def test_headers_are_percent_decoded_once_and_unquoted():
    headers = binary(
        b"ce-subject", b"Euro%20%E2%82%AC%20%f0%9f%98%80", b"ce-ext", b'"say \\"hi\\" 100%25%41"'
    )

    records = read(b"", content_type=None, headers=headers).records

    assert only(records, TransactionRecord).object_id == "Euro € 😀"
    assert only(records, BlockRecord).details["ext"] == 'say "hi" 100%A'


@pytest.mark.parametrize(("beside", "codes"), [(124, []), (125, ["too_many"])])
def test_an_event_of_more_headers_than_128_is_refused(beside, codes):
    many = [(b"ce-x%d" % number, b"x") for number in range(beside)]
    decoded = read(b"", content_type=None, headers=[*binary(), *many])

    assert [each.code for each in decoded.rejected if each.field == "headers"] == codes


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
