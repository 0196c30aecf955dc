"""CloudEvents of the standard's own examples and conformance suite: what is valid is kept whole, what is not is refused."""

import base64
import json
from pathlib import Path

import pytest

from flowtrail.model.instants import format_instant
from flowtrail.model.records import BlockRecord, TransactionRecord
from tests.support.cloudevents import NOW, read, refusal
from tests.support.kinds import only

GOLDEN = Path(__file__).parent / "golden"
VALID = json.loads((GOLDEN / "cloudevents-valid.json").read_text(encoding="utf-8"))["events"]
INVALID = json.loads((GOLDEN / "cloudevents-invalid.json").read_text(encoding="utf-8"))["events"]


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
