"""What a test sees of its application is what a server shows of the same records."""

import pytest

import flowtrail as sdk
from tests.support.served import served


def story() -> None:
    with sdk.transaction(
        "order",
        "4711",
        keys={"customer": "C-9"},
        attributes={"channel": "web", "nested": {"lines": [1, 2.5, None, True]}},
        value="129.90",
        currency="EUR",
        deadline=3_600,
        trace="0af7651916cd43dd8448eb211c80319c",
    ) as order:
        with order.block("validate", stage="ingress", queued_at="2026-11-23T10:00:00Z") as block:
            block.detail(lines=3, country="DE")
            with order.block("look up"):
                block.usage(cpu_seconds=0.25, bytes_in=2_048)
        with order.block("notify") as block:
            block.skip("opted_in", "asked not to", expected=True, actual=False)
        for tried in range(3):
            with order.block("deliver", stage="egress") as block:
                if tried < 2:
                    block.fail(ConnectionError("the ERP is away"))
        headers = order.inject(handover=True)
    with sdk.resume(headers) as order, order.block("receive"):
        order.key(invoice="R-1")
    with (
        pytest.raises(RuntimeError),
        sdk.transaction("invoice", "R-1") as invoice,
        invoice.block("book"),
    ):
        book(invoice, order)
    with sdk.transaction("order", "4712") as order:
        order.filter("allowed_country", "not from there")
    with sdk.transaction("order", "4713") as order:
        order.cancel("withdrawn")


def book(invoice, order) -> None:
    invoice.link("derive", parent=order)
    try:
        {}["account"]
    except KeyError as error:
        raise RuntimeError("no account") from error


def test_every_answer_is_the_same(flowtrail):
    sdk.init(flow="shop-to-erp", version="7", worker="w-1", redact_names=["country"])
    story()

    with served() as server:
        server.seen(*flowtrail.records)
        for seen in flowtrail.transactions:
            answer = server.get(f"/v1/transactions/{seen.id}").json()
            assert {name: answer[name] for name in seen.found} == seen.found

    assert len(flowtrail.transactions) == 4
    assert flowtrail.get("4711").block("validate")["details"] == {"lines": 3, "country": "[redacted]"}
