"""Spans: a trace is a transaction, a span one execution."""

import gzip

import pyarrow as pa
import pytest
from pyarrow import parquet

from flowtrail.intake.importers import ImportOptions
from flowtrail.model.errors import Refusal
from flowtrail.model.ids import derived_transaction_id
from tests.support.logs import imported, of_kind, span_rows, write_spans

ROWS = span_rows(40)


@pytest.fixture
def log(tmp_path):
    return write_spans(tmp_path / "spans.parquet", ROWS)


def test_a_trace_is_one_transaction_whose_id_is_hashed(log):
    records, problems = imported("spans-parquet", log)

    traces = {each["trace"]: each for each in of_kind(records, "transaction")}
    assert set(traces) == {row["trace_id"] for row in ROWS}
    assert len(of_kind(records, "transaction")) == 40
    for trace, announced in traces.items():
        expected = derived_transaction_id("default", "spans-parquet", trace, "traces", "trace", trace)
        assert announced["id"] == expected.hex()
    assert problems == []


def test_a_span_is_an_execution_named_by_service_and_operation(log):
    executions = of_kind(imported("spans-parquet", log)[0], "block")

    assert len(executions) == len(ROWS)
    for row, execution in zip(ROWS, executions, strict=True):
        assert execution["block"] == f"{row['service']} :: {row['operation']}"
        assert execution["started_at"] == row["start_us"]
        assert execution["ended_at"] - execution["started_at"] == row["dur_us"]
        assert execution["status"] == "succeeded"


def test_ids_are_rows_plus_one_and_parents_likewise_even_before_they_come(log):
    executions = of_kind(imported("spans-parquet", log)[0], "block")

    assert [int(each["id"], 16) for each in executions] == list(range(1, len(ROWS) + 1))
    assert [int(each["parent"], 16) - 1 if "parent" in each else -1 for each in executions] == [
        row["parent"] for row in ROWS
    ]
    assert any(row["parent"] > row["span"] for row in ROWS), "the log has no child before its parent"


def test_roots_are_ingress_and_what_leaves_the_shop_is_egress(log):
    executions = of_kind(imported("spans-parquet", log)[0], "block")

    for row, execution in zip(ROWS, executions, strict=True):
        leaves = row["service"] in {"emailservice", "shippingservice", "paymentservice"}
        assert execution["stage"] == ("ingress" if row["root"] else "egress" if leaves else "processing")


def test_a_trace_opens_and_ends_with_its_root(log):
    records, _ = imported("spans-parquet", log)
    roots = {row["trace_id"]: row for row in ROWS if row["root"]}
    ends = {each["transaction"]: each for each in of_kind(records, "end")}

    for announced in of_kind(records, "transaction"):
        root = roots[announced["trace"]]
        assert announced["created_at"] == root["start_us"]
        assert announced["attributes"] == {"window": "03_53", "phase": "fault"}
        assert ends[announced["id"]]["ended_at"] == root["start_us"] + root["dur_us"]
        assert ends[announced["id"]]["outcome"] == "delivered"


@pytest.mark.parametrize("rows_a_group", [7, 100, 1 << 20])
def test_the_rows_are_counted_through_the_row_groups(tmp_path, log, rows_a_group):
    other = write_spans(tmp_path / "other.parquet", ROWS, rows_a_group)

    assert imported("spans-parquet", other)[0] == imported("spans-parquet", log)[0]


def test_a_compressed_copy_reads_the_same(tmp_path, log):
    other = tmp_path / "spans.parquet.gz"
    other.write_bytes(gzip.compress(log.read_bytes()))

    assert imported("spans-parquet", other)[0] == imported("spans-parquet", log)[0]


def test_a_row_without_a_value_is_told_and_the_rest_goes_on(tmp_path):
    rows = [dict(row) for row in ROWS]
    rows[5]["start_us"] = None

    records, problems = imported("spans-parquet", write_spans(tmp_path / "x.parquet", rows))

    assert [(each.row, each.field) for each in problems] == [(6, "start_us")]
    assert len(of_kind(records, "block")) == len(ROWS) - 1


def test_a_file_without_the_columns_is_refused_and_says_which_it_has(tmp_path):
    rows = [{"trace_id": "a", "service": "b"}]

    with pytest.raises(Refusal, match=r"'parent'.*trace_id, service"):
        imported("spans-parquet", write_spans(tmp_path / "x.parquet", rows))


def test_a_file_that_is_no_parquet_is_told(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and nothing more")
    (tmp_path / "y.parquet").write_text("trace_id,span\n")

    for name in ("x.parquet", "y.parquet"):
        records, problems = imported("spans-parquet", tmp_path / name)
        assert records == []
        assert len(problems) == 1


def test_flow_and_type_can_be_named(log):
    records, _ = imported("spans-parquet", log, ImportOptions(flow="boutique", object_type="request"))

    assert {(each["flow"], each["object_type"]) for each in of_kind(records, "transaction")} == {
        ("boutique", "request")
    }


@pytest.mark.parametrize("kind", ["string", "large_string", "string_view", "dictionary"])
def test_texts_are_attributes_however_they_are_stored(tmp_path, log, kind):
    words = pa.dictionary(pa.int32(), pa.large_string())
    text = words if kind == "dictionary" else getattr(pa, kind)()
    table = pa.Table.from_pylist(ROWS)
    for name in ("trace_id", "service", "operation", "window", "phase"):
        column = pa.array(table.column(name).to_pylist(), text)
        table = table.set_column(table.column_names.index(name), name, column)
    other = tmp_path / "other.parquet"
    parquet.write_table(table, other)

    assert imported("spans-parquet", other) == imported("spans-parquet", log)


def test_ids_may_be_bytes_and_names_numbers(tmp_path):
    row = {"trace_id": b"\x0a" * 16, "parent": -1, "service": 7, "operation": True}
    other = tmp_path / "other.parquet"
    parquet.write_table(
        pa.Table.from_pylist([{**row, "start_us": 1_790_000_000_000_000, "dur_us": 5}]), other
    )
    records, problems = imported("spans-parquet", other)

    (announced,), (execution,) = of_kind(records, "transaction"), of_kind(records, "block")
    assert (announced["object_id"], announced["trace"]) == ("0a" * 16, "0a" * 16)
    assert (execution["block"], problems) == ("7 :: True", [])
