"""CloudEvents sent by the standard's own client for Python, read back over HTTP."""

import json
from datetime import UTC, datetime

import pytest
import requests
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent
from cloudevents.v1 import conversion as older
from cloudevents.v1.http import CloudEvent as OlderEvent

from tests.support.foreign import everything, items, whole
from tests.support.served import problem

PATH = "/v1/events"
TRACE = "0af7651916cd43dd8448eb211c80319c"
ATTRIBUTES = {
    "id": "A-1",
    "source": "/shop",
    "type": "com.example.order.validated",
    "subject": "Bestellung 4711 €",
    "time": datetime(2026, 11, 23, 10, 0, 0, 250_000, UTC),
    "dataschema": "https://example.com/order.json",
    "traceparent": f"00-{TRACE}-b9c7c989f97918e1-01",
    "partitionkey": "C-9",
    "sequence": "7",
}
DATA = {"lines": [{"sku": "S-1", "count": 2}], "total": 129.9, "note": "grüß Gott"}


def send(server, message):
    return requests.post(server.url + PATH, data=message.body, headers=message.headers, timeout=30)


def newer(mode, **more):
    event = CloudEvent({**ATTRIBUTES, "datacontenttype": "application/json", **more}, DATA)
    return mode(event)


def check_validated(server):
    read = whole(server, 'flow:"/shop"')
    assert (read["flow"], read["object_type"], read["object_id"]) == ("/shop", "order", "Bestellung 4711 €")
    assert (read["trace"], read["keys"]) == (TRACE, {"partitionkey": "C-9"})
    (block,) = read["blocks"]
    assert (block["block"], block["status"]) == ("validated", "succeeded")
    assert block["ended_at"] == "2026-11-23T10:00:00.250000Z"
    details = block["details"]
    assert details["data"] == DATA
    assert datetime.fromisoformat(details["time"]) == ATTRIBUTES["time"]
    told = {name: value for name, value in ATTRIBUTES.items() if name != "time"}
    assert {name: details[name] for name in told} == told
    assert details["datacontenttype"] == "application/json"
    assert details["specversion"] == "1.0"
    assert set(details) == {*ATTRIBUTES, "specversion", "datacontenttype", "data"}


@pytest.mark.parametrize("mode", [to_binary_event, to_structured_event])
def test_an_event_of_the_client_is_read_back_and_changes_nothing_when_it_comes_twice(server, mode):
    answer = send(server, newer(mode))
    assert (answer.status_code, answer.json()["accepted"], answer.json()["rejected"]) == (200, 1, [])
    check_validated(server)
    before = everything(server)

    assert send(server, newer(mode)).status_code == 200

    assert everything(server) == before


def test_binary_and_structured_mode_are_the_same_event(server):
    send(server, newer(to_binary_event))
    before = everything(server)

    send(server, newer(to_structured_event))

    assert everything(server) == before


@pytest.mark.parametrize("mode", [older.to_binary, older.to_structured])
def test_an_event_of_the_older_client_is_read_back(server, mode):
    told = {**ATTRIBUTES, "time": ATTRIBUTES["time"].isoformat(), "datacontenttype": "application/json"}
    # The older client percent-encodes nothing, and its transport takes no more than Latin-1.
    headers, body = mode(OlderEvent({**told, "subject": "4711"}, DATA))

    answer = requests.post(server.url + PATH, data=body, headers=headers, timeout=30)

    assert answer.status_code == 200, answer.text
    (block,) = whole(server, "4711")["blocks"]
    assert block["details"]["data"] == DATA
    assert block["details"]["traceparent"] == ATTRIBUTES["traceparent"]


def test_binary_data_is_read_back_byte_by_byte(server):
    event = CloudEvent({**ATTRIBUTES, "datacontenttype": "application/octet-stream"}, bytes(range(256)))
    for number, mode in enumerate((to_binary_event, to_structured_event)):
        event._attributes["id"] = f"A-{number}"
        assert send(server, mode(event)).status_code == 200

    import base64

    for block in whole(server, 'flow:"/shop"')["blocks"]:
        assert base64.b64decode(block["details"]["data_base64"]) == bytes(range(256))


def test_a_batch_tells_the_way_of_one_object_through_several_sources(server):
    def told(id, source, type_, second, **more):
        return {
            **{name: ATTRIBUTES[name] for name in ("subject", "traceparent")},
            "specversion": "1.0",
            "id": id,
            "source": source,
            "type": f"com.example.order.{type_}",
            "time": f"2026-11-23T10:00:0{second}Z",
            **more,
        }

    batch = [
        told("1", "/shop", "validated", 1, flowtrailstage="ingress"),
        told("1", "/mapper", "mapped", 2, flowtrailstarted="2026-11-23T10:00:01.5Z"),
        {"id": "no event"},
        told("2", "/erp", "delivered", 3, flowtrailoutcome="delivered", flowtrailstage="egress"),
    ]
    headers = {"Content-Type": "application/cloudevents-batch+json"}

    answer = server.client.post(
        PATH, params={"flow": "shop-to-erp"}, content=json.dumps(batch), headers=headers
    )

    assert answer.status_code == 200, answer.text
    assert answer.json()["accepted"] == 3
    assert [(each["index"], each["code"]) for each in answer.json()["rejected"]] == [(2, "missing_field")]
    read = whole(server, "flow:shop-to-erp")
    assert (read["status"], read["ended_at"]) == ("delivered", "2026-11-23T10:00:03.000000Z")
    assert [(each["block"], each["work_s"]) for each in read["blocks"]] == [
        ("validated", None),
        ("mapped", 0.5),
        ("delivered", None),
    ]
    before = everything(server)
    server.client.post(PATH, params={"flow": "shop-to-erp"}, content=json.dumps(batch), headers=headers)
    assert everything(server) == before


def test_an_empty_batch_is_fine_and_writes_nothing(server):
    answer = server.client.post(
        PATH, content=b"[]", headers={"Content-Type": "application/cloudevents-batch+json"}
    )

    assert (answer.status_code, answer.json()["accepted"], answer.json()["token"]) == (200, 0, None)
    assert items(server) == []


def test_what_is_no_event_is_refused_as_a_problem(server):
    json_type = {"Content-Type": "application/json"}
    told = problem(
        server.client.post(PATH, content=b'{"specversion":"1.0"}', headers=json_type), 400, "nothing_accepted"
    )
    assert [(each["code"], each["field"]) for each in told["rejected"]] == [("missing_field", "id")]
    problem(server.client.post(PATH, content=b"", headers=json_type), 400, "empty_body")
    problem(
        server.client.post(PATH, content=b"<a/>", headers={"Content-Type": "text/xml"}),
        415,
        "unsupported_media_type",
    )
    problem(
        server.client.post(PATH + "?tenant=x", content=b"{}", headers=json_type), 400, "unknown_parameter"
    )
    problem(server.get(PATH), 405, "method_not_allowed")
