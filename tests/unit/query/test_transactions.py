"""Single transactions: names of the contract, executions, records, and what could not be projected."""

import pytest

from flowtrail.intake.projector import Projector
from flowtrail.model.instants import format_instant
from flowtrail.model.records import BlockRecord, ExceptionInfo, Frame
from flowtrail.query.transactions import (
    get_progress,
    get_transaction,
    list_blocks,
    list_records,
    list_transactions,
)
from flowtrail.storage.interface import Batch, SetAside
from tests.support.orders import HEX, ID, NOW, ORDER, S, T, execution, orders
from tests.support.refusals import refused
from tests.support.stores import TENANT, store_of, tell


def test_a_transaction_is_told_with_the_names_of_the_contract():
    shown = get_transaction(store_of(ORDER), TENANT, HEX, NOW)

    assert {name: shown[name] for name in shown if name not in {"progress", "block_progress", "blocks"}} == {
        "id": HEX, "tenant": "default", "announced": True, "flow": "shop-to-erp", "version": None,
        "object_type": "order", "object_id": "4711", "keys": {"customer": "C-9"}, "attributes": {},
        "value": None, "currency": None, "trace": None, "status": "failed", "attempt": 1, "retry_of": None,
        "opened_at": "2026-11-23T10:00:00.000120Z", "created_at": "2026-11-23T10:00:00.000120Z",
        "updated_at": "2026-11-23T10:00:01.801000Z", "ended_at": "2026-11-23T10:00:01.801000Z",
        "duration_s": 1.80088, "deadline_at": None, "current_block": None, "reason": None, "predicate": None,
        "has_failures": True, "truncated": False, "late": False, "stuck": False, "set_aside": [],
        "blocks_total": 2, "blocks_next_page_token": None,
    }  # fmt: skip
    assert shown["progress"] == {
        "done": 2, "open": 0, "expected": None, "current_block": None,
        "stages": [{
            "stage": "processing", "state": "failed", "done": 2, "open": 0, "expected": None,
            "started_at": "2026-11-23T10:00:00.200000Z", "ended_at": "2026-11-23T10:00:01.800000Z",
        }],
    }  # fmt: skip
    assert shown["block_progress"][0] == {
        "block": "map", "stage": "processing", "status": "failed", "attempts": 1, "executions": 1,
        "started_at": "2026-11-23T10:00:00.250000Z", "ended_at": "2026-11-23T10:00:01.750000Z",
        "wait_s": 0.05, "work_s": 1.5,
    }  # fmt: skip
    assert shown["blocks"][0] == {
        "id": "00f067aa0ba902b7", "block": "map", "stage": "processing", "parent": None, "attempt": 1,
        "status": "failed", "queued_at": "2026-11-23T10:00:00.200000Z",
        "started_at": "2026-11-23T10:00:00.250000Z", "ended_at": "2026-11-23T10:00:01.750000Z",
        "wait_s": 0.05, "work_s": 1.5, "details": {}, "exceptions": [{"type": "KeyError", "message": "'sku'"}],
        "skip": None, "usage": {"cpu_seconds": 0.31}, "worker": None,
    }  # fmt: skip
    assert shown["blocks"][1]["skip"] == {"predicate": "customer_opted_in", "expected": True, "actual": False}


def test_a_list_item_is_the_transaction_without_progress_and_blocks():
    store = store_of(ORDER)
    shown = get_transaction(store, TENANT, HEX, NOW)
    more = {
        "progress",
        "block_progress",
        "blocks",
        "blocks_total",
        "blocks_next_page_token",
        "set_aside",
        "late",
        "stuck",
    }

    page = list_transactions(store, TENANT, now=NOW)

    assert page["transactions"] == [{name: value for name, value in shown.items() if name not in more}]
    assert {name: value for name, value in page.items() if name != "transactions"} == {
        "next_page_token": None, "total": 1, "total_is_exact": True, "short": False, "changed_since": 0,
    }  # fmt: skip


def test_a_transaction_nobody_announced_shows_what_is_known():
    shown = get_transaction(store_of(ORDER[1:2]), TENANT, HEX, NOW)

    assert (shown["announced"], shown["flow"], shown["object_type"], shown["object_id"]) == (
        False,
        None,
        None,
        None,
    )
    assert (shown["status"], shown["current_block"], shown["created_at"]) == ("in_transit", "map", None)
    assert shown["opened_at"] == "2026-11-23T10:00:00.200000Z"


def test_exceptions_keep_their_causes_frames_and_instants():
    cause = ExceptionInfo("OSError", raised_at=T)
    told = ExceptionInfo("KeyError", frames=[Frame("shop", "map", in_app=True)], cause=cause, raised_at=T + 1)
    block = BlockRecord(
        transaction=ID, at=T, id=ID[:8], block="map", status="failed", ended_at=T, exceptions=[told]
    )

    shown = get_transaction(store_of([block]), TENANT, HEX, NOW)["blocks"][0]["exceptions"]

    assert shown == [
        {
            "type": "KeyError",
            "frames": [{"module": "shop", "function": "map", "in_app": True}],
            "cause": {"type": "OSError", "raised_at": format_instant(T)},
            "raised_at": format_instant(T + 1),
        }
    ]


