"""One server on an empty memory store for each test that asks."""

from collections.abc import Iterator

import pytest

from tests.support.served import Served, served


@pytest.fixture
def server() -> Iterator[Served]:
    with served() as running:
        yield running


@pytest.fixture(scope="module")
def told() -> Iterator[Served]:
    """A server that knows two orders, for tests that only ask."""
    from tests.support.served import block, end, report, transaction

    with served() as running:
        exception = {"type": "KeyError", "message": "'sku'", "frames": [{"function": "map", "line": 7}]}
        running.seen(
            transaction(1),
            block(1, 1),
            block(1, 2, block="ship", status="failed", exceptions=[exception], usage={"cpu_seconds": 0.5}),
            end(1, "failed"),
            transaction(2, created_at="2026-11-23T11:00:00Z", producer="shop-1/7f3a", seq=1),
            report("shop-1/7f3a", 3, produced=9, sent=3, dropped={"full": 2}),
            block(2, 3, block="notify", status="skipped", skip={"predicate": "opted_in", "expected": True}),
            {
                "kind": "link",
                "parent": transaction(1)["id"],
                "child": transaction(2)["id"],
                "relation": "split",
            },
            {
                "kind": "flow",
                "flow": "shop-to-erp",
                "version": "1",
                "at": "2026-11-01T00:00:00Z",
                "blocks": [{"name": "map"}, {"name": "ship", "stage": "egress"}],
            },
        )
        yield running
