"""What a CSV tells about its objects does not depend on the order of its rows."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail.intake.importers import ImportOptions, open_import
from flowtrail.intake.wire import decode_body
from flowtrail.projection.shown import shown_transaction
from flowtrail.projection.state import State
from tests.support.exchange import filled
from tests.support.logs import imported, of_kind
from tests.support.stories import BASE
from tests.support.views import differences, seen

OPTIONS = ImportOptions(key=("k",), attribute=("a", "b"), ends=("end=delivered",))
BEGAN = datetime(2026, 11, 23, 10, tzinfo=UTC)


def write(tmp_path, rows):
    lines = [
        f"{case},{activity},{(BEGAN + timedelta(seconds=second)).isoformat()},{k},{a},{b}"
        for case, activity, second, k, a, b in rows
    ]
    file = tmp_path / "log.csv"
    file.write_text("\n".join(["case,activity,start,k,a,b", *lines, ""]))
    return file


def views(file):
    """Headers, terms and cells, and what is shown of every object."""
    records = []
    for batch in open_import("csv", file, OPTIONS, lambda problem: pytest.fail(str(problem))):
        records += decode_body(batch.body, "application/x-ndjson", None, BASE).records
    store = filled(records)
    found = seen(store)
    shown = {
        each.id: shown_transaction("default", each.id, each.header, State.load(each.facts, each.pieces or []))
        for each in store.transactions.iter_states("default")
    }
    return {name: found[name] for name in ("headers", "terms", "cells")} | {"shown": shown}


def told(file):
    """Keys and attributes of the only case."""
    (shown,) = views(file)["shown"].values()
    return shown["keys"] | shown["attributes"]


TEXTS = st.sampled_from(["", "x", "y", "10", "9"])
ROW = st.tuples(
    st.sampled_from(["A", "B"]), st.sampled_from(["map", "pay"]), st.integers(0, 20), TEXTS, TEXTS, TEXTS
)


@given(rows=st.lists(ROW, min_size=1, max_size=12, unique_by=lambda row: row[2]), data=st.data())
def test_any_order_of_the_rows_gives_the_same_views(tmp_path_factory, rows, data):
    folder = tmp_path_factory.mktemp("rows")
    wanted = views(write(folder, sorted(rows, key=lambda row: row[2])))

    assert differences(views(write(folder, data.draw(st.permutations(rows)))), wanted) == []


@given(rows=st.lists(ROW, min_size=1, max_size=12), data=st.data())
def test_any_order_of_rows_of_the_same_instants_gives_the_same_objects(tmp_path_factory, rows, data):
    """Which of two executions of one instant was first is told by the order of the rows, as by nothing else."""
    folder = tmp_path_factory.mktemp("rows")
    rows = [(case, "map", second // 4, *texts) for case, _, second, *texts in rows]
    wanted = views(write(folder, rows))["shown"]

    assert views(write(folder, data.draw(st.permutations(rows))))["shown"] == wanted


@given(
    rows=st.lists(
        st.tuples(st.just("A"), st.just("map"), st.integers(0, 99), TEXTS, TEXTS, TEXTS),
        min_size=1,
        max_size=12,
        unique_by=lambda row: row[2],
    )
)
def test_the_latest_text_of_each_column_is_shown(tmp_path_factory, rows):
    expected = {}
    for *_, k, a, b in sorted(rows, key=lambda row: row[2]):
        expected |= {name: text for name, text in (("k", k), ("a", a), ("b", b)) if text}

    found = told(write(tmp_path_factory.mktemp("rows"), rows))

    assert {name: str(value) for name, value in found.items()} == expected


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (2, 0, 1), (2, 1, 0)])
def test_a_text_that_came_back_is_the_latest_wherever_the_other_one_stands(tmp_path, order):
    rows = [
        ("A", "map", 1, "C-9", "open", ""),
        ("A", "map", 2, "C-9", "held", ""),
        ("A", "map", 3, "C-9", "open", ""),
    ]

    assert told(write(tmp_path, [rows[index] for index in order])) == {"k": "C-9", "a": "open"}


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 2, 0), (2, 1, 0)])
def test_of_two_texts_of_one_instant_the_same_is_shown_though_one_was_known_before(tmp_path, order):
    rows = [("A", "map", second, "", text, "") for second, text in [(1, "y"), (2, "y"), (2, "x")]]

    assert told(write(tmp_path, [rows[index] for index in order])) == {"a": "y"}


def test_what_is_known_already_is_not_said_again(tmp_path):
    rows = [("A", "map", second, "C-9", "open", "") for second in range(50)]

    records, _ = imported("csv", write(tmp_path, rows), OPTIONS)

    assert len(of_kind(records, "transaction")) == 1


def test_a_log_that_grew_at_its_end_says_what_it_said_and_more(tmp_path):
    rows = [
        ("A", "map", second, "", text, "")
        for second, text in [(1, "x"), (5, "x"), (3, "y"), (2, "z"), (9, "y")]
    ]
    whole, _ = imported("csv", write(tmp_path, rows), OPTIONS)

    for length in range(1, len(rows)):
        part, _ = imported("csv", write(tmp_path, rows[:length]), OPTIONS)
        assert part == whole[: len(part)]
