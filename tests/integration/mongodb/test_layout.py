"""What stands in the collections: nothing is said twice in two ways, and nothing grows with what came before."""

import pytest

from flowtrail.model.conditions import (
    AllOf,
    AnyOf,
    Between,
    HasTerm,
    HasTermPrefix,
    IdIs,
    IsLate,
    Moment,
    StatusIs,
)
from flowtrail.model.records import BlockRecord, TransactionRecord
from flowtrail.projection.state import State
from flowtrail.storage.interface import Batch, Cursor, Definition, Selection, SetAside
from flowtrail.storage.mongodb.changes import MERGE_PIECES, SPILL_BYTES
from flowtrail.storage.mongodb.rows import STEP_BITS, split_updated
from tests.support.folding import Folder
from tests.support.records import BASE, an_order, order_id
from tests.support.reference import walk
from tests.support.stories import canonical, story

NOW = Moment(BASE)


def execution(number, key=1, **more):
    return BlockRecord(
        transaction=order_id(key), at=BASE + number, id=number.to_bytes(8, "big"), block="map", status="succeeded",
        started_at=BASE + number, ended_at=BASE + number, **more,
    )  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_of_updates_and_the_totals_follow_every_document(folder, views, seed):
    told = [
        record
        for record in canonical(story(seed, 30))
        if hasattr(record, "transaction") or hasattr(record, "keys")
    ]
    for first in range(0, len(told), 7):
        folder.tell("acme", *told[first : first + 7])

    documents = list(views["tx"].find())
    orders = {split_updated(row["_id"]) for row in views["updated"].find()}
    cohorts = {row["_id"]: row["total"] for row in views["cohort"].find()}
    assert orders == {(row["u"] >> STEP_BITS, row["_id"]) for row in documents}
    for number, total in cohorts.items():
        assert total == sum(f"1 !{number}" in row["k"] for row in documents)
    assert sum(cohorts.values()) == len(documents)


def test_an_update_of_an_open_transaction_touches_no_index(folder, views):
    """An update of an indexed field makes MongoDB compute the keys of all indexes again: three times as dear."""
    folder.tell("acme", *an_order(1, outcome=None))
    before = views["tx"].find_one()
    folder.tell("acme", execution(2_000_000))
    after = views["tx"].find_one()

    indexed = {
        field
        for index in views["tx"].index_information().values()
        for field, _ in index["key"]
    }  # fmt: skip
    changed = {name for name in after if before.get(name) != after[name]}
    assert changed == {"h", "u", "r", "p"}
    assert not changed & indexed


