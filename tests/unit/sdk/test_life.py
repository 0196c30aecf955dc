"""A transaction and its blocks as a host tells them, and what is recorded of it."""

import time

import pytest

import flowtrail
from flowtrail.sdk.outbox import Outbox
from flowtrail.testing import recording


def test_the_first_example_says_what_happened(sink):
    with flowtrail.transaction("order", "4711", keys={"customer": "C-9"}) as order:
        with order.block("validate", stage="ingress") as block:
            block.detail(lines=3)
        with order.block("deliver", stage="egress"):
            pass

    opened, validate, deliver, end = sink.take()
    assert (opened["flow"], opened["object_type"], opened["object_id"]) == ("shop-to-erp", "order", "4711")
    assert opened["keys"] == {"customer": "C-9"}
    assert (validate["block"], validate["stage"], validate["details"]) == (
        "validate",
        "ingress",
        {"lines": 3},
    )
    assert validate["status"] == deliver["status"] == "succeeded"
    assert validate["started_at"] <= validate["ended_at"] <= deliver["started_at"]
    assert {validate["transaction"], deliver["transaction"], end["transaction"]} == {opened["id"]}
    assert (end["outcome"], end["attempt"]) == ("delivered", 1)


def test_what_is_raised_fails_block_and_transaction_and_goes_on_up(sink):
    failure = KeyError("sku")

    with (
        pytest.raises(KeyError) as caught,
        flowtrail.transaction("order", "4711") as order,
        order.block("map"),
    ):
        raise failure

    assert caught.value is failure
    _, block, end = sink.take()
    assert block["status"] == "failed"
    assert (block["exceptions"][0]["type"], block["exceptions"][0]["message"]) == ("KeyError", "'sku'")
    assert (end["outcome"], end["reason"]) == ("failed", "KeyError: 'sku'")


def test_a_skip_is_no_failure_and_names_its_predicate(sink):
    with flowtrail.transaction("order", "4711") as order, order.block("validate") as block:
        block.skip("allowed_country", expected=["DE", "AT"], actual="FR")
        order.filter("allowed_country", "we do not ship there")

    _, skipped, end = sink.take()
    assert skipped["status"] == "skipped"
    assert skipped["skip"] == {"predicate": "allowed_country", "expected": ["DE", "AT"], "actual": "FR"}
    assert (end["outcome"], end["predicate"]) == ("filtered", "allowed_country")
    assert end["reason"] == "we do not ship there"


def test_attempts_count_themselves_after_a_failure_and_begin_anew_after_a_success(sink):
    with flowtrail.transaction("order", "4711") as order:
        for fails in (True, True, False, False):
            try:
                with order.block("deliver"):
                    if fails:
                        raise ConnectionError  # noqa: TRY301 -- raised inside, as hosts do
            except ConnectionError:
                pass

    blocks = sink.of("block")
    assert [(each["status"], each.get("attempt", 1)) for each in blocks] == [
        ("failed", 1),
        ("failed", 2),
        ("succeeded", 3),
        ("succeeded", 1),
    ]


def test_a_running_block_is_visible_and_its_end_leaves_by_itself(sink):
    with flowtrail.transaction("order", "4711") as order, order.block("map") as block:
        (running,) = sink.of("block")
        block.detail(lines=3)
        (again,) = sink.of("block")

    (ended,) = sink.of("block")
    assert "status" not in running
    assert "ended_at" not in running
    assert "details" not in running
    assert again["details"] == ended["details"] == {"lines": 3}
    assert running["id"] == again["id"] == ended["id"]
    assert ended["status"] == "succeeded"


@pytest.mark.parametrize("result", ["failed", "skipped"])
@pytest.mark.parametrize("is_told", [False, True])
def test_a_result_that_is_known_after_the_block_has_ended_is_told_whether_it_was_told_or_not(result, is_told):
    with recording() as recorder, flowtrail.transaction("order", "4711") as order:
        with order.block("ask") as block:
            pass
        if is_told:
            assert recorder.get("4711").block("ask")["status"] == "succeeded"
        block.fail("answered 409") if result == "failed" else block.skip("known already")

        assert recorder.get("4711").block("ask")["status"] == result
        assert len([each for each in recorder.records if each["kind"] == "block"]) == 1 + is_told


def test_a_block_that_ends_before_it_is_taken_is_one_record(sink):
    with flowtrail.transaction("order", "4711") as order, order.block("map") as block:
        block.detail(lines=3)

    assert len(sink.items) == 3


def test_blocks_inside_blocks_name_their_parent(sink):
    with flowtrail.transaction("order", "4711") as order:
        with order.block("outer") as outer, order.block("inner") as inner, order.block("innermost"):
            pass
        with order.block("after"):
            pass

    parents = {block["block"]: block.get("parent") for block in sink.of("block")}
    assert parents == {"outer": None, "inner": outer.id, "innermost": inner.id, "after": None}


def test_what_is_said_before_a_transaction_begins_replaces_what_it_was_made_with():
    with recording() as recorder:
        order = flowtrail.transaction("order", "4711", keys={"customer": "?"}, attributes={"state": "new"})
        order.key(customer="C-9")
        order.attribute(state="known")
        time.sleep(0.001)
        with order:
            pass

        seen = recorder.get("4711")
    assert (seen.keys, seen.attributes) == ({"customer": "C-9"}, {"state": "known"})


def test_what_is_said_after_a_fork_is_put_where_it_is_said(sink):
    outbox = Outbox(1 << 20, lambda: True)
    sink.put, sink.grow = outbox.put, outbox.grow
    flowtrail.init(flow="shop-to-erp", sink=sink)
    with flowtrail.transaction("order", "4711") as order, order.block("map") as block:
        outbox.reset()  # as in the child of a fork
        block.detail(child=True)

    (told, _) = [item.record() for item in iter(outbox.take, None)]
    assert (told["block"], told["details"], told["status"]) == ("map", {"child": True}, "succeeded")
