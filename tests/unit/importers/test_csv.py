"""Any CSV, by a mapping of its columns."""

import gzip

import pytest

from flowtrail.intake.importers import ImportOptions
from flowtrail.model.errors import Refusal
from tests.support.logs import imported, of_kind
from tests.support.stories import canonical

SECOND = 1_000_000
TEXT = """case,activity,start,end,status,amount,clerk
A,receive,2026-11-23T10:00:00Z,2026-11-23T10:00:01Z,OK,12.5,anna
A,map,2026-11-23T10:00:02Z,2026-11-23T10:00:04Z,NOK,12.5,ben
B,receive,2026-11-23T10:00:03Z,,,7,anna
A,map,2026-11-23T10:00:05Z,2026-11-23T10:00:06Z,complete,13,ben
"""
OPTIONS = ImportOptions(
    status_word=("NOK=failed",), attribute=("amount",), detail=("clerk",), flow="shop", object_type="order"
)
OPTIONS_OF_WORDS = ImportOptions(status_word=("NOK=failed",))


def write(tmp_path, text, encoding="utf-8"):
    file = tmp_path / "log.csv"
    file.write_bytes(text.encode(encoding))
    return file


def test_a_row_is_an_execution_of_its_case(tmp_path):
    records, problems = imported("csv", write(tmp_path, TEXT), OPTIONS)

    told = [
        (each["block"], each["status"], each.get("attempt", 1), each["details"]["clerk"])
        for each in of_kind(records, "block")
    ]
    assert told == [
        ("receive", "succeeded", 1, "anna"),
        ("map", "failed", 1, "ben"),
        ("receive", "running", 1, "anna"),
        ("map", "succeeded", 2, "ben"),
    ]
    assert [int(each["id"], 16) for each in of_kind(records, "block")] == [1, 2, 3, 4]
    assert problems == []


def test_a_case_is_announced_when_it_is_new_and_when_something_else_is_said_of_it(tmp_path):
    announced = of_kind(imported("csv", write(tmp_path, TEXT), OPTIONS)[0], "transaction")

    assert [(each["object_id"], each["attributes"]["amount"]) for each in announced] == [
        ("A", 12.5),
        ("B", 7),
        ("A", 13),
    ]
    assert {(each["flow"], each["object_type"]) for each in announced} == {("shop", "order")}
    assert announced[0]["id"] == announced[2]["id"]
    assert all("created_at" not in each and "at" in each for each in announced)


def test_a_number_that_changed_is_told_whatever_its_hash(tmp_path):
    text = "case,activity,start,n\nA,x,2026-11-23T10:00:00Z,-1\nA,x,2026-11-23T10:00:01Z,-2\n"

    records, _ = imported("csv", write(tmp_path, text), ImportOptions(attribute=("n",)))

    assert [each["attributes"]["n"] for each in of_kind(records, "transaction")] == [-1, -2]


def test_other_columns_are_named_by_options(tmp_path):
    text = "Nr;Was;Von;Bis\n1;los;23.11.2026 10:00:00;23.11.2026 10:00:01\n"
    options = ImportOptions(
        case="Nr",
        activity="Was",
        start="Von",
        end="Bis",
        time_format="%d.%m.%Y %H:%M:%S",
        timezone="Europe/Berlin",
    )

    (execution,) = of_kind(imported("csv", write(tmp_path, text), options)[0], "block")

    assert execution["block"] == "los"
    assert execution["started_at"] == 1_795_424_400 * SECOND
    assert execution["ended_at"] - execution["started_at"] == SECOND


def test_the_names_of_process_mining_are_found(tmp_path):
    text = "case:concept:name,concept:name,time:timestamp\n7,ship,2026-11-23 10:00:00+01:00\n"

    records, _ = imported("csv", write(tmp_path, text))

    (execution,) = of_kind(records, "block")
    assert execution["started_at"] == execution["ended_at"] == 1_795_424_400 * SECOND
    assert of_kind(records, "transaction")[0]["object_id"] == "7"


def test_an_activity_can_end_a_case_when_it_is_the_latest_of_it_wherever_it_stands(tmp_path):
    text = "case,activity,start\nA,pay,2026-11-23T12:00:00Z\nA,place,2026-11-23T10:00:00Z\nB,pay,2026-11-23T10:00:00Z\nB,remind,2026-11-23T11:00:00Z\n"

    records, _ = imported("csv", write(tmp_path, text), ImportOptions(ends=("pay=delivered",)))

    (end,) = of_kind(records, "end")
    assert end["transaction"] == of_kind(records, "transaction")[0]["id"]
    assert end["ended_at"] == 1_795_435_200 * SECOND


@pytest.mark.parametrize(
    ("unit", "text"),
    [("s", "1795424400"), ("ms", "1795424400000"), ("us", "1795424400000000"), ("s", "1795424400.0")],
)
def test_instants_may_be_numbers(tmp_path, unit, text):
    records, problems = imported(
        "csv", write(tmp_path, f"case,activity,start\nA,x,{text}\n"), ImportOptions(time_unit=unit)
    )

    assert problems == []
    assert of_kind(records, "block")[0]["started_at"] == 1_795_424_400 * SECOND


