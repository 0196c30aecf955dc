"""`flowtrail check`, `rebuild`, `doctor` and `bench`: what keeps a store well."""

import json
import re
import resource
import shlex
from contextlib import contextmanager
from threading import Event

import pytest

from flowtrail.cli.console import size
from flowtrail.server.run import serving
from flowtrail.simulator.story import story
from tests.support.program import NOW
from tests.support.served import ndjson, served

pytestmark = pytest.mark.usefixtures("alone")


def test_check_prints_heads_that_it_can_be_held_to(flowtrail, told):
    report = json.loads(flowtrail("check", "--store", told.store, "--json").out)
    (head,) = report["heads"]

    assert report["ok"] is True
    assert flowtrail("check", "--store", told.store, "--expect", head["kept"]).code == 0
    assert flowtrail("check", "--store", told.store, "--expect", "0" * 64).code == 1
    assert flowtrail("check", "--store", told.store, "--expect", "a word").code == 2
    assert flowtrail("check", "--store", "sqlite:./nothing").code == 1


def test_rebuild_makes_the_same_views(flowtrail, tmp_path):
    (tmp_path / "x.ndjson").write_bytes(ndjson(story(NOW)))
    assert flowtrail("import", "records", "x.ndjson", "--store", "sqlite:./s").code == 0
    before = flowtrail("list", "--json", "--store", "sqlite:./s").out

    rebuilt = flowtrail("rebuild", "--store", "sqlite:./s", "--json")

    assert json.loads(rebuilt.out)["records"] == len(list(story(NOW)))
    assert flowtrail("list", "--json", "--store", "sqlite:./s").out == before


def test_doctor_finds_nothing_wrong_with_a_good_set_up(flowtrail, told):
    looked = flowtrail("doctor", "--store", told.store, "--url", told.url, "--json")

    findings = json.loads(looked.out)
    assert [each for each in findings if not each["well"]] == []
    assert {"python", "disk", "fsync", "store", "views", "server", "readiness"} <= {
        each["what"] for each in findings
    }
    assert looked.code == 0


def test_doctor_tells_sizes_as_people_read_them(flowtrail, told):
    looked = flowtrail("doctor", "--store", told.store, "--json")

    said = {each["what"]: each["told"] for each in json.loads(looked.out)}
    number = r"[\d.]+ [kMGT]?B"
    assert re.fullmatch(rf"{number} free at .*", said["disk"])
    assert re.search(rf", journal\.db {number}, views\.db {number}, free {number}", said["store"])
    assert "bytes" not in looked.out


@pytest.mark.mongodb
def test_doctor_tells_the_size_of_a_database_likewise(flowtrail, mongodb_url):
    with serving(mongodb_url, writing=True):
        looked = flowtrail("doctor", "--store", mongodb_url, "--json")

    said = {each["what"]: each["told"] for each in json.loads(looked.out)}
    assert re.search(r", journal [\d.]+ k?B$", said["store"])


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (99_949, "99.9 kB"),
        (99_950, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (41_234_567, "41.2 MB"),
        (512_000_000_000, "512 GB"),
        (5_000_000_000_000_000, "5000 TB"),
    ],
)
def test_sizes_count_by_thousands(number, told):
    assert size(number) == told


@pytest.mark.parametrize(
    ("words", "mend"),
    [
        ([], "flowtrail serve"),
        (["--store", "sqlite:./nothing"], "flowtrail serve --store sqlite:./nothing"),
        (["--store", "postgres:x"], "sqlite:DIRECTORY"),
        (["--url", "http://127.0.0.1:1"], "flowtrail serve"),
        (["--store", ""], "sqlite:DIRECTORY"),
        (["--url", ""], "'' is no address of a server"),
        (["--url", "localhost:8765"], "did you mean http://localhost:8765?"),
    ],
)
def test_doctor_says_what_is_wrong_and_how_to_mend_it(flowtrail, words, mend):
    looked = flowtrail("doctor", *words)

    assert looked.code == 1
    assert "BAD" in looked.out
    assert mend in looked.out


@pytest.mark.parametrize("scheme", ["mongodb", "mongo"])
def test_doctor_shows_no_password(flowtrail, scheme):
    looked = flowtrail(
        "doctor", "--store", f"{scheme}://me:secret@127.0.0.1:1/shop?w=1&serverSelectionTimeoutMS=100"
    )

    assert (looked.code, "secret" in looked.out) == (1, False)
    assert f"BAD  store: {scheme}://me:…@127.0.0.1:1/shop?w=1" in looked.out


