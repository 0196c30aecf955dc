"""A host shows the same with us as without us, however it lives and ends; and what it said arrives, where it can."""

import socket

import pytest

from tests.support.ends import LIVES, arrives, program
from tests.support.faults import until
from tests.support.hostile import hostile
from tests.support.hosts import run
from tests.support.served import served

WITHOUT_A_SERVER = [
    "to the end",
    "threads",
    "a fork that ends like a program",
    "multiprocessing by fork",
    "asyncio",
]


@pytest.fixture(scope="module")
def server():
    """One for all, each program being a flow of its own."""
    with served() as running:
        yield running


def arrived(server, flow):
    return server.get("/v1/transactions", q=f"flow:{flow}", count="exact", page_size="1").json()["total"]


def accounts(server, told):
    rows = {row["producer"]: row for row in server.get("/v1/producers", page_size="1000").json()["producers"]}
    return [rows[each["producer"]] for each in told if each["produced"]]


@pytest.mark.parametrize("name", LIVES)
def test_a_host_shows_the_same_and_what_it_said_arrives(server, name):
    flow = name.replace(" ", "-")
    without = run(program(name))

    ran = run(program(name), url=server.url, flow=flow)

    assert ran.shown == without.shown
    for told in ran.told:
        assert told["produced"] == told["accepted"] + sum(told["dropped"].values()), told
        assert (told["pending"], told["rejected"], told["tasks"] - told["threads"]) == (0, {}, 0), told
    if (expected := arrives(name)) is not None:
        until(lambda: arrived(server, flow) >= expected)
        assert arrived(server, flow) == expected
        assert [told["dropped"] for told in ran.told if told["dropped"]] == []
    for row in accounts(server, ran.told):
        assert (row["verdict"], row["missing"]) == ("complete", 0)


@pytest.mark.parametrize("name", WITHOUT_A_SERVER)
def test_a_host_shows_the_same_when_nobody_listens(name):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        ran = run(program(name), url=f"http://127.0.0.1:{unused.getsockname()[1]}")

    assert ran.shown == run(program(name)).shown
    assert all(told["produced"] == told["dropped"].get("exit", 0) for told in ran.told)


def test_a_host_whose_server_hangs_is_delayed_by_no_more_than_the_time_for_an_exit():
    with hostile(["hang"]) as server:
        ran = run(program("threads"), url=server.url, FLOWTRAIL_EXIT_S="0.5")

    assert ran.shown == run(program("threads")).shown
    assert [told["dropped"] for told in ran.told] == [{"exit": 240}]
    # Ten seconds is what the request may take; the true figure is printed by the torture.
    assert ran.seconds < 9
