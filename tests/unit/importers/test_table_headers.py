"""What is said of a table whose first line is not what was expected, and of lines that are too long."""

import pytest

from flowtrail.intake.importers import ImportOptions
from flowtrail.model.errors import Refusal
from flowtrail.model.limits import MAX_RECORD_BYTES
from tests.support.logs import imported, of_kind

ROW = "A,map,2026-11-23T10:00:00Z"


def write(tmp_path, content):
    file = tmp_path / "log.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


@pytest.mark.parametrize("format", ["csv", "ocel-csv"])
def test_columns_without_a_name_are_passed_over(tmp_path, format):
    """Spreadsheets write them behind the last column that was ever filled, data frames before the first."""
    names = "case,activity,start" if format == "csv" else "ocel:type:orders,ocel:activity,ocel:timestamp"
    text = f",{names},\n0,['A'],map,2026-11-23T10:00:00Z,\n"

    records, problems = imported(format, write(tmp_path, text))

    assert problems == []
    assert [(each["block"], each.get("details")) for each in of_kind(records, "block")] == [("map", None)]


def test_a_name_that_stands_twice_is_told(tmp_path):
    with pytest.raises(Refusal, match=r"the column 'start' stands twice in the first line"):
        imported("csv", write(tmp_path, f"case,activity,start, start\n{ROW},x\n"))


@pytest.mark.parametrize("format", ["csv", "ocel-csv"])
@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_header_in_another_encoding_says_which_option_names_it(tmp_path, format, encoding):
    file = write(tmp_path, f"Prüfung,was,wann\n{ROW}\n".encode(encoding))
    options = ImportOptions(case="Prüfung") if format == "csv" else None

    with pytest.raises(Refusal, match=r"that is no text in utf-8: .* --encoding utf-16 or latin-1"):
        imported(format, file, options)


@pytest.mark.parametrize("header", ["\x01" * 200_000, ",".join(f"column {n}" for n in range(20_000))])
@pytest.mark.parametrize("format", ["csv", "ocel-csv"])
def test_a_header_of_any_size_gives_a_message_that_can_be_read(tmp_path, format, header):
    with pytest.raises(Refusal) as refused:
        imported(format, write(tmp_path, f"{header}\n{ROW}\n"))

    assert len(refused.value.message) < 1_000
    assert "…" in refused.value.message


def test_what_an_object_centric_table_lacks_is_told_by_the_formats_name(tmp_path):
    with pytest.raises(
        Refusal, match=r"^there is no column 'ocel:activity' for ocel-csv; the file has: case, "
    ):
        imported("ocel-csv", write(tmp_path, f"case,activity,start\n{ROW}\n"))


def test_a_line_that_is_too_long_is_told_with_its_row_and_counts_as_one(tmp_path):
    long = f"A,{'m' * MAX_RECORD_BYTES},2026-11-23T10:00:00Z"

    records, problems = imported(
        "csv", write(tmp_path, f"case,activity,start\n{ROW}\n{long}\n{ROW}\nA,map,soon\n{long}")
    )

    assert [(each.row, each.message.partition(";")[0]) for each in problems] == [
        (2, "a line is too long and left out"),
        (4, "this is no instant"),
        (5, "a line is too long and left out"),
    ]
    assert [int(each["id"], 16) for each in of_kind(records, "block")] == [1, 3]