def test_a_list_by_update_is_exact_although_its_order_goes_in_steps(folder, reading):
    """Instants within one step and across its bounds, ties, and the page's bounds in every place."""
    step = 1 << STEP_BITS
    told = [
        BlockRecord(
            transaction=order_id(number), at=BASE + number * 37 % 11 * (step // 4), id=b"\0" * 7 + b"\1", block="map",
            status="succeeded",
        )
        for number in range(1, 80)
    ]  # fmt: skip
    folder.tell("acme", *told)
    wanted = [
        record.transaction
        for record in sorted(told, key=lambda each: (each.at, each.transaction), reverse=True)
    ]
    low, high = BASE + step // 2, BASE + 2 * step

    for limit in (1, 7, 100):
        selection = Selection("acme", NOW, sort="updated", limit=limit, budget_s=None)
        assert [row.id for row in walk(reading, selection)] == wanted
    between = Selection("acme", NOW, Between("updated", low, high), sort="updated", limit=5, budget_s=None)
    inside = [record.transaction for record in told if low <= record.at < high]
    assert sorted(row.id for row in walk(reading, between)) == sorted(inside)
    assert reading.transactions.count(between) == (len(inside), True)


def test_what_one_transaction_gathers_moves_out_of_its_document(store, reading, views):
    folder = Folder(store.view_writer(), cold=True)
    for number in range(1, 120):
        folder.tell("acme", execution(number, details={"text": f"{number:04d}" * 200}))

    document = views["tx"].find_one()
    assert sum(map(len, document["p"])) <= SPILL_BYTES
    assert views["piece"].count_documents({}) < 2 * MERGE_PIECES
    held = reading.transactions.find("acme", order_id(1))
    assert len(State.load(held.facts, held.pieces).executions) == 119


def test_a_batch_of_any_size_is_stored_in_pieces_that_can_be(folder, reading, views):
    told = [execution(number, details={"text": "x" * 60_000}) for number in range(1, 60)]
    folder.tell("acme", *told)
    folder.tell("acme", *told[:3], execution(99))

    assert views["piece"].count_documents({}) >= 3
    held = reading.transactions.find("acme", order_id(1))
    state = State.load(held.facts, held.pieces)
    assert [record.id for record in told] == sorted(state.executions)[:-1]
    assert held.pages == [1]


def test_a_page_deep_in_a_list_reads_as_little_as_the_first(folder, reading, views, database):
    for first in range(1, 2_001, 500):
        folder.tell("acme", *[r for number in range(first, first + 500) for r in an_order(number)[:1]])
    selection = {"condition": StatusIs("in_transit"), "limit": 20, "budget_s": None}
    start = reading.transactions.select(Selection("acme", NOW, **selection))

    database.command("profile", 2)
    deep = Cursor(BASE + 200 * 1_000_000, order_id(200), start.pinned)
    rows = reading.transactions.select(Selection("acme", NOW, **selection, after=deep)).rows
    database.command("profile", 0)

    assert [row.id for row in rows] == [order_id(number) for number in range(199, 179, -1)]
    read = list(database["system.profile"].find({"ns": f"{database.name}.{views.name('tx')}"}))
    assert read
    assert sum(row.get("keysExamined", 0) for row in read) < 4 * 21
    assert sum(row.get("docsExamined", 0) for row in read) < 4 * 21


@pytest.mark.parametrize(
    "condition",
    [
        Between("ended", BASE + 100_000_000, BASE + 110_000_000),
        Between("updated", BASE + 100_000_000, BASE + 110_000_000),
        IsLate(),
        AllOf((HasTerm("kC-4\0customer"), HasTerm("eKeyError"))),
        AnyOf((HasTermPrefix("oo-77\0"), HasTermPrefix("ko-77\0"), IdIs(order_id(78)))),
    ],
)
def test_what_a_few_meet_is_found_without_reading_the_others(folder, reading, views, database, condition):
    told = [
        record
        for number in range(1, 1_001)
        for record in an_order(number, outcome="failed" if number % 100 == 4 else "delivered")
    ]
    told.append(
        TransactionRecord(id=order_id(7), at=BASE, deadline_at=BASE + 1, flow="shop", object_type="order")
    )
    folder.tell("acme", *told)

    database.command("profile", 2)
    rows = reading.transactions.select(Selection("acme", NOW, condition, budget_s=None)).rows
    database.command("profile", 0)

    assert 1 <= len(rows) <= 10
    read = database["system.profile"].find({"ns": f"{database.name}.{views.name('tx')}"})
    assert sum(row.get("docsExamined", 0) for row in read) < 100


def test_a_transaction_with_all_that_answers_about_it_say_is_read_by_one_command(
    folder, reading, mongodb_client
):
    """Each costs its way there and back, which is most of what such a read costs."""
    folder.tell("acme", *an_order(1))
    folder.write(Batch(definitions=[Definition("acme", "flow", ("shop", "1"), (1, "", 0), b"told")]))

    def commands():
        told = mongodb_client.admin.command("serverStatus")["metrics"]["commands"]
        return sum(told[name]["total"] for name in ("find", "aggregate", "getMore", "count"))

    def spent():
        # Whatever has to be known first: which generation is present, and what flows declared.
        reading.transactions.find_whole("acme", order_id(1))
        before = commands()
        assert reading.transactions.find_whole("acme", order_id(1)).flows
        return commands() - before

    # On a busy machine, what was known may have to be asked anew.
    assert min(spent() for _ in range(5)) == 1
    folder.write(Batch(set_aside=[SetAside("acme", 1, 0, None, "odd")]))
    assert min(spent() for _ in range(5)) == 2
