"""Object-centric logs: every object a transaction, every event one execution for each of its objects."""

import json
from collections import Counter

import pytest

from flowtrail.intake.importers import ImportOptions
from flowtrail.model.errors import Refusal
from tests.support.exchange import read_import
from tests.support.logs import OCEL_HEADER, imported, ocel_rows, of_kind, write_ocel

ROWS = [
    "1.0,place order,2019-05-20 07:07:47.000Z, ,\"['880001', '880002']\",\"['990001']\", , ,3.5,524.96",
    "2.0,item out of stock,2019-05-20 08:00:00.000Z, ,\"['880001']\", , , ,3.5,524.96",
    "3.0,pick item,2019-05-20 09:00:00.000Z, ,\"['880001']\", , , ,3.5,524.96",
    "4.0,create package,2019-05-20 10:00:00.000Z, ,\"['880001', '880002']\", ,\"['660001']\", ,3.5,524.96",
    "5.0,failed delivery,2019-05-21 10:00:00.000Z, , , ,\"['660001']\", ,3.5,524.96",
    "6.0,failed delivery,2019-05-22 10:00:00.000Z, , , ,\"['660001']\", ,3.5,524.96",
    "7.0,package delivered,2019-05-23 10:00:00.000Z, , , ,\"['660001']\", ,3.5,524.96",
]
SECOND = 1_000_000
PLACED = 1_558_336_067 * SECOND


@pytest.fixture
def log(tmp_path):
    return write_ocel(tmp_path / "log.csv", ROWS)


def executions_of(records, object_id):
    (key,) = [each["id"] for each in of_kind(records, "transaction") if each["object_id"] == object_id]
    return [each for each in of_kind(records, "block") if each["transaction"] == key]


def test_every_object_is_announced_once_at_its_first_event(log):
    records, problems = imported("ocel-csv", log)

    found = {
        (each["flow"], each["object_type"], each["object_id"]) for each in of_kind(records, "transaction")
    }
    assert found == {
        ("order", "order", "990001"),
        ("item", "item", "880001"),
        ("item", "item", "880002"),
        ("package", "package", "660001"),
    }
    assert len(of_kind(records, "transaction")) == 4
    (order,) = [each for each in of_kind(records, "transaction") if each["object_type"] == "order"]
    assert order["created_at"] == PLACED
    assert problems == []


def test_an_execution_waits_since_the_previous_event_of_its_object(log):
    first, second, *_ = executions_of(imported("ocel-csv", log)[0], "880001")

    assert "queued_at" not in first
    assert second["queued_at"] == first["started_at"] == PLACED
    assert second["started_at"] == second["ended_at"]


def test_failed_deliveries_and_missing_stock_are_failed_executions(log):
    records, _ = imported("ocel-csv", log)

    failed = Counter(each["block"] for each in of_kind(records, "block") if each["status"] == "failed")

    assert failed == {"item out of stock": 1, "failed delivery": 2}


def test_the_same_activity_again_is_another_attempt(log):
    deliveries = executions_of(imported("ocel-csv", log)[0], "660001")

    assert [(each["block"], each.get("attempt", 1)) for each in deliveries] == [
        ("create package", 1),
        ("failed delivery", 1),
        ("failed delivery", 2),
        ("package delivered", 1),
    ]


def test_items_are_split_from_orders_and_merged_into_packages(log):
    records, _ = imported("ocel-csv", log)
    names = {each["id"]: each["object_id"] for each in of_kind(records, "transaction")}

    links = {
        (names[each["parent"]], names[each["child"]], each["relation"]) for each in of_kind(records, "link")
    }

    assert links == {
        ("990001", "880001", "split"),
        ("990001", "880002", "split"),
        ("880001", "660001", "merge"),
        ("880002", "660001", "merge"),
    }


def test_an_object_ends_only_when_its_last_event_ends_it(log):
    records, _ = imported("ocel-csv", log)
    names = {each["id"]: each["object_id"] for each in of_kind(records, "transaction")}

    ended = {names[each["transaction"]]: each["outcome"] for each in of_kind(records, "end")}

    assert ended == {"880001": "delivered", "880002": "delivered", "660001": "delivered"}


def test_execution_ids_carry_the_place_in_the_file_so_that_ties_keep_its_order(tmp_path):
    tied = [row.replace("09:00:00", "08:00:00") for row in ROWS]

    second, third = executions_of(imported("ocel-csv", write_ocel(tmp_path / "x.csv", tied))[0], "880001")[
        1:3
    ]

    assert second["started_at"] == third["started_at"]
    assert (second["id"], second["block"]) < (third["id"], third["block"])
    assert int(second["id"], 16) == 2


def test_an_item_is_found_by_its_order(log):
    (item, _) = [
        each for each in of_kind(imported("ocel-csv", log)[0], "transaction") if each["flow"] == "item"
    ]

    assert item["keys"] == {"order": "990001"}


def test_importing_again_or_from_another_name_says_the_same_bytes(tmp_path, log):
    again = log.rename(tmp_path / "other-name.csv")

    assert imported("ocel-csv", again)[0] == imported("ocel-csv", write_ocel(tmp_path / "log.csv", ROWS))[0]


def test_another_source_gives_other_ids(log):
    one, _ = imported("ocel-csv", log)
    other, _ = imported("ocel-csv", log, ImportOptions(source="elsewhere"))

    assert not {each["id"] for each in of_kind(one, "transaction")} & {
        each["id"] for each in of_kind(other, "transaction")
    }