@contextmanager
def no_file_may_grow():
    """Whatever writes to a file fails inside, as on a full disk; without root that cannot be had in earnest."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_doctor_goes_on_when_the_disk_is_full(flowtrail, told):
    with no_file_may_grow():
        looked = flowtrail("doctor", "--store", told.store, "--url", told.url, "--json")

    findings = {each["what"]: each for each in json.loads(looked.out)}
    assert (looked.code, looked.err) == (1, "")
    assert findings["fsync"]["told"].startswith("writing at ")
    assert "free some space" in findings["fsync"]["mend"]
    assert findings["views"]["well"]
    assert findings["reading"]["well"]


def test_doctor_goes_on_when_the_place_of_a_store_cannot_be_reached(flowtrail):
    looked = flowtrail("doctor", "--store", f"sqlite:./{'x' * 300}", "--json")

    findings = {each["what"]: each for each in json.loads(looked.out)}
    assert (looked.code, looked.err) == (1, "")
    assert not findings["store"]["well"]
    assert "database running" not in findings["store"]["mend"]
    assert "server" in findings


def test_doctor_tells_a_server_that_waits_for_its_store_from_none(flowtrail, monkeypatch):
    monkeypatch.setattr("flowtrail.cli.doctor._ANSWER_S", 0.3)
    with served() as server:
        free = Event()
        server.store.changes.revision = server.store.views_version = lambda: free.wait(30)
        looked = flowtrail("doctor", "--url", server.url, "--json")
        free.set()

    findings = {each["what"]: each for each in json.loads(looked.out)}
    assert looked.code == 1
    assert findings["server"]["well"]
    assert "timed out" in findings["readiness"]["told"]
    assert "timed out" in findings["reading"]["told"]


def test_what_doctor_recommends_can_be_pasted(flowtrail, tmp_path):
    looked = flowtrail("doctor", "--store", "sqlite:./my store", "--json")

    (mend,) = [each["mend"] for each in json.loads(looked.out) if each["what"] == "store"]
    assert shlex.split(mend.partition(": ")[2]) == ["flowtrail", "serve", "--store", "sqlite:./my store"]


def test_doctor_knows_what_a_misspelled_variable_was_to_be(flowtrail, monkeypatch):
    monkeypatch.setenv("FLOWTRAIL_REDACTIONS", "rules.json")
    monkeypatch.setenv("FLOWTRAIL_SPILL_DIRECTORY", "/tmp/spill")
    monkeypatch.setenv("FLOWTRAIL_OVERLOAD", "drop-oldest")
    monkeypatch.setenv("FLOWTRAIL_SERVICE_HOST", "10.0.0.1")

    looked = flowtrail("doctor", "--json")

    odd = [(each["told"], each["mend"]) for each in json.loads(looked.out) if each["what"] == "environment"]
    assert odd == [
        ("nobody reads FLOWTRAIL_REDACTIONS", "did you mean FLOWTRAIL_REDACTION?"),
        ("nobody reads FLOWTRAIL_SPILL_DIRECTORY", "did you mean FLOWTRAIL_SPILL_DIR?"),
    ]
    assert looked.code == 1


def test_doctor_sees_that_a_key_is_missing(flowtrail, monkeypatch):
    with serving("memory:", writing=True, api_key="a-long-secret") as url:
        looked = flowtrail("doctor", "--url", url)
        assert (looked.code, "FLOWTRAIL_API_KEY" in looked.out) == (1, True)

        monkeypatch.setenv("FLOWTRAIL_API_KEY", "a-long-secret")
        assert flowtrail("doctor", "--url", url).code == 0


def test_a_bench_on_a_store_that_it_would_empty_is_refused(flowtrail):
    answered = flowtrail("bench", "--store", "sqlite:./data")

    assert answered.code == 2
    assert "mongodb://" in answered.err


def test_doctor_knows_that_damaged_views_are_made_anew(flowtrail, tmp_path):
    (tmp_path / "x.ndjson").write_bytes(ndjson(story(NOW)))
    flowtrail("import", "records", "x.ndjson", "--store", "sqlite:./s")
    for path in (tmp_path / "s").glob("views.db*"):
        path.unlink()
    (tmp_path / "s" / "views.db").write_bytes(b"this is no database" * 1_000)

    looked = flowtrail("doctor", "--store", "sqlite:./s")

    assert looked.code == 1
    assert "remove views.db" in " ".join(looked.out.split())
