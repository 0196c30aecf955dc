"""`flowtrail check`, `rebuild`, `doctor` and `bench`: what keeps a store well."""

import json

import pytest

from flowtrail.server.run import serving
from flowtrail.simulator.story import story
from tests.support.program import NOW
from tests.support.served import ndjson

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


@pytest.mark.parametrize(
    ("words", "mend"),
    [
        ([], "flowtrail serve"),
        (["--store", "sqlite:./nothing"], "flowtrail serve --store sqlite:./nothing"),
        (["--store", "postgres:x"], "sqlite:DIRECTORY"),
        (["--url", "http://127.0.0.1:1"], "flowtrail serve"),
    ],
)
def test_doctor_says_what_is_wrong_and_how_to_mend_it(flowtrail, words, mend):
    looked = flowtrail("doctor", *words)

    assert looked.code == 1
    assert "BAD" in looked.out
    assert mend in looked.out


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
