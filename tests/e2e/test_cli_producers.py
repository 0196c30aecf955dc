"""`flowtrail producers`: what is missing of whom, and what it says when there is nothing to say."""

import json
from types import SimpleNamespace

import pytest

from flowtrail.cli.target import Client
from flowtrail.server.run import serving
from tests.support.program import NOW
from tests.support.served import ndjson

pytestmark = pytest.mark.usefixtures("alone")


@pytest.fixture(scope="module")
def numbered(tmp_path_factory):
    """A server that heard of four sessions, of which two lost something."""
    store = f"sqlite:{tmp_path_factory.mktemp('numbered')}/store"

    def said(producer, *seqs):
        order = {
            "kind": "transaction",
            "flow": "f",
            "object_type": "order",
            "id": "0" * 31 + "1",
            "object_id": "1",
        }
        return [order | {"created_at": NOW, "producer": producer, "seq": seq} for seq in seqs]

    report = {"kind": "report", "at": NOW, "producer": "till-7/a\x1b[31m", "seq": 2, "produced": 9, "sent": 2}
    with serving(store, writing=True) as url:
        client = Client(url, None)
        told = [*said("shop-1/a", 1, 2, 6, 8, 10, 12), *said("shop-1/b", 1), *said("shop/a", 1, 2)]
        told += [*said(report["producer"], 1), report | {"dropped": {"full": 4}}]
        client.wait_visible(client.records(ndjson(told))["token"])
        yield SimpleNamespace(url=url, store=store)


def test_producers_shows_what_is_missing_of_whom(flowtrail, numbered):
    shown = flowtrail("producers", "--url", numbered.url)

    assert shown.code == 0
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in shown.out.splitlines()}
    assert rows["shop-1/a"].startswith("gaps 6 6 0 0 ")
    assert rows["shop-1/a"].endswith("missing 3–5, 7, 9, …")
    assert rows["shop-1/b"].startswith("complete 1 0 0 0 ")
    assert rows["till-7/a�[31m"].endswith("dropped 4 (full); 3 not sent yet when it last reported")
    assert "\x1b" not in shown.out
    assert "4 shown of 4 sessions; in all 6 missing, 4 dropped" in shown.err

    assert len(flowtrail("producers", "shop-1", "--url", numbered.url).out.splitlines()) == 3
    assert len(flowtrail("producers", "--verdict", "gaps,lost", "--url", numbered.url).out.splitlines()) == 3
    cut = flowtrail("producers", "--limit", "1", "--url", numbered.url)
    assert (len(cut.out.splitlines()), "there are more: --limit" in cut.err) == (2, True)


def test_producers_gives_the_apis_answer_of_a_server_and_of_its_store(flowtrail, numbered):
    asked = flowtrail("producers", "--json", "--url", numbered.url)
    again = flowtrail("producers", "--json", "--store", numbered.store)

    told = json.loads(asked.out)
    names = ["shop-1/a", "shop-1/b", "shop/a", "till-7/a\x1b[31m"]
    assert [each["producer"] for each in told["producers"]] == names
    assert told["totals"]["missing"] == 6
    assert told["next_page_token"] is None
    gaps = [each["gaps"] for each in told["producers"]]
    assert [each["gaps"] for each in json.loads(again.out)["producers"]] == gaps


def test_producers_refuses_what_cannot_be_meant_and_says_when_there_are_none(flowtrail, numbered, told):
    wrong = flowtrail("producers", "--verdict", "fine", "--url", numbered.url)
    assert (wrong.code, "gaps, lost, silent, complete" in wrong.err) == (2, True)
    assert flowtrail("producers", "--limit", "0", "--url", numbered.url).code == 2

    assert "no producer has numbered its records" in flowtrail("producers", "--url", told.url).err


@pytest.mark.parametrize("words", [(), ("--json",), ("--verdict", "gaps")])
def test_a_producer_that_nobody_heard_of_is_not_found(flowtrail, numbered, told, words):
    for url in (numbered.url, told.url):
        answered = flowtrail("producers", "shpo", *words, "--url", url)

        assert (answered.code, answered.out) == (3, "")
        assert (
            answered.err
            == "flowtrail: no producer is called 'shpo', and no session either; without a name all are shown\n"
        )


def test_a_known_producer_without_such_a_verdict_is_found(flowtrail, numbered):
    answered = flowtrail("producers", "shop", "--verdict", "gaps", "--url", numbered.url)

    assert (answered.code, answered.out) == (0, "")
    assert "0 shown of 4 sessions" in answered.err
