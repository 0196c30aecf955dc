"""Progress: what a flow expects, where its stages stand, and how the executions of a block are judged."""

import pytest

from flowtrail.model.records import BlockDefinition, EndRecord, FlowRecord, TransactionRecord
from flowtrail.query.transactions import get_progress, get_transaction
from tests.support.orders import HEX, ID, NOW, ORDER, T, execution
from tests.support.stores import TENANT, store_of

DECLARED = FlowRecord(
    at=T, flow="shop-to-erp", version="1", stages=["ingress", "processing", "egress"],
    blocks=[
        BlockDefinition("validate", "ingress"), BlockDefinition("map", "processing"),
        BlockDefinition("notify", "processing"), BlockDefinition("deliver", "egress"),
    ],
)  # fmt: skip


def test_a_declared_flow_says_what_is_expected():
    store = store_of(
        [DECLARED, ORDER[0], execution(1, "validate", "succeeded"), execution(2, "map", "running")]
    )

    shown = get_progress(store, TENANT, HEX, NOW)

    assert (shown["done"], shown["open"], shown["expected"], shown["current_block"]) == (1, 1, 4, "map")
    assert [(stage["stage"], stage["state"], stage["done"], stage["expected"]) for stage in shown["stages"]] == [
        ("ingress", "succeeded", 1, 1), ("processing", "running", 0, 2), ("egress", "pending", 0, 1),
    ]  # fmt: skip
    assert [(block["block"], block["status"], block["attempts"]) for block in shown["block_progress"]] == [
        ("validate", "succeeded", 1), ("map", "running", 1), ("notify", "pending", 0), ("deliver", "pending", 0),
    ]  # fmt: skip


def test_blocks_that_the_flow_does_not_declare_are_shown_but_not_expected():
    store = store_of([DECLARED, ORDER[0], execution(1, "surprise", "succeeded")])

    shown = get_progress(store, TENANT, HEX, NOW)

    assert (shown["done"], shown["expected"]) == (0, 4)
    assert shown["block_progress"][-1]["block"] == "surprise"


def test_a_version_that_is_not_declared_has_no_expectation():
    other = TransactionRecord(
        id=ID, at=T, flow="shop-to-erp", version="9", object_type="order", object_id="1", created_at=T
    )

    assert get_progress(store_of([DECLARED, other]), TENANT, HEX, NOW)["expected"] is None
    assert get_progress(store_of([DECLARED, ORDER[0]]), TENANT, HEX, NOW)["expected"] == 4


@pytest.mark.parametrize(
    ("executions", "status", "attempts"),
    [
        ([("failed", 1), ("succeeded", 2)], "succeeded", 2),
        ([("succeeded", 1), ("failed", 2)], "failed", 2),
        ([("succeeded", None), ("failed", None), ("succeeded", None)], "failed", 1),
        ([("succeeded", None), ("skipped", None)], "succeeded", 1),
        ([("skipped", None)], "skipped", 1),
        ([("failed", 1), ("running", 2)], "running", 2),
        ([("succeeded", None), (None, None)], "pending", 1),
    ],
)
def test_a_blocks_executions_are_judged_by_those_of_its_highest_attempt(executions, status, attempts):
    told = [execution(number, "map", each, attempt) for number, (each, attempt) in enumerate(executions, 1)]

    block = get_transaction(store_of(told), TENANT, HEX, NOW)["block_progress"][0]

    assert (block["status"], block["attempts"], block["executions"]) == (status, attempts, len(executions))


@pytest.mark.parametrize(
    ("statuses", "ended", "state"),
    [
        (["succeeded", None], False, "running"),
        (["succeeded", None], True, "succeeded"),
        (["failed", None], False, "failed"),
        (["skipped"], False, "skipped"),
        ([None], False, "pending"),
        (["running", "failed"], False, "running"),
    ],
)
def test_a_stage_stands_where_its_blocks_stand(statuses, ended, state):
    told = [execution(number, f"b{number}", status) for number, status in enumerate(statuses, 1)]
    told += [EndRecord(transaction=ID, at=NOW, outcome="filtered", ended_at=NOW)] if ended else []

    assert get_progress(store_of(told), TENANT, HEX, NOW)["stages"][0]["state"] == state