def test_no_record_has_a_producer_or_a_sequence(log):
    assert not [each for each in imported("ocel-csv", log)[0] if {"producer", "seq"} & set(each)]


@pytest.mark.parametrize(
    ("broken", "field", "received"),
    [
        (ROWS[1].replace("2019-05-20 08:00:00.000Z", "yesterday"), "ocel:timestamp", "yesterday"),
        (
            ROWS[1].replace("2019-05-20 08:00:00.000Z", "2019-05-20 08:00:00"),
            "ocel:timestamp",
            "2019-05-20 08:00:00",
        ),
        (ROWS[1].replace("2019", "1019"), "ocel:timestamp", "1019-05-20 08:00:00.000Z"),
        (ROWS[1].replace("['880001']", "[880001"), "ocel:type:items", "[880001"),
        (ROWS[1].replace("item out of stock", " "), "ocel:activity", None),
        ("2.0,item out of stock", None, "2 cells"),
    ],
)
def test_a_bad_row_is_told_with_its_number_and_the_rest_goes_on(tmp_path, broken, field, received):
    rows = [ROWS[0], broken, *ROWS[2:]]

    records, problems = imported("ocel-csv", write_ocel(tmp_path / "x.csv", rows))

    (problem,) = problems
    assert (problem.row, problem.field, problem.received) == (2, field, received)
    assert str(problem).startswith("row 2")
    assert (
        len(of_kind(records, "block"))
        == len(of_kind(imported("ocel-csv", write_ocel(tmp_path / "y.csv", ROWS))[0], "block")) - 1
    )


def test_a_file_of_other_columns_is_refused_and_says_which_it_has(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")

    with pytest.raises(Refusal, match=r"ocel:activity.*a, b"):
        imported("ocel-csv", tmp_path / "x.csv")


def test_ids_may_hold_quotes_and_each_counts_once(tmp_path):
    row = "1.0,place order,2019-05-20 07:07:47Z, ,\"[\"\"it's\"\", 'a', 'a']\",'[]', , ,1,1".replace(
        "'[]'", "[]"
    )

    records, problems = imported("ocel-csv", write_ocel(tmp_path / "x.csv", [row]))

    assert problems == []
    assert [each["object_id"] for each in of_kind(records, "transaction")] == ["it's", "a"]


def test_a_log_of_any_size_comes_in_bounded_bodies(tmp_path):
    from flowtrail.intake.importers import open_import

    file = write_ocel(tmp_path / "x.csv", ocel_rows(300))

    batches = list(open_import("ocel-csv", file, ImportOptions(), pytest.fail))

    assert len(batches) > 3
    assert {batch.records for batch in batches[:-1]} == {1_000}
    assert all(batch.records == len(batch.rows) == batch.body.count(b"\n") + 1 for batch in batches)
    assert batches[-1].done == batches[-1].total == file.stat().st_size
    assert json.loads(batches[1].body.split(b"\n")[0])


def test_the_header_of_the_format_is_what_the_generated_log_has(tmp_path):
    assert OCEL_HEADER.startswith("ocel:eid,ocel:activity,ocel:timestamp")
    records, problems = imported("ocel-csv", write_ocel(tmp_path / "x.csv", ocel_rows(20)))
    assert problems == []
    assert len([each for each in of_kind(records, "transaction") if each["flow"] == "order"]) == 20


@pytest.mark.parametrize("column", ["Größe", "ocel:type:Aufträge"])
def test_a_header_in_another_encoding_is_refused_with_the_option_that_reads_it(tmp_path, column):
    file = tmp_path / "log.csv"
    file.write_bytes(f"ocel:activity,ocel:timestamp,{column}\nx,2026-11-23T10:00:00Z,\n".encode("latin-1"))

    with pytest.raises(Refusal, match="--encoding latin-1"):
        imported("ocel-csv", file)

    assert imported("ocel-csv", file, ImportOptions(encoding="latin-1")) == ([], [])


def test_an_id_of_half_a_character_is_told(tmp_path):
    file = write_ocel(tmp_path / "log.csv", ["1,x,2026-11-23T10:00:00Z,,\"['\\ud800']\",,,,,"])
    records, problems = imported("ocel-csv", file)

    assert records == []
    assert [each.row for each in problems] == [1]


def test_events_without_objects_are_counted(tmp_path):
    file = write_ocel(tmp_path / "log.csv", ["1,x,2026-11-23T10:00:00Z,,,,,,,"] * 2)
    records, problems, counts = read_import("ocel-csv", file, ImportOptions())

    assert (records, problems) == ([], [])
    assert dict(counts) == {"events without objects, left out": 2}


def test_more_columns_than_an_execution_holds_are_told_and_the_execution_stays(tmp_path):
    file = tmp_path / "log.csv"
    names = [f"c{number:02}" for number in range(70)]
    file.write_text(
        f"ocel:activity,ocel:timestamp,ocel:type:orders,{','.join(names)}\n"
        f"x,2026-11-23T10:00:00Z,\"['1', '2']\",{','.join('1' * 70)}\n"
    )
    records, (problem,) = imported("ocel-csv", file)

    assert (problem.row, problem.received) == (1, "70 details")
    assert [list(each["details"]) for each in of_kind(records, "block")] == [names[:64]] * 2