@pytest.mark.parametrize("text", ["1e999999999", "-1e999999999", "1e999990", "1e400", "nan", "inf", "soon"])
def test_a_number_that_is_no_instant_spoils_its_row_only(tmp_path, text):
    rows = f"case,activity,start\nA,x,{text}\nB,x,1795424400\n"

    records, problems = imported("csv", write(tmp_path, rows), ImportOptions(time_unit="s"))

    assert [(problem.row, problem.field) for problem in problems] == [(1, "start")]
    assert len(of_kind(records, "block")) == 1


@pytest.mark.parametrize(
    ("row", "field", "hint"),
    [
        ("A,x,2026-11-23T10:00:00,,", "start", "--timezone"),
        ("A,x,1795424400,,", "start", "--time-unit"),
        ("A,x,2026-11-23T10:00:00Z,,LOST", "status", "--status-word"),
        (",x,2026-11-23T10:00:00Z,,", "case", "missing"),
        ("A,,2026-11-23T10:00:00Z,,", "activity", "missing"),
        ("A,x,,,", "start", "no instant"),
        ("A,x", None, "5 cells"),
        ('A,"x', None, "cells"),
    ],
)
def test_a_bad_row_is_told_with_what_would_mend_it(tmp_path, row, field, hint):
    text = f"case,activity,start,end,status\nA,before,2026-11-23T10:00:00Z,,\n{row}\n"

    records, problems = imported("csv", write(tmp_path, text))

    (problem,) = problems
    assert (problem.row, problem.field) == (2, field)
    assert hint in str(problem)
    assert [each["block"] for each in of_kind(records, "block")] == ["before"]


def test_text_of_another_encoding_is_told_and_can_be_named(tmp_path):
    file = write(tmp_path, "case,activity,start\nA,prüfen,2026-11-23T10:00:00Z\n", "latin-1")

    records, problems = imported("csv", file)
    assert records == []
    assert "--encoding" in str(problems[0])

    records, problems = imported("csv", file, ImportOptions(encoding="latin-1"))
    assert of_kind(records, "block")[0]["block"] == "prüfen"
    assert problems == []


@pytest.mark.parametrize(
    ("written", "named"), [("utf-8", "utf-16"), ("utf-8", "utf-32"), ("utf-16-le", "utf-16-le")]
)
def test_text_that_is_not_of_the_named_encoding_is_told(tmp_path, written, named):
    file = write(tmp_path, "case,activity,start\nA,x,2026-11-23T10:00:00Z\n", written)
    file.write_bytes(file.read_bytes() + b"\0\xd8a\0\n\0")

    records, (problem,) = imported("csv", file, ImportOptions(encoding=named))

    assert records == []
    assert "--encoding" in str(problem)


@pytest.mark.parametrize("format", ["csv", "ocel-csv"])
def test_a_damaged_file_is_told_and_not_taken_for_an_empty_one(tmp_path, format):
    file = tmp_path / "log.csv.gz"
    file.write_bytes(gzip.compress(TEXT.encode())[:20])

    records, problems = imported(format, file)

    assert records == []
    assert "ends too early" in str(problems[0])


def test_a_header_that_never_ends_is_told(tmp_path):
    records, (problem,) = imported("csv", write(tmp_path, '"case,activity,start\n' + "A,x,y\n" * 99_999))

    assert records == []
    assert "header" in str(problem)


def test_a_byte_order_mark_and_quoted_line_ends_are_read(tmp_path):
    text = '﻿case,activity,start\r\nA,"two\nlines",2026-11-23T10:00:00Z\r\n\r\nB,x,2026-11-23T10:00:00Z\r\n'

    records, problems = imported("csv", write(tmp_path, text))

    assert problems == []
    assert [(each["block"], int(each["id"], 16)) for each in of_kind(records, "block")] == [
        ("two\nlines", 1),
        ("x", 2),
    ]


@pytest.mark.parametrize(
    "header",
    [
        '\n\r\ncase;activity;start;"a, b, c, d"',
        '"case";activity;"start"; a,b,c',
        '"case";"activity";"start";"say ""a, b, c, d"""',
        'case;activity;start;"two\nlines, a, b, c"',
        '"case"|activity|start|5" pipe, a',
    ],
)
def test_the_header_is_the_first_row_that_is_not_blank_however_it_is_quoted(tmp_path, header):
    delimiter = "|" if "|" in header else ";"
    text = f"{header}\n{delimiter.join(['A', 'x', '2026-11-23T10:00:00Z', ''])}\n"

    records, problems = imported("csv", write(tmp_path, text))

    assert problems == []
    assert [(each["block"], int(each["id"], 16)) for each in of_kind(records, "block")] == [("x", 1)]


def test_a_column_is_named_by_a_text_of_two_lines(tmp_path):
    text = '"case\nnumber",activity,start\r\nA,x,2026-11-23T10:00:00Z\r\n'

    records, problems = imported("csv", write(tmp_path, text), ImportOptions(case="case\nnumber"))

    assert problems == []
    assert len(of_kind(records, "block")) == 1


