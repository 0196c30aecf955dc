"""Tables on a terminal that is too narrow for all of their columns."""

import json
import re
from types import SimpleNamespace

import pytest

from flowtrail.cli.console import answers
from flowtrail.cli.target import Client
from flowtrail.server.run import serving
from tests.support.program import NOW
from tests.support.served import ndjson

pytestmark = pytest.mark.usefixtures("alone")

KEY = "0" * 31 + "1"


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """A server that knows an order with names as they are in practice, of a producer that lost a record."""
    who = {"producer": "shop-1/7f3a"}
    order = {
        "kind": "transaction",
        "id": KEY,
        "flow": "shop-to-erp",
        "object_type": "order",
        "object_id": "4711",
    }
    block = {"kind": "block", "transaction": KEY, "id": "0" * 15 + "1", "block": "validate", "queued_at": NOW}
    told = [order | {"created_at": NOW, "seq": 1} | who]
    told += [block | {"started_at": NOW + 500_000, "ended_at": NOW + 900_000, "seq": 3} | who]
    with serving(f"sqlite:{tmp_path_factory.mktemp('named')}/store", writing=True) as url:
        client = Client(url, None)
        client.wait_visible(client.records(ndjson(told))["token"])
        yield SimpleNamespace(url=url)


@pytest.fixture
def width(monkeypatch):
    def narrowed(columns):
        monkeypatch.setattr(answers, "_width", columns)

    return narrowed


@pytest.mark.parametrize("columns", [50, 60, 70, 80, 110, 150])
@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["list"], ["order 4711"]),
        (["stats"], ["shop-to-erp", "validate"]),
        (["stats", "--group-by", "flow"], ["shop-to-erp"]),
        (["producers"], ["shop-1/7f3a", "missing 2"]),
    ],
)
def test_the_names_of_things_can_be_read(flowtrail, named, width, columns, words, names):
    width(columns)

    lines = flowtrail(*words, "--url", named.url).out.splitlines()

    assert max(map(len, lines)) <= columns
    assert [name for name in names if not any(name in line for line in lines)] == []


def test_what_is_left_out_first_is_what_is_missed_least(flowtrail, named, width):
    def titles(*words):
        return flowtrail(*words, "--url", named.url).out.splitlines()[0]

    width(80)
    assert titles("list").split() == ["OPENED", "(UTC)", "OBJECT", "FLOW", "STATUS", "BLOCK", "DURATION"]
    assert "WAIT P50" in titles("stats")
    assert "WORK P99" not in titles("stats")
    width(1_000)
    assert titles("list").split()[-1] == "ID"
    assert "WORK P99" in titles("stats")


@pytest.mark.parametrize("words", [["list"], ["producers"], ["stats", "--step", "1h"]])
def test_a_table_says_which_zone_its_instants_are_in(flowtrail, named, words):
    titles, row = flowtrail(*words, "--url", named.url).out.splitlines()[:2]

    assert re.search(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}", row)
    assert "(UTC)" in titles


def test_json_is_whole_on_any_terminal(flowtrail, named, width):
    width(20)

    (row,) = json.loads(flowtrail("list", "--json", "--url", named.url).out)["transactions"]

    assert row["id"] == KEY
