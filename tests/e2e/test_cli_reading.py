"""`flowtrail show`, `list` and `stats`: what they print, and what is answered to wrong words."""

import json
import shlex

import pytest

from tests.support.program import NOW
from tests.support.served import ndjson, transaction

pytestmark = pytest.mark.usefixtures("alone")


def test_show_tells_the_newest_failure_and_its_exception_first(flowtrail, told):
    shown = flowtrail("show", "4711", "--url", told.url)

    assert shown.code == 0
    order = [
        "order 4711  failed",
        "✘ deliver failed on attempt 2",
        "UnknownArticle",
        "KeyError",
        "TimeoutError",
    ]
    places = [shown.out.index(text) for text in [*order, "✔ receive", "the ERP refused the order"]]
    assert places == sorted(places)
    assert "░" in shown.out
    assert "█" in shown.out
    assert "waited 2.95 s, worked 420 ms, attempt 2" in shown.out
    assert "erp/client.py:88 in post_order" in shown.out


def test_show_names_the_predicate_of_a_skip_which_is_no_failure(flowtrail, told):
    shown = flowtrail("show", "4707", "--url", told.url)

    assert "skipped by allowed_country (not served): expected ['AT', 'CH', 'DE'], was AQ" in shown.out
    assert "✘" not in shown.out


@pytest.mark.parametrize("name", ["O'Brien", 'a "b" $HOME `x`'])
def test_the_list_that_show_recommends_can_be_pasted(flowtrail, told, name):
    order = {
        "kind": "transaction",
        "flow": "shop",
        "object_type": "order",
        "object_id": name,
        "created_at": NOW,
    }
    keys = [f"{len(name):031}{number}" for number in (1, 2)]
    told.client.wait_visible(told.client.records(ndjson([order | {"id": key} for key in keys]))["token"])

    shown = flowtrail("show", name, "--url", told.url)

    words = shlex.split(shown.err.partition("All: flowtrail ")[2])
    listed = json.loads(flowtrail(*words, "--json", "--url", told.url).out)["transactions"]
    assert sorted(each["id"] for each in listed) == keys


def test_what_is_not_found_is_told_shortly(flowtrail, told):
    answered = flowtrail("show", "x" * 3_000, "--url", told.url)

    assert (answered.code, len(answered.err) < 300) == (3, True)


def test_show_takes_ids_and_keys_and_says_when_more_match(flowtrail, told):
    by_id = json.loads(flowtrail("show", "4711", "--json", "--url", told.url).out)

    assert by_id["lineage"]["parents"] == []
    assert json.loads(flowtrail("show", by_id["id"].upper(), "--json", "--url", told.url).out) == by_id
    by_key = flowtrail("show", "C-1", "--url", told.url)
    assert by_key.code == 0
    assert "transactions match; this is the newest" in by_key.err


def test_show_takes_the_object_that_is_called_so_before_those_that_have_it_as_a_key(flowtrail, told):
    order = transaction(9_001, flow="shop", created_at=NOW)
    number = order["object_id"]
    items = [
        transaction(
            9_001 + item, flow="shop", object_type="item", keys={"order": number}, created_at=NOW + item
        )
        for item in (1, 2)
    ]
    told.client.wait_visible(told.client.records(ndjson([order, *items]))["token"])

    shown = flowtrail("show", number, "--url", told.url)

    assert shown.out.startswith(f"order {number} ")
    assert "3 transactions match; this is the newest that is called so. All: flowtrail list" in shown.err


@pytest.mark.parametrize("name", ["0AF7651916CD43DD8448EB211C80319C", "ab" * 15 + "cd"])
def test_show_finds_an_object_that_is_called_like_an_id(flowtrail, told, name):
    order = {
        "kind": "transaction",
        "id": f"{name[:8].lower()}{1:024}",
        "flow": "shop",
        "object_type": "order",
    }
    answer = told.client.records(ndjson([{**order, "object_id": name, "created_at": NOW}]))
    told.client.wait_visible(answer["token"])

    shown = json.loads(flowtrail("show", name, "--json", "--url", told.url).out)

    assert (shown["id"], shown["object_id"]) == (order["id"], name)


@pytest.mark.parametrize("wanted", ["4799", "f" * 32])
def test_what_is_not_there_ends_with_3(flowtrail, told, wanted):
    shown = flowtrail("show", wanted, "--url", told.url)

    assert (shown.code, shown.out) == (3, "")
    assert shown.err.startswith("flowtrail: ")


@pytest.mark.parametrize("command", ["show", "list", "tail", "export"])
def test_bytes_that_are_no_text_are_told_as_such(flowtrail, told, command):
    answered = flowtrail(command, "47\udcff11", "--url", told.url)

    assert (answered.code, answered.out) == (2, "")
    assert answered.err == "flowtrail: '47\\udcff11' is no text in the encoding of this terminal\n"


