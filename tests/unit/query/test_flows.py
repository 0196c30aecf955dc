"""Flows: what runs, and one flow as a graph."""

import pytest

from flowtrail.model.errors import Refusal
from flowtrail.model.instants import format_instant
from flowtrail.model.records import BlockDefinition, BlockRecord, EndRecord, FlowRecord, TransactionRecord
from flowtrail.query.flows import get_flow, list_flows
from flowtrail.query.transactions import list_transactions
from tests.support.stores import TENANT, store_of

T = 1_795_428_000_000_000
S = 1_000_000
NOW = T + 3_600 * S


def order(number, *, flow="shop", version=None, outcome="delivered"):
    key, at = number.to_bytes(16, "big"), T + number * 60 * S
    yield TransactionRecord(
        id=key, at=at, flow=flow, version=version, object_type="order", object_id=str(number), created_at=at
    )
    for place, block in enumerate(["validate", "map", "ship"]):
        began = at + place * 3 * S
        yield BlockRecord(
            transaction=key, at=began + S, id=(number * 8 + place).to_bytes(8, "big"), block=block,
            status="failed" if outcome == "failed" and block == "ship" else "succeeded",
            queued_at=began, started_at=began, ended_at=began + S,
        )  # fmt: skip
    if outcome:
        yield EndRecord(transaction=key, at=at + 9 * S, outcome=outcome, ended_at=at + 9 * S)


DECLARED = [
    FlowRecord(
        at=T + number, flow="shop", version=version, stages=["in", "out"], deadline_s=60.0,
        blocks=[BlockDefinition("validate", "in"), BlockDefinition(block, "out", 3)],
    )
    for number, (version, block) in enumerate([("1", "map"), ("2", "deliver")])
]  # fmt: skip
TOLD = [*order(1, version="2"), *order(2, outcome="failed"), *order(3, outcome=None), *order(4, flow="bill")]


def test_what_runs_is_listed_by_name_with_how_it_stands():
    stray = BlockRecord(transaction=bytes([9]) * 16, at=T, id=b"x" * 8, block="map", started_at=T)

    shown = list_flows(store_of([*DECLARED, *TOLD, stray]), TENANT, NOW)["flows"]

    none = {"in_transit": 0, "delivered": 0, "failed": 0, "filtered": 0, "cancelled": 0}
    assert [(flow["flow"], flow["declared"], flow["versions"]) for flow in shown] == [
        (None, False, []), ("bill", False, []), ("shop", True, ["1", "2"]),
    ]  # fmt: skip
    assert [flow["transactions"] for flow in shown] == [
        {**none, "total": 1, "in_transit": 1},
        {**none, "total": 1, "delivered": 1},
        {**none, "total": 3, "delivered": 1, "failed": 1, "in_transit": 1},
    ]
    assert list_flows(store_of([]), TENANT, NOW)["flows"] == []


def test_a_flow_is_told_with_blocks_and_edges_declared_blocks_first():
    store = store_of([*DECLARED, *TOLD])
    shown = get_flow(store, TENANT, "shop", now=NOW)

    assert shown["declared"]["version"] == "2"
    assert [(block["block"], block["stage"], block["declared"], block["workers"]) for block in shown["blocks"]] == [
        ("validate", "in", True, None), ("deliver", "out", True, 3), ("map", None, False, None),
        ("ship", None, False, None),
    ]  # fmt: skip
    ship = shown["blocks"][-1]
    assert (ship["executions"]["arrivals"], ship["executions"]["failed"], ship["work_s"]["n"]) == (3, 1, 3)
    assert ship["executions"]["queries"]["failed"] == "flow:shop block:ship/failed"
    assert list_transactions(store, TENANT, q=ship["executions"]["queries"]["failed"], now=NOW)["total"] == 1
    assert [(edge["from"], edge["to"], edge["count"], edge["time_s"]["sum"]) for edge in shown["edges"]] == [
        ("map", "ship", 3, 6.0), ("validate", "map", 3, 6.0),
    ]  # fmt: skip
    assert (
        shown["transactions"]["arrivals"],
        shown["transactions"]["delivered"],
        shown["duration_s"]["n"],
    ) == (3, 1, 2)


def test_a_flow_in_a_range_counts_what_happened_there():
    asked = format_instant(T + 120 * S), format_instant(T + 180 * S)

    shown = get_flow(store_of(TOLD), TENANT, "shop", *asked, now=NOW)

    assert (shown["from"], shown["to"]) == asked
    assert [block["executions"]["arrivals"] for block in shown["blocks"]] == [1, 1, 1]
    assert [edge["count"] for edge in shown["edges"]] == [1, 1]


def test_a_flow_that_only_is_declared_is_told_with_zeros():
    shown = get_flow(store_of(DECLARED), TENANT, "shop", now=NOW)

    assert [(block["block"], block["executions"]["arrivals"]) for block in shown["blocks"]] == [
        ("validate", 0), ("deliver", 0),
    ]  # fmt: skip
    assert shown["edges"] == []


def test_a_flow_that_nobody_knows_is_404():
    with pytest.raises(Refusal) as refused:
        get_flow(store_of(TOLD), TENANT, "unknown", now=NOW)

    assert (refused.value.status, refused.value.code) == (404, "not_found")
    with pytest.raises(Refusal):
        get_flow(store_of(TOLD), "another", "shop", now=NOW)
