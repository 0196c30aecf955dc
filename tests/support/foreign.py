"""What foreign clients sent, read back through the API of a server."""

from typing import Any

from flowtrail.model.tokens import format_token
from tests.support.served import Served

Json = dict[str, Any]
# Any token waits for everything that is durable when it comes.
NOW = format_token({})


def visible(server: Served) -> None:
    """Wait until everything that is durable can be read."""
    answer = server.client.get("/v1/flows", headers={"Flowtrail-After": NOW})
    assert answer.status_code == 200, answer.text


def items(server: Served, query: str = "") -> list[Json]:
    """The transactions that match, in the order of lists."""
    visible(server)
    answer = server.get("/v1/transactions", q=query, page_size="1000")
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.json()["transactions"]
    return found


def whole(server: Served, query: str) -> Json:
    """The one transaction that matches, with everything."""
    (item,) = items(server, query)
    answer = server.get(f"/v1/transactions/{item['id']}")
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def lineage(server: Served, transaction: str) -> Json:
    """What it came from and led to."""
    answer = server.get(f"/v1/transactions/{transaction}/lineage")
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


def everything(server: Served) -> Json:
    """All that can be read: each transaction with its lineage, and what is counted up to a moment that is over."""
    listed = items(server)
    read = {item["id"]: server.get(f"/v1/transactions/{item['id']}").json() for item in listed}
    links = {item["id"]: lineage(server, item["id"]) for item in listed}
    counted = server.get(
        "/v1/statistics",
        **{"group_by": "flow,block", "from": "2015-01-01T00:00:00Z", "to": "2026-11-24T00:00:00Z"},
    ).json()
    return {"listed": listed, "read": read, "links": links, "counted": counted}