def test_show_tells_every_execution_of_a_long_transaction(flowtrail, told):
    key = "ab" * 16
    opened = {"kind": "transaction", "id": key, "flow": "long", "object_type": "batch", "object_id": "long"}
    steps = [
        {"kind": "block", "transaction": key, "id": f"{n:016x}", "block": f"b{n}", "started_at": NOW + n}
        for n in range(1, 1_101)
    ]
    answer = told.client.records(ndjson([{**opened, "created_at": NOW}, *steps]))
    told.client.wait_visible(answer["token"])

    shown = flowtrail("show", "long", "--url", told.url)

    assert " b1 " in shown.out
    assert " b1100 " in shown.out


def test_foreign_text_cannot_drive_the_terminal(flowtrail, told):
    key = "cd" * 16
    record = {
        "kind": "transaction",
        "id": key,
        "flow": "\x1b[2Jflow",
        "object_type": "order",
        "object_id": "\x1b]0;x\x9b2J",
    }
    answer = told.client.records(ndjson([{**record, "created_at": NOW}]))
    told.client.wait_visible(answer["token"])

    for words in (["show", key], ["list", "-flow:shop-to-erp"], ["stats"]):
        for more in ([], ["--json"]):
            printed = flowtrail(*words, *more, "--url", told.url)
            assert printed.code == 0
            assert not {"\x1b", "\x9b"} & set(printed.out)
    assert (
        json.loads(flowtrail("show", key, "--json", "--url", told.url).out)["object_id"]
        == record["object_id"]
    )


def test_list_takes_queries_with_hyphens_and_limits(flowtrail, told):
    everything = flowtrail("list", "flow:shop-to-erp", "--url", told.url)
    others = flowtrail("list", "flow:shop-to-erp", "-status:delivered", "--url", told.url)
    one = flowtrail("list", "flow:shop-to-erp", "--limit", "1", "--json", "--url", told.url)

    assert everything.out.count("\n") == 16
    assert {line.split()[3] for line in others.out.splitlines()[1:]} == {"4707", "4711"}
    assert len(json.loads(one.out)["transactions"]) == 1
    assert json.loads(one.out)["total"] == 15


def test_stats_of_an_empty_store_say_so(flowtrail, tmp_path):
    (tmp_path / "log").write_text("")
    flowtrail("import", "records", "log", "--store", f"sqlite:{tmp_path}/empty")

    told = flowtrail("stats", "--store", f"sqlite:{tmp_path}/empty")

    assert (told.code, told.err) == (0, "nothing is counted yet\n")


def test_stats_by_status_shows_no_counts_that_nobody_made(flowtrail, told):
    shown = flowtrail("stats", "flow:shop-to-erp", "--group-by", "status", "--url", told.url)

    header, *rows = shown.out.splitlines()
    assert header.split()[:3] == ["STATUS", "COUNT", "FAILED"]
    assert all(len(row.split()) == 2 for row in rows), shown.out
    assert "failed" in [row.split()[0] for row in rows]


@pytest.mark.parametrize("grouping", ["stage", "exception", "flow,predicate"])
def test_stats_by_what_only_executions_have_count_executions(flowtrail, told, grouping):
    shown = flowtrail("stats", "flow:shop-to-erp", "--group-by", grouping, "--url", told.url)
    asked = flowtrail("stats", "flow:shop-to-erp", "--group-by", grouping, "--json", "--url", told.url)

    header, *rows = shown.out.splitlines()
    names = grouping.upper().split(",")
    assert header.split()[: len(names) + 1] == [*names, "COUNT"]
    buckets = json.loads(asked.out)["buckets"]
    counts = [(bucket.get("executions") or bucket["transactions"])["arrivals"] for bucket in buckets]
    assert [int(row.split()[len(names)]) for row in rows] == counts
    assert [row.split()[len(names) - 1] for row in rows].count("(whole)") == 1


def test_stats_shows_blocks_and_flows(flowtrail, told):
    by_block = flowtrail("stats", "flow:shop-to-erp", "--url", told.url)
    by_flow = flowtrail("stats", "flow:shop-to-erp", "--group-by", "flow", "--url", told.url)
    as_json = flowtrail("stats", "flow:shop-to-erp", "--group-by", "block", "--json", "--url", told.url)

    assert [line.split()[1] for line in by_block.out.splitlines()[1:]] == [
        "deliver", "map", "receive", "validate", "(whole)"
    ]  # fmt: skip
    assert by_flow.out.splitlines()[1].split()[:4] == ["shop-to-erp", "15", "1", "1"]
    assert {bucket["group"]["block"] for bucket in json.loads(as_json.out)["buckets"]} >= {"map", "deliver"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["list", "statu:failed"], 2, "statu"),
        (["list", "--lmit", "3"], 2, "--lmit"),
        (["list", "--limit", "0"], 2, "--limit"),
        (["list", "--limit", "many"], 2, "many"),
        (["list", "--from", "yesterday-ish"], 2, "from"),
        (["list", "--sort", "size"], 2, "sort"),
        (["stats", "--step", "fortnight"], 2, "step"),
        (["show", " "], 2, "name a transaction"),
        (["shw"], 2, "shw"),
        (["tail", "is:late"], 2, "live"),
    ],
)
def test_wrong_words_are_answered_with_a_sentence_and_2(flowtrail, told, words, code, said):
    answered = flowtrail(*words, *(["--url", told.url] if words[0] != "shw" else []))

    assert answered.code == code
    assert said in answered.err
    assert answered.out == ""
