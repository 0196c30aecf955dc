"""What people type wrong first: each is one sentence that says what to type instead."""

import gzip
import json
import subprocess

import pytest
import zstandard

from flowtrail.server.run import serving
from tests.support.program import PROGRAM

pytestmark = pytest.mark.usefixtures("alone")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show"], "ID is missing; see flowtrail show --help"),
        (
            ["show", "order", "4711"],
            "too many words: '4711' (a value with spaces stands in quotes); see flowtrail show --help",
        ),
        (["list", "--url"], "--url needs a value; see flowtrail list --help"),
        (["shw", "4711"], "there is no command shw; did you mean show?; see flowtrail --help"),
        (["nonsense"], "there is no command nonsense; see flowtrail --help"),
        (["bench", "--runs", "0"], "--runs is a whole number from 1 on; received '0'"),
        (["bench", "--records", "-5"], "--records is a whole number from 1 on; received '-5'"),
        (["check", "--url", "x"], "there is no option --url; see flowtrail check --help"),
        (
            ["check", "--sotre", "x"],
            "there is no option --sotre; did you mean --store?; see flowtrail check --help",
        ),
        (["list", "--limit", "many"], "--limit is a whole number; received 'many'"),
        (["producers", "--limit", "1.5"], "--limit is a whole number; received '1.5'"),
        (["serve", "--port", "8765.4"], "--port is a whole number; received '8765.4'"),
        (["serve", "--intake-workers", ""], "--intake-workers is a whole number; received ''"),
        (["demo", "--port", "1e3"], "--port is a whole number; received '1e3'"),
        (["import"], "FORMAT is missing; see flowtrail import --help"),
        (["import", "csv"], "FILES is missing: name at least one file, or - for standard input"),
        (
            ["import", "here.csv"],
            (
                "there is no format 'here.csv'; allowed: records, xes, ocel2, ocel-csv, spans-parquet, csv;"
                " the format stands before the files"
            ),
        ),
        (
            ["list", "--url", "localhost:8765"],
            "'localhost:8765' is no address of a server; did you mean http://localhost:8765?",
        ),
        (["list", "--url", "ftp://x"], "'ftp://x' is no address of a server"),
        (
            ["list", "--store", "./shop"],
            "there is no store of the kind './shop'; did you mean sqlite:./shop?; allowed:",
        ),
        (
            ["serve", "--store", "memory", "--port", "0"],
            "there is no store of the kind 'memory'; did you mean memory:?; allowed:",
        ),
        (["check", "--store", "sqlite:"], "sqlite: names no directory"),
        (["list", "--url", ""], "'' is no address of a server"),
        (["list", "--url", "", "--store", "sqlite:./x"], "--url and --store exclude each other"),
        *(
            ([*words, "--store", ""], "there is no store of the kind ''; allowed: sqlite:DIRECTORY")
            for words in (["list"], ["import", "csv", "here.csv"], ["export"], ["check"], ["rebuild"])
        ),
        (
            ["rebuild", "--store", "postgres://x/y"],
            "there is no store of the kind 'postgres://x/y'; allowed:",
        ),
    ],
)
def test_it_is_one_sentence_with_what_to_type_instead(flowtrail, tmp_path, words, said):
    (tmp_path / "here.csv").write_text("case,activity,start\n")

    answered = flowtrail(*words)

    assert (answered.code, answered.out) == (2, "")
    assert answered.err.startswith(f"flowtrail: {said}")
    assert answered.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "received"),
    [
        (["stats", "--from", "x"], "x"),
        (["list", "duration:>2"], "2"),
        (["list", "--sort", "up"], "up"),
        (["list", "--limit", "0"], "0"),
        (["producers", "--limit", "-1"], "-1"),
    ],
)
def test_what_came_is_told_though_its_letters_stand_in_the_sentence(flowtrail, told, words, received):
    answered = flowtrail(*words, "--url", told.url)

    assert answered.code == 2
    assert f"received '{received}'" in answered.err


@pytest.mark.parametrize("words", [["check"], ["list"], ["serve", "--port", "0"]])
def test_a_file_is_no_store(flowtrail, tmp_path, words):
    (tmp_path / "shop").write_text("")

    answered = flowtrail(*words, "--store", "sqlite:./shop")

    assert answered.code == 1
    assert answered.err == "flowtrail: shop is a file: a store is a directory of its own\n"


def test_an_id_is_found_as_others_write_uuids(flowtrail, told):
    known = json.loads(flowtrail("show", "4711", "--json", "--url", told.url).out)["id"]
    dashed = "-".join((known[:8], known[8:12], known[12:16], known[16:20], known[20:])).upper()

    shown = flowtrail("show", dashed, "--json", "--url", told.url)

    assert shown.code == 0
    assert json.loads(shown.out)["id"] == known
    assert flowtrail("show", dashed[:-1] + "0", "--url", told.url).code == 3


@pytest.mark.parametrize("words", [["--help"], ["list", "--help"], ["list"], ["show", "4711"], ["stats"]])
def test_a_reader_that_has_seen_enough_is_no_failure(told, words):
    where = [] if "--help" in words else ["--url", told.url]
    with subprocess.Popen(
        [*PROGRAM, *words, *where], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as answering:
        assert answering.stdout is not None
        answering.stdout.close()
        assert answering.wait(30) == 0
        assert answering.stderr is not None
        assert b"Traceback" not in answering.stderr.read()


def test_an_export_is_compressed_as_its_name_says(flowtrail, told, tmp_path):
    for name in ("plain", "packed.gz", "packed.zst"):
        assert flowtrail("export", "--output", name, "--url", told.url).code == 0
    plain = (tmp_path / "plain").read_bytes()

    assert gzip.decompress((tmp_path / "packed.gz").read_bytes()) == plain
    packed = (tmp_path / "packed.zst").read_bytes()
    assert zstandard.ZstdDecompressor().stream_reader(packed).read() == plain
    answered = flowtrail("import", "records", "packed.zst", "--json", "--store", "sqlite:./again")
    assert json.loads(answered.out)["rejected"] == 0
    assert sorted(each.name for each in tmp_path.iterdir() if each.is_file()) == [
        "packed.gz",
        "packed.zst",
        "plain",
    ]


def test_a_list_says_when_it_is_empty_and_when_it_is_not_all(flowtrail, told):
    with serving("memory:", writing=True) as url:
        assert flowtrail("list", "--url", url).err == "nothing is there yet\n"
        assert flowtrail("list", "4711", "--url", url).err == "nothing matches\n"

    assert flowtrail("list", "type:nobody", "--url", told.url).err == "nothing matches\n"
    assert flowtrail("stats", "type:nobody", "--url", told.url).err == "nothing matches\n"
    assert (
        flowtrail("list", "--limit", "2", "--url", told.url).err == "2 shown of 15; there are more: --limit\n"
    )
    assert flowtrail("list", "--limit", "15", "--url", told.url).err == "15 shown of 15\n"
