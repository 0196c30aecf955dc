"""Lists and single transactions: names of the contract, pages, tokens, progress, records and lineage."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail.intake.projector import Projector
from flowtrail.model.errors import Refusal
from flowtrail.model.instants import format_instant
from flowtrail.model.records import (
    BlockDefinition,
    BlockRecord,
    EndRecord,
    ExceptionInfo,
    FlowRecord,
    Frame,
    LinkRecord,
    Skip,
    TransactionRecord,
)
from flowtrail.query import lineage
from flowtrail.query.cursors import read_page_token, write_page_token
from flowtrail.query.live import parse_live, present
from flowtrail.query.objects import list_object
from flowtrail.query.transactions import (
    get_lineage,
    get_progress,
    get_transaction,
    list_blocks,
    list_records,
    list_transactions,
)
from flowtrail.storage.interface import Batch, SetAside
from tests.support.stores import TENANT, store_of, tell

T = 1_795_428_000_000_000
"""2026-11-23T10:00:00Z."""
S = 1_000_000
NOW = T + 60 * S
ID = bytes.fromhex("0192e4a0b1c27d3e8f90a1b2c3d4e5f6")
HEX = ID.hex()

# The records of the design, as they arrive.
ORDER = [
    TransactionRecord(
        id=ID, at=T + 120, producer="shop-1/7f3a", seq=1, flow="shop-to-erp", object_type="order",
        object_id="4711", keys={"customer": "C-9"}, created_at=T + 120,
    ),
    BlockRecord(
        transaction=ID, at=T + 1_750_000, producer="shop-1/7f3a", seq=2, id=bytes.fromhex("00f067aa0ba902b7"),
        block="map", stage="processing", status="failed", queued_at=T + 200_000, started_at=T + 250_000,
        ended_at=T + 1_750_000, exceptions=[ExceptionInfo("KeyError", "'sku'")], usage={"cpu_seconds": 0.31},
    ),
    BlockRecord(
        transaction=ID, at=T + 1_800_000, producer="shop-1/7f3a", seq=3, id=bytes.fromhex("00f067aa0ba902b8"),
        block="notify", status="skipped", ended_at=T + 1_800_000,
        skip=Skip("customer_opted_in", expected=True, actual=False),
    ),
    EndRecord(transaction=ID, at=T + 1_801_000, producer="shop-1/7f3a", seq=4, outcome="failed", ended_at=T + 1_801_000),
]  # fmt: skip


def orders(count, first=1):
    for number in range(first, first + count):
        key = number.to_bytes(16, "big")
        at = T + (number // 2) * S  # two at a time: ties are broken by id
        yield TransactionRecord(
            id=key, at=at, flow="shop", object_type="order", object_id=f"o-{number}", created_at=at
        )


def walk(store, **asked):
    token, pages = None, []
    while True:
        page = list_transactions(store, TENANT, page_token=token, now=NOW, **asked)
        pages.append(page)
        token = page["next_page_token"]
        if token is None:
            return pages


def ids(pages):
    return [item["id"] for page in pages for item in page["transactions"]]


def refused(call, *args, **kwargs):
    with pytest.raises(Refusal) as error:
        call(*args, **kwargs)
    return error.value


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


# --- pages ---------------------------------------------------------------------------------------------------


@given(size=st.integers(1, 12), count=st.integers(0, 25))
def test_a_walk_shows_every_transaction_once_newest_first(size, count):
    told = list(orders(count))
    pages = walk(store_of(told), page_size=str(size))

    expected = sorted(told, key=lambda record: (record.created_at, record.id), reverse=True)
    assert ids(pages) == [record.id.hex() for record in expected]
    assert all(page["total"] == count for page in pages)
    assert all(len(page["transactions"]) == size for page in pages[:-1])


def test_a_walk_is_not_disturbed_by_what_is_written_meanwhile():
    store = store_of(orders(10))
    first = list_transactions(store, TENANT, page_size="4", now=NOW)
    tell(store, orders(5, first=100))

    rest = list_transactions(store, TENANT, page_size="50", page_token=first["next_page_token"], now=NOW)

    assert len(set(ids([first, rest]))) == 10


def test_a_walk_by_update_leaves_out_what_changed_since_and_counts_it():
    store = store_of(orders(6))
    first = list_transactions(store, TENANT, page_size="2", sort="updated", now=NOW)
    oldest = (1).to_bytes(16, "big")
    tell(store, [EndRecord(transaction=oldest, at=NOW, outcome="delivered", ended_at=NOW)])

    rest = list_transactions(
        store, TENANT, page_size="50", sort="updated", page_token=first["next_page_token"], now=NOW
    )

    assert oldest.hex() not in ids([first, rest])
    assert len(ids([first, rest])) == 5
    assert rest["changed_since"] == 1


def test_all_pages_of_a_walk_are_asked_at_the_moment_of_the_first():
    told = list(orders(4))
    for record in told:
        record.deadline_at = T + 30 * S
    store = store_of(told)
    before = T + 10 * S
    first = list_transactions(store, TENANT, q="-is:late", page_size="2", now=before)

    rest = list_transactions(store, TENANT, q="-is:late", page_token=first["next_page_token"], now=T + 90 * S)

    assert len(ids([first, rest])) == 4
    assert list_transactions(store, TENANT, q="is:late", now=T + 90 * S)["total"] == 4


def test_from_and_to_bound_the_opened_instant_half_open():
    store = store_of(orders(6))
    asked = {"from_": format_instant(T + S), "to": str(T + 2 * S)}

    assert ids(walk(store, **asked)) == [n.to_bytes(16, "big").hex() for n in (3, 2)]


@pytest.mark.parametrize(
    "changed",
    [
        {"q": "status:failed"},
        {"from_": format_instant(T)},
        {"to": format_instant(NOW)},
        {"sort": "updated"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_token_is_bound_to_its_question(changed):
    store = store_of(orders(6))
    token = list_transactions(store, TENANT, page_size="2", now=NOW)["next_page_token"]

    error = refused(list_transactions, store, TENANT, page_token=token, now=NOW, **changed)

    assert (error.status, error.code, error.field) == (400, "invalid_page_token", "page_token")


def test_a_token_belongs_to_one_tenant_and_one_route():
    store = store_of([*orders(6), *ORDER])
    token = list_transactions(store, TENANT, page_size="2", now=NOW)["next_page_token"]
    blocks = list_blocks(store, TENANT, HEX, "1")["next_page_token"]

    assert (
        refused(list_transactions, store, "another", page_token=token, now=NOW).code == "invalid_page_token"
    )
    assert refused(list_transactions, store, TENANT, page_token=blocks, now=NOW).code == "invalid_page_token"
    assert refused(list_records, store, TENANT, HEX, None, token).code == "invalid_page_token"


@given(st.data())
def test_an_altered_token_is_refused(data):
    question = ("transactions", "default", "", None, None, "opened")
    token = write_page_token(question, [T, ID, 7, NOW])
    place = data.draw(st.integers(0, len(token) - 1))
    altered = token[:place] + data.draw(st.sampled_from("aZ0_-=. é")) + token[place + 1 :]

    if altered != token:
        error = refused(read_page_token, altered, question, int, bytes, int, int)
        assert error.code == "invalid_page_token"


@pytest.mark.parametrize(
    "position", [[1 << 63, ID, 7, NOW], [T, ID[:8], 7, NOW], [T, ID, 7], [T, 7, ID, NOW], [T, ID, 7, NOW, 1]]
)
def test_a_position_that_no_store_could_take_is_refused_even_in_a_proper_token(position):
    token = write_page_token(("q",), position)

    assert refused(read_page_token, token, ("q",), int, bytes, int, int).code == "invalid_page_token"


@pytest.mark.parametrize(
    "text", ["", "x", "é", base64.urlsafe_b64encode(b"\x93\x01\x02\x03").decode(), "A" * 2_000]
)
def test_what_is_no_token_at_all_is_refused(text):
    store = store_of(orders(3))
    if not text:
        assert list_transactions(store, TENANT, page_token=text, now=NOW)["total"] == 3
    else:
        assert (
            refused(list_transactions, store, TENANT, page_token=text, now=NOW).code == "invalid_page_token"
        )


def test_a_total_can_be_skipped_and_insisted_on():
    store = store_of(orders(3))

    assert list_transactions(store, TENANT, count="none", now=NOW)["total"] is None
    assert list_transactions(store, TENANT, count="exact", now=NOW)["total"] == 3


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"page_size": "0"}, "page_size"),
        ({"page_size": "1001"}, "page_size"),
        ({"page_size": "١"}, "page_size"),
        ({"page_size": "ten"}, "page_size"),
        ({"page_size": ""}, "page_size"),
        ({"sort": "size"}, "sort"),
        ({"count": "some"}, "count"),
        ({"from_": "2026-11-01"}, "from"),
        ({"to": "2026-11-01T00:00:00"}, "to"),
        ({"from_": "2026-11-02T00:00:00Z", "to": "2026-11-01T00:00:00Z"}, "to"),
        ({"q": "status:"}, "q"),
    ],
)
def test_what_is_out_of_range_is_refused_with_its_parameter(parameters, field):
    error = refused(list_transactions, store_of([]), TENANT, now=NOW, **parameters)

    assert (error.status, error.field) == (400, field)


def test_an_object_has_all_its_ways_newest_first_and_no_other_objects():
    told = list(orders(6))
    for record in told[:4]:
        record.object_id = "4711"
    told[3].object_type = "item"
    store = store_of(told)

    first = list_object(store, TENANT, "order", "4711", page_size="2", now=NOW)
    rest = list_object(store, TENANT, "order", "4711", page_token=first["next_page_token"], now=NOW)

    assert ids([first, rest]) == [n.to_bytes(16, "big").hex() for n in (3, 2, 1)]
    assert list_object(store, TENANT, "order", "nobody", now=NOW)["total"] == 0
    assert refused(list_object, store, TENANT, "order", "").code == "missing_parameter"


# --- progress ------------------------------------------------------------------------------------------------

DECLARED = FlowRecord(
    at=T, flow="shop-to-erp", version="1", stages=["ingress", "processing", "egress"],
    blocks=[
        BlockDefinition("validate", "ingress"), BlockDefinition("map", "processing"),
        BlockDefinition("notify", "processing"), BlockDefinition("deliver", "egress"),
    ],
)  # fmt: skip


def execution(number, block, status, attempt=None, **more):
    at = T + number * S
    return BlockRecord(
        transaction=ID, at=at, id=number.to_bytes(8, "big"), block=block, status=status, started_at=at,
        ended_at=at + S if status in {"succeeded", "failed", "skipped"} else None, attempt=attempt, **more,
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


# --- blocks, records, lineage ---------------------------------------------------------------------------------


def test_executions_beyond_the_first_thousand_come_page_by_page():
    store = store_of([execution(number, "map", "succeeded") for number in range(1, 1_203)])
    shown = get_transaction(store, TENANT, HEX, NOW)

    rest = list_blocks(store, TENANT, HEX, "150", shown["blocks_next_page_token"])
    last = list_blocks(store, TENANT, HEX, "150", rest["next_page_token"])

    numbers = [int(block["id"], 16) for part in (shown, rest, last) for block in part["blocks"]]
    assert numbers == list(range(1, 1_203))
    assert (shown["blocks_total"], last["next_page_token"]) == (1_202, None)


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


def test_lineage_tells_relatives_and_every_link_up_and_down():
    keys = {record.object_id: record.id for record in orders(5)}
    links = [
        ("o-1", "o-2", "split"),
        ("o-2", "o-3", "derive"),
        ("o-2", "o-4", "merge"),
        ("o-4", "o-1", "retry"),
    ]
    store = store_of([*orders(5), *(LinkRecord(keys[a], keys[b], relation) for a, b, relation in links)])

    shown = get_lineage(store, TENANT, keys["o-2"].hex())

    assert [(each["relation"], each["transaction"]["object_id"]) for each in shown["parents"]] == [
        ("split", "o-1")
    ]
    assert [(each["relation"], each["transaction"]["object_id"]) for each in shown["children"]] == [
        ("derive", "o-3"), ("merge", "o-4"),
    ]  # fmt: skip
    assert len(shown["ancestors"]) == 4 - 1  # the circle is walked once: o-1, o-4, o-2 again
    assert len(shown["descendants"]) == 4
    assert shown["complete"]
    alone = get_lineage(store, TENANT, keys["o-5"].hex())
    assert (alone["parents"], alone["children"]) == ([], [])
    assert refused(get_lineage, store, TENANT, "1" * 32).status == 404


def test_a_link_to_somebody_unknown_is_told_with_the_id_alone(monkeypatch):
    parents = [bytes([n]) * 16 for n in range(1, 6)]
    store = store_of([*ORDER, *(LinkRecord(parent, ID, "merge") for parent in parents)])

    assert get_lineage(store, TENANT, HEX)["parents"][0] == {
        "relation": "merge", "id": "01" * 16, "transaction": None,
    }  # fmt: skip
    monkeypatch.setattr(lineage, "MAX_LINKS", 3)
    shown = get_lineage(store, TENANT, HEX)
    assert (len(shown["parents"]), shown["complete"]) == (3, False)


# --- live ----------------------------------------------------------------------------------------------------


def test_the_live_feed_gets_items_of_what_matches_and_nothing_for_the_rest():
    store = store_of([*ORDER, *orders(1)])
    other, unknown = (1).to_bytes(16, "big"), bytes([8]) * 16

    found = present(store, TENANT, parse_live("block:map/failed"), [other, ID, unknown], NOW)

    assert [key for key, _ in found] == [other, ID, unknown]
    assert found[0][1] is None
    assert found[1][1] == list_transactions(store, TENANT, q=HEX, now=NOW)["transactions"][0]
    assert found[2][1] is None


def test_a_projector_that_stands_still_changes_no_answer():
    store = store_of(ORDER)
    before = get_transaction(store, TENANT, HEX, NOW)
    projector = Projector(store.journal, store.view_writer(), holder="test")

    assert projector.catch_up() == 0
    assert get_transaction(store, TENANT, HEX, NOW) == before
