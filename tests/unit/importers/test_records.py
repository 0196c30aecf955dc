"""NDJSON goes to the server line by line; it is the server that judges a record."""

import gzip

import pytest

from flowtrail.intake.importers import FORMATS, ImportOptions, open_import
from flowtrail.model.errors import Refusal
from flowtrail.model.limits import MAX_BODY_BYTES

LINES = [b'{"kind":"end","n":%d}' % number for number in range(2_500)]


def batches(file, problems=None):
    return list(open_import("records", file, ImportOptions(), ([] if problems is None else problems).append))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_lines_are_handed_on_as_they_are(tmp_path, pack):
    file = tmp_path / "log.ndjson"
    file.write_bytes(pack(b"\n".join(LINES)))

    got = batches(file)

    assert b"\n".join(batch.body for batch in got) == b"\n".join(LINES)
    assert [batch.records for batch in got] == [1_000, 1_000, 500]
    assert got[1].rows[0] == 1_001


def test_blank_lines_and_a_byte_order_mark_are_passed_over(tmp_path):
    file = tmp_path / "log.ndjson"
    file.write_bytes(b"\xef\xbb\xbf{}\r\n\r\n  \n[1]\n")

    (batch,) = batches(file)

    assert batch.body == b"{}\n[1]"
    assert batch.rows == (1, 4)


def test_a_record_that_is_too_long_is_told_and_the_rest_goes_on(tmp_path):
    file, problems = tmp_path / "log.ndjson", []
    file.write_bytes(b"{}\n" + b'{"x":"' + b"y" * 300_000 + b'"}\n{}')

    (batch,) = batches(file, problems)

    assert batch.rows == (1, 3)
    assert [each.row for each in problems] == [2]


def test_a_body_of_large_records_stays_below_what_a_server_takes(tmp_path):
    file = tmp_path / "log.ndjson"
    file.write_bytes(b"\n".join(b'{"x":"' + b"y" * 200_000 + b'"}' for _ in range(50)))

    assert max(len(batch.body) for batch in batches(file)) < MAX_BODY_BYTES / 10


def test_a_json_array_is_told_with_what_makes_lines_of_it(tmp_path):
    file, problems = tmp_path / "log.json", []
    file.write_bytes(b'[{"kind":"end"},\n{}]')

    assert batches(file, problems) == []
    assert "jq" in str(problems[0])


def test_a_cut_file_keeps_what_stands_before(tmp_path):
    file, problems = tmp_path / "log.ndjson.gz", []
    whole = gzip.compress(b"\n".join(LINES))
    file.write_bytes(whole[: len(whole) // 2])

    assert batches(file, problems)
    assert "too early" in str(problems[-1])


def test_an_unknown_format_names_those_there_are(tmp_path):
    with pytest.raises(Refusal, match="spans-parquet"):
        open_import("tables", tmp_path, ImportOptions(), print)
    assert FORMATS == ("records", "xes", "ocel2", "ocel-csv", "spans-parquet", "csv")
