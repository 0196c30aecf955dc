"""CloudEvents sent by the standard's own client for Node, twice in every mode, read back over HTTP."""

import base64

import pytest

from tests.support import node
from tests.support.foreign import whole

DATA = {"lines": [{"sku": "S-1", "count": 2}], "note": "grüß Gott"}


@pytest.mark.parametrize("mode", ["binary", "structured", "batch", "emitter"])
def test_what_the_client_sends_twice_is_read_back_once_and_whole(server, mode):
    told = node.run("cloudevents.cjs", server.url, mode)

    assert [answer["status"] for answer in told["answers"]] == [200] * len(told["answers"])
    assert [answer["body"]["rejected"] for answer in told["answers"]] == [[]] * len(told["answers"])
    read = whole(server, "flow:shop-to-erp")
    assert (read["object_type"], read["object_id"], read["status"]) == (
        "order",
        "4711",
        "delivered",
    )
    assert (read["trace"], read["keys"]) == ("0af7651916cd43dd8448eb211c80319c", {"partitionkey": "C-9"})
    assert [(block["block"], block["ended_at"]) for block in read["blocks"]] == [
        ("validated", "2026-11-23T10:00:00.250000Z"),
        ("mapped", "2026-11-23T10:00:01.000000Z"),
        ("delivered", "2026-11-23T10:00:02.000000Z"),
    ]
    validated, mapped, delivered = (block["details"] for block in read["blocks"])
    for details, sent in zip((validated, mapped, delivered), told["events"], strict=True):
        for name in ("id", "source", "type", "subject", "traceparent", "partitionkey", "specversion"):
            assert details[name] == sent[name]
    assert validated["data"] == DATA
    assert validated["dataschema"] == "https://example.com/order.json"
    # Headers are text, JSON keeps what it was.
    assert (str(validated["count"]), str(validated["gift"]).lower()) == ("7", "true")
    assert base64.b64decode(mapped["data_base64"]) == bytes([0, 1, 2, 253, 254, 255])
    assert (delivered["datacontenttype"].partition(";")[0], delivered["data"]) == ("text/plain", "thank you")
