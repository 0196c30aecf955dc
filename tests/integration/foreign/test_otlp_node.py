"""The OpenTelemetry SDK for Node, unmodified, sending JSON to a server; all that it sent is read back over HTTP."""

import json

import pytest

from flowtrail.model.instants import format_instant
from tests.support import node
from tests.support.foreign import everything, whole


@pytest.mark.parametrize(
    ("compression", "processor"), [("none", "SimpleSpanProcessor"), ("gzip", "BatchSpanProcessor")]
)
def test_what_the_sdk_for_node_sends_is_read_back_field_by_field(server, compression, processor):
    sent = node.run("traces.cjs", server.url, compression, processor)

    found = whole(server, "key.customer:C-9")
    executions = {each["id"]: each for each in found["blocks"]}
    assert set(executions) == {span["id"] for span in sent}
    for span in sent:
        check(executions[span["id"]], span)
    (root,) = [span for span in sent if span["parent"] is None]
    assert found["id"] == root["trace"]
    assert (found["flow"], found["version"]) == ("shop", "3")
    assert (found["object_type"], found["object_id"]) == ("order", "4711")
    assert (found["status"], found["has_failures"]) == ("delivered", True)
    assert found["ended_at"] == format_instant(root["ended"])


def check(found, span):
    """Every field of a span, in the execution that it became."""
    raised = [event for event in span["events"] if event["name"] == "exception"]
    details = dict(found["details"])
    assert found["block"] == span["name"]
    assert found["parent"] == span["parent"]
    assert found["status"] == ("failed" if span["status"] == "ERROR" else "succeeded")
    assert (found["started_at"], found["ended_at"]) == (
        format_instant(span["started"]),
        format_instant(span["ended"]),
    )
    assert found["worker"] == "shop-1"
    for name, value in span["attributes"].items():
        if not name.startswith("flowtrail."):
            assert details.pop(name) == value
    assert [(each["type"], each["message"], each["stacktrace"]) for each in found["exceptions"]] == [
        tuple(event["attributes"][f"exception.{name}"] for name in ("type", "message", "stacktrace"))
        for event in raised
    ]
    assert details.pop("otel.events", []) == [
        {"name": event["name"], "at": format_instant(event["at"]), "attributes": event["attributes"]}
        for event in span["events"]
        if event not in raised
    ]
    assert details.pop("otel.links", []) == span["links"]
    assert details.pop("otel.status_code", "UNSET") == ("OK" if span["status"] == "OK" else "UNSET")
    assert details.pop("otel.status_description", None) == span["message"]
    if span["parent"] is None:
        assert details.pop("otel.resource") == span["resource"]
    assert details == {
        "otel.kind": span["kind"],
        "otel.scope.name": "shop.orders",
        "otel.scope.version": "1.2",
        "service.name": "shop",
    }


def test_what_is_sent_twice_is_there_once(server):
    sent = node.run("traces.cjs", server.url, "none", "SimpleSpanProcessor")

    read = everything(server)["read"]
    assert [len(each["blocks"]) for each in read.values()] == [len(sent)]
    records = server.get(f"/v1/transactions/{sent[0]['trace']}/records").json()
    stated = {json.dumps(each["record"], sort_keys=True) for each in records["records"]}
    assert sorted(json.loads(each)["kind"] for each in stated) == [
        *["block"] * len(sent),
        "end",
        "transaction",
    ]
