"""A transaction of more facts than MongoDB's largest document holds, told in pieces, is like any other on every store."""

import json
from base64 import b64encode
from random import Random

import pytest

from flowtrail.ledger.check import check
from flowtrail.model.records import BlockRecord, EndRecord, TransactionRecord
from flowtrail.projection.state import State
from flowtrail.server.run import serving
from tests.support.reading import Told
from tests.support.records import BASE, an_order, order_id

LONG = "0192e4a0b1c27d3e8f90a1b2c3d4e5f6"
BEGAN = 1_790_000_000_000_000
LARGE = 180_000
"""Bytes before base64: a record of nearly 256 KiB."""
LARGE_ONES = 12
ROUNDS = 8


def unlike(random: Random, size: int) -> str:
    """Text that hardly compresses."""
    return b64encode(random.randbytes(size)).decode()


def test_small_pieces_and_large_ones_join_to_the_same_state_beyond_any_limit_of_a_document(folder, reading):
    random, key, truth = Random(1), order_id(1), State()
    statements = [
        BlockRecord(
            key, BASE + number, id=(number // 3 + 1).to_bytes(8, "big"), block="map",
            details={f"part {number}": unlike(random, 12_000 if number % 200 else LARGE)},
        )
        for number in range(3_100)
    ]  # fmt: skip
    random.shuffle(statements)
    truth.add_transaction(opening := TransactionRecord(key, BASE, flow="bulk", object_type="file"))
    folder.tell("acme", opening)
    folder.tell("acme", *an_order(2))
    neighbour = reading.transactions.find("acme", order_id(2))

    # As they arrive one by one, as they pile up, and more at once than a document may hold.
    left, sizes = list(statements), [*range(1, 33)] * 3
    while left:
        size = sizes.pop() if sizes else len(left)
        for statement in left[:size]:
            truth.add_block(statement)
        folder.tell("acme", *left[:size])
        del left[:size]
    truth.add_end(end := EndRecord(key, BASE + 10**7, outcome="delivered"))
    folder.tell("acme", end)

    found = reading.transactions.find("acme", key)
    assert sum(map(len, found.pieces)) > 32 * 1024 * 1024
    assert found.header.status == "delivered"
    assert State.load(found.facts, found.pieces).encode() == truth.encode()
    assert reading.transactions.find("acme", order_id(2)) == neighbour


def block(transaction: str, number: int, **told) -> dict:
    at = BEGAN + 1_000 * number
    return {
        "kind": "block",
        "transaction": transaction,
        "id": f"{number + 1:016x}",
        "block": f"step {number % 7}",
        "started_at": at,
        **told,
    }


def long_story(executions: int, size: int) -> list[dict]:
    """One transaction: each execution starts, and later ends with details or a stack trace; some are as large as a
    record may be, and one of them is told in several."""
    random = Random(executions)
    opened = {
        "kind": "transaction", "id": LONG, "flow": "bulk", "object_type": "file", "object_id": "long",
        "created_at": BEGAN,
    }  # fmt: skip
    started = [block(LONG, number) for number in range(executions)]
    ended = []
    for number in range(executions):
        text, until = unlike(random, size * 3 // 4), BEGAN + 1_000 * number + 900
        if number % 3:
            ended.append(block(LONG, number, ended_at=until, details={"line": text, "number": number}))
        else:
            raised = [{"type": "ValueError", "message": str(number), "stacktrace": text}]
            ended.append(block(LONG, number, ended_at=until, status="failed", exceptions=raised))
    large = [
        block(LONG, number // 2, details={f"part {number}": unlike(random, LARGE)})
        for number in range(LARGE_ONES)
    ]
    told = [opened, *started, *ended, *large]
    random.shuffle(told)
    return told


def short_stories(first: int, count: int) -> list[dict]:
    stories = []
    for number in range(first, first + count):
        key = f"{0xF10 + number:032x}"
        stories += [
            {
                "kind": "transaction", "id": key, "flow": "bulk", "object_type": "file",
                "object_id": f"short {number}", "created_at": BEGAN + number,
            },
            block(key, number, ended_at=BEGAN + 1_000 * number + 5, details={"number": number}),
            {"kind": "end", "transaction": key, "outcome": "delivered", "ended_at": BEGAN + 2_000 * number},
        ]  # fmt: skip
    return stories


def lines(records: list[dict]) -> list[bytes]:
    return [json.dumps(record).encode() for record in records]


def told_of(records: list[dict]) -> dict[str, dict]:
    """What was said of each execution, put together."""
    found: dict[str, dict] = {}
    for record in records:
        if record["kind"] == "block":
            held = found.setdefault(record["id"], {"details": {}, "stacktraces": []})
            held["details"] |= record.get("details", {})
            held["stacktraces"] += [each["stacktrace"] for each in record.get("exceptions", ())]
    return found


def shorts(told: Told) -> dict[str, dict]:
    ids = [row["id"] for row in told.transactions(q="-long")]
    return {key: told.get(f"/v1/transactions/{key}") | {"updated_at": None} for key in ids}


@pytest.mark.parametrize(
    ("executions", "size"),
    [
        pytest.param(1_500, 16_384, id="27 MB"),
        pytest.param(10_000, 4_096, id="43 MB", marks=pytest.mark.torture),
    ],
)
def test_a_transaction_longer_than_a_document_may_be_is_whole_and_leaves_its_neighbours_alone(
    store_url, opened, executions, size
):
    story = long_story(executions, size)
    truth = told_of(story)
    with serving("memory:", writing=True) as alone:
        Told(alone).say(lines(short_stories(0, 10 * ROUNDS)))
        neighbours = shorts(Told(alone))
    reading = opened()

    with serving(store_url, writing=True, read_timeout_s=120, after_timeout_s=120) as address:
        told = Told(address)
        some = len(story) // ROUNDS + 1
        for time in range(ROUNDS):
            told.say(lines([*story[time * some : (time + 1) * some], *short_stories(10 * time, 10)]))
        assert told.get(f"/v1/transactions/{LONG}")["status"] == "in_transit"
        told.say(
            lines([{"kind": "end", "transaction": LONG, "outcome": "delivered", "ended_at": BEGAN + 10**9}])
        )
        # One more word once it is over and nobody holds it any more.
        late = block(LONG, 0, details={"late": True})
        told.say(lines([late]))
        truth[late["id"]]["details"]["late"] = True

        whole = told.get(f"/v1/transactions/{LONG}")
        assert (whole["status"], whole["truncated"]) == ("delivered", False)
        assert (len(whole["blocks"]), whole["blocks_total"]) == (1_000, executions)
        blocks = told.blocks(LONG)
        assert blocks[:1_000] == whole["blocks"]
        assert [each["id"] for each in blocks] == sorted(truth)
        assert {
            each["id"]: {
                "details": each["details"],
                "stacktraces": [raised["stacktrace"] for raised in each["exceptions"]],
            }
            for each in blocks
        } == truth
        assert [row["object_id"] for row in told.transactions(q="exception:ValueError")] == ["long"]
        assert shorts(told) == neighbours

    report = check(reading)
    assert report.ok, report.lines()