def test_waits_and_works_that_are_skewed_are_not_told():
    block = BlockRecord(
        transaction=ID, at=T, id=ID[:8], block="map", status="succeeded",
        queued_at=T + 9 * S, started_at=T + 8 * S, ended_at=T + 7 * S,
    )  # fmt: skip

    shown = get_transaction(store_of([block]), TENANT, HEX, NOW)

    assert (shown["blocks"][0]["wait_s"], shown["blocks"][0]["work_s"]) == (None, None)
    assert (shown["block_progress"][0]["wait_s"], shown["block_progress"][0]["work_s"]) == (None, None)


@pytest.mark.parametrize("call", [get_transaction, get_progress])
def test_what_is_not_there_is_404_and_what_is_no_id_is_400(call):
    store = store_of(ORDER)

    assert (refused(call, store, TENANT, "0" * 32, NOW).status, refused(call, store, TENANT, "0" * 32, NOW).code) == (
        404, "not_found",
    )  # fmt: skip
    assert refused(call, store, TENANT, HEX.upper(), NOW).code == "invalid_id"
    assert refused(call, store, "another", HEX, NOW).status == 404


def test_executions_beyond_the_first_thousand_come_page_by_page():
    store = store_of([execution(number, "map", "succeeded") for number in range(1, 1_203)])
    shown = get_transaction(store, TENANT, HEX, NOW)

    rest = list_blocks(store, TENANT, HEX, "150", shown["blocks_next_page_token"])
    last = list_blocks(store, TENANT, HEX, "150", rest["next_page_token"])

    numbers = [int(block["id"], 16) for part in (shown, rest, last) for block in part["blocks"]]
    assert numbers == list(range(1, 1_203))
    assert (shown["blocks_total"], last["next_page_token"]) == (1_202, None)


def test_one_that_moves_on_between_two_pages_hides_no_other():
    queued = [
        BlockRecord(transaction=ID, at=T + number, id=number.to_bytes(8, "big"), block="map", queued_at=T + number)
        for number in range(1, 8)
    ]  # fmt: skip
    store = store_of(queued)
    first = list_blocks(store, TENANT, HEX, "3")
    tell(store, [execution(1, "map", "running")])

    rest = list_blocks(store, TENANT, HEX, "50", first["next_page_token"])

    assert [int(block["id"], 16) for block in first["blocks"]] == [1, 2, 3]
    assert [int(block["id"], 16) for block in rest["blocks"]] == [4, 5, 6, 7, 1]


def test_records_are_told_as_accepted_with_page_and_leaf():
    store = store_of(orders(2))
    tell(store, [*orders(1, first=50), *ORDER], received_at=T + 2 * S)

    shown = list_records(store, TENANT, HEX)

    assert [record["leaf"] for record in shown["records"]] == [1, 2, 3, 4]
    assert {(each["writer"], each["sequence"], each["received_at"]) for each in shown["records"]} == {
        ("test", 2, "2026-11-23T10:00:02.000000Z")
    }
    assert shown["next_page_token"] is None
    assert shown["records"][0]["record"] == {
        "kind": "transaction", "producer": "shop-1/7f3a", "seq": 1, "at": "2026-11-23T10:00:00.000120Z",
        "id": HEX, "flow": "shop-to-erp", "object_type": "order", "object_id": "4711",
        "keys": {"customer": "C-9"}, "created_at": "2026-11-23T10:00:00.000120Z",
    }  # fmt: skip
    assert shown["records"][1]["record"]["exceptions"] == [{"type": "KeyError", "message": "'sku'"}]
    assert shown["records"][2]["record"]["skip"]["predicate"] == "customer_opted_in"


def test_records_come_page_by_page_across_the_journals_pages():
    store = store_of(ORDER[:3])
    tell(store, ORDER[3:])
    told, token = [], None
    while True:
        page = list_records(store, TENANT, HEX, "2", token)
        told += [(each["sequence"], each["leaf"]) for each in page["records"]]
        token = page["next_page_token"]
        if token is None:
            break

    assert told == [(1, 0), (1, 1), (1, 2), (2, 0)]
    assert refused(list_records, store, TENANT, "1" * 32).status == 404


def test_records_that_could_not_be_projected_are_shown_on_their_transaction():
    store = store_of(ORDER)
    stranger = bytes([9]) * 16
    writer = store.view_writer()
    lease = writer.acquire("test", 60)
    aside = [
        SetAside(TENANT, 77, 3, ID, "no good"),
        SetAside(TENANT, 78, 0, stranger, "no better"),
        SetAside("another", 79, 0, ID, "not ours"),
    ]
    writer.write(Batch(set_aside=aside), lease)

    assert get_transaction(store, TENANT, HEX, NOW)["set_aside"] == [
        {"page": 77, "leaf": 3, "reason": "no good"}
    ]
    shown = get_transaction(store, TENANT, stranger.hex(), NOW)
    assert (shown["announced"], shown["opened_at"], shown["blocks"]) == (False, None, [])
    assert shown["set_aside"][0]["reason"] == "no better"


def test_a_projector_that_stands_still_changes_no_answer():
    store = store_of(ORDER)
    before = get_transaction(store, TENANT, HEX, NOW)
    projector = Projector(store.journal, store.view_writer(), holder="test")

    assert projector.catch_up() == 0
    assert get_transaction(store, TENANT, HEX, NOW) == before