def test_an_unclosed_quote_does_not_swallow_the_file(tmp_path):
    rows = "".join(f"C{number},x,2026-11-23T10:00:00Z\n" for number in range(20_000))
    text = f'case,activity,start\nA,"x,2026-11-23T10:00:00Z\n{rows}'

    records, problems = imported("csv", write(tmp_path, text))

    assert problems
    assert len(of_kind(records, "block")) > 5_000


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_quote_that_is_never_closed_is_told_with_its_row(tmp_path, end):
    row = "2026-11-23T10:00:00Z"
    text = f'case,activity,start,note;"5 inch\nA,x,{row},"a"\nB,x,{row},"cut\nC,x,{row},c\nD,x,{row},d{end}'

    records, problems = imported("csv", write(tmp_path, text))

    assert len(of_kind(records, "block")) == 1
    assert [problem.row for problem in problems] == [2]
    assert "a quote is not closed" in str(problems[0])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (ImportOptions(case="order"), "'order'"),
        (ImportOptions(attribute=("nope",)), "'nope'"),
        (ImportOptions(timezone="Mars/Olympus"), "Mars/Olympus"),
        (ImportOptions(time_unit="h"), "s, ms, us, ns"),
        (ImportOptions(time_format="%d.%m.%Y %H:%M:%S %H"), "stands in it twice"),
        (ImportOptions(time_format="%d.%m.%Y %q"), "no directive '%q'"),
        (ImportOptions(time_format="%Y %"), "no directive '%'"),
        (
            ImportOptions(time_format="%Y-%m-%d %H:%M:%S %Z", timezone="Europe/Berlin"),
            "%Z reads the name of a zone",
        ),
        (ImportOptions(status_word=("NOK",)), "--status-word"),
        (ImportOptions(ends=("pay=delivered", "pay=failed")), "of 'pay': delivered and failed"),
        (ImportOptions(flow=""), "--flow: a name is empty"),
        (ImportOptions(object_type="t" * 201), "--object-type: "),
        (ImportOptions(object_type="t" * 201), "at most 200 characters"),
        (ImportOptions(source=""), "--source: a name is empty"),
        (ImportOptions(ends=("pay=paid",)), "delivered"),
        (ImportOptions(encoding="klingon"), "klingon"),
        (ImportOptions(delimiter="::"), "one character"),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused(tmp_path, options, said):
    with pytest.raises(Refusal) as refused:
        imported("csv", write(tmp_path, TEXT), options)

    assert said in refused.value.message


def test_a_file_without_the_needed_columns_says_which_option_names_them(tmp_path):
    with pytest.raises(Refusal, match=r"--case COLUMN.*nr, was"):
        imported("csv", write(tmp_path, "nr,was\n1,2\n"))
    with pytest.raises(Refusal, match=r"empty"):
        imported("csv", write(tmp_path, ""))


def test_a_number_with_leading_zeros_stays_text(tmp_path):
    text = "case,activity,start,plz,n,x,y\nA,x,2026-11-23T10:00:00Z,01067,3,nan,12.50\n"

    records, _ = imported("csv", write(tmp_path, text), ImportOptions(attribute=("plz", "n", "x", "y")))

    assert of_kind(records, "transaction")[0]["attributes"] == {"plz": "01067", "n": 3, "x": "nan", "y": 12.5}


@pytest.mark.parametrize("columns", [("start",), ("end",), ("start", "end")], ids=" and ".join)
@pytest.mark.parametrize(
    ("word", "status", "instants"),
    [
        ("skipped", "skipped", ("started_at", "ended_at")),
        ("Filtered", "skipped", ("started_at", "ended_at")),
        ("scheduled", "pending", ("queued_at",)),
        ("active", "running", ("started_at",)),
        ("NOK", "failed", ("started_at", "ended_at")),
    ],
)
def test_a_row_of_any_status_is_one_that_the_server_takes(tmp_path, columns, word, status, instants):
    cells = ["2026-11-23T10:00:00Z"] * len(columns)
    text = f"case,activity,{','.join(columns)},status\nA,map,{','.join(cells)},{word}\n"
    records, problems = imported("csv", write(tmp_path, text), OPTIONS_OF_WORDS)

    (told,) = of_kind(records, "block")
    assert told["status"] == status
    expected = set(instants) - ({"started_at"} if columns == ("end",) and len(instants) > 1 else set())
    assert {name for name in told if name.endswith("_at")} == expected
    assert told.get("skip") == ({"predicate": word} if status == "skipped" else None)
    assert problems == []
    canonical(records)


def test_what_waits_does_so_since_it_was_queued(tmp_path):
    text = "case,activity,start,waits,status\nA,map,2026-11-23T10:00:05Z,2026-11-23T10:00:00Z,pending\n"
    records, _ = imported("csv", write(tmp_path, text), ImportOptions(queued="waits"))

    (told,) = of_kind(records, "block")
    assert {name for name in told if name.endswith("_at")} == {"queued_at"}
    assert told["queued_at"] == 1_795_428_000 * SECOND
