"""A host shows the same with us as without us, however it lives and ends; and what it said arrives, where it can."""

import socket
from functools import cache

import pytest

from tests.support.ends import LIVES, arrives, program
from tests.support.faults import until
from tests.support.hostile import hostile
from tests.support.hosts import is_counted_right, run
from tests.support.served import served

WITH_A_SPILL = {
    "to the end": 20,
    "os._exit": 20,
    "SIGTERM": 20,
    "SIGKILL": 20,
    "exec": 10,
    "a fork that ends at once": 11,
    "a fork that ends like a program": 30,
    "forks while everything is busy": 4 * 300 + 8 * 10,
    "a fork from a thread": 2,
    "a pool that is thrown away": 20,
    "multiprocessing by spawn": 21,
}
"""How many objects of each arrive in the end: all."""
UNHURRIED = {"FLOWTRAIL_EXIT_S": "20"}
"""The last words of a process are heard however busy the machine is; how long an end takes is for the torture."""
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


@cache
def alone(name):
    """The same without us."""
    return run(program(name))


def arrived(server, flow):
    return server.get("/v1/transactions", q=f"flow:{flow}", count="exact", page_size="1").json()["total"]


def accounts(server, told):
    """What the server says of each session, beside what the session says."""
    sessions = {each["producer"]: each for each in told if each["accepted"]}

    def rows():
        found = server.get("/v1/producers", page_size="1000").json()["producers"]
        return [row for row in found if row["producer"] in sessions and row["report"]]

    until(
        lambda: len(rows()) == len(sessions),
        lacking=lambda: [sessions[lost] for lost in sessions.keys() - {row["producer"] for row in rows()}],
    )
    return [(row, sessions[row["producer"]]) for row in rows()]


@pytest.mark.parametrize("name", LIVES)
def test_a_host_shows_the_same_and_what_it_said_arrives(server, name):
    flow = name.replace(" ", "-")
    ran = run(program(name), url=server.url, flow=flow, **UNHURRIED)

    assert ran.shown == alone(name).shown
    for told in ran.told:
        assert told["produced"] == told["accepted"] + sum(told["dropped"].values()), told
        assert (told["pending"], told["rejected"], told["tasks"] - max(told["threads"], 1)) == (0, {}, 0), (
            told
        )
        assert is_counted_right(told, 4 * ("daemon" in name)), told
    if (expected := arrives(name)) is not None:
        until(lambda: arrived(server, flow) >= expected)
        assert arrived(server, flow) == expected
        assert [told["dropped"] for told in ran.told if told["dropped"]] == []
    for row, told in accounts(server, ran.told):
        # Who says more than memory holds loses some of it, which the server is told, but for what came after the end.
        assert row["verdict"] == "complete" or told["dropped"], (row, told)
        assert row["missing"] == 0, (row, told)


@pytest.mark.parametrize("name", WITH_A_SPILL)
def test_a_host_with_a_spill_shows_the_same_and_loses_nothing_however_it_ends(server, tmp_path, name):
    flow = name.replace(" ", "-") + "-spilled"
    spill = tmp_path / "spill"
    # What never ends by itself is sent by the next process, which says nothing more.
    heir = """
    work(10_000)
    until = time.monotonic() + 30
    while len([each for each in os.listdir(os.environ["FLOWTRAIL_SPILL_DIR"]) if each.endswith(".lock")]) > 1:
        assert time.monotonic() < until
        time.sleep(0.01)
    """

    ran = run(program(name), url=server.url, flow=flow, FLOWTRAIL_SPILL_DIR=str(spill), **UNHURRIED)
    assert ran.shown == alone(name).shown
    for told in ran.told:
        assert is_counted_right(told), told
        assert told["produced"] == told["accepted"] + told["pending"], told
    last = run(heir, url=server.url, flow=flow, FLOWTRAIL_SPILL_DIR=str(spill), **UNHURRIED)

    assert last.code == 0, last.errors.decode()
    assert list(spill.iterdir()) == []
    expected = WITH_A_SPILL[name] + 1
    until(lambda: arrived(server, flow) >= expected)
    assert arrived(server, flow) == expected
    rows = server.get("/v1/producers", page_size="1000").json()["producers"]
    assert [row for row in rows if row["missing"] or row["rejected"]] == []


@pytest.mark.parametrize("name", WITHOUT_A_SERVER)
def test_a_host_shows_the_same_when_nobody_listens(name):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        ran = run(program(name), url=f"http://127.0.0.1:{unused.getsockname()[1]}")

    assert ran.shown == alone(name).shown
    assert all(told["produced"] == told["dropped"].get("exit", 0) for told in ran.told)


def test_a_host_whose_server_hangs_is_delayed_by_no_more_than_the_time_for_an_exit():
    with hostile(["hang"]) as server:
        ran = run(program("threads"), url=server.url, FLOWTRAIL_EXIT_S="0.5")

    assert ran.shown == alone("threads").shown
    assert [told["dropped"] for told in ran.told] == [{"exit": 240}]
    # Ten seconds is what the request may take; the true figure is printed by the torture.
    assert ran.seconds < 9


def test_a_name_that_is_never_resolved_delays_an_end_no_longer():
    stuck = """
    import socket
    socket.getaddrinfo = lambda *_, **__: time.sleep(60)
    for number in range(20): work(number)
    print("done")
    """

    ran = run(stuck, url="http://flowtrail.invalid:1", FLOWTRAIL_EXIT_S="0.5")

    assert (ran.code, ran.output, ran.errors) == (0, b"done\n", b"")
    assert ran.seconds < 20
    assert [told["dropped"] for told in ran.told] == [{"exit": 60}]
