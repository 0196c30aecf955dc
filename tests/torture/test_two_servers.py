"""Two servers on one MongoDB, both killed again and again: one truth, and a listener who misses nothing."""

import time
from random import Random

import pytest

from flowtrail.ledger.check import check
from flowtrail.storage import open_store
from tests.support.live import LiveReader
from tests.support.producers import Producer
from tests.support.server import Server
from tests.support.stories import bodies, story
from tests.support.views import differences, expected, seen

pytestmark = pytest.mark.mongodb
PATIENCE_S = 120.0


def tortured(url, folder, seed, deaths, transactions):
    random = Random(seed)
    servers = [Server(url, folder / f"server-{n}.log", TEST_LEASE_S="1.0") for n in range(2)]
    try:
        for server in servers:
            server.start()
        listener = LiveReader([server.url for server in servers])
        listener.start()
        assert listener.connected.wait(30)
        records = []
        for number in range(deaths):
            told = story(seed * 100 + number, transactions)
            records += told
            round_of_death(random, servers, told)
            if number % 5 == 4:
                servers[number % 2].kill("projector")
        settle(url, servers, listener, records)
        return listener
    finally:
        for server in servers:
            server.kill("all")


def round_of_death(random, servers, told):
    """Records of each transaction go to either server; both are killed while they come."""
    parts = [[], []]
    for record in told:
        random.choice(parts).append(record)
    producers = [
        Producer(bodies(part, 10), lambda server=server: server.url, 0.02)
        for part, server in zip(parts, servers, strict=True)
    ]
    for producer in producers:
        producer.start()
    for server in random.sample(servers, 2):
        time.sleep(random.random() * 0.3)
        server.kill("all")
    for server, producer in zip(servers, producers, strict=True):
        while producer.is_alive():
            server.ensure()
            producer.join(0.05)
        producer.done()
        server.ensure()


def settle(url, servers, listener, records):
    last = story(4_001, 1)
    records += last
    producer = Producer(bodies(last, 100), lambda: servers[0].url)
    producer.start()
    producer.done()
    until = time.monotonic() + PATIENCE_S
    while servers[1].get("/v1/transactions", after=producer.token, page_size=1).status_code != 200:
        assert time.monotonic() < until, servers[0].said() + servers[1].said()
    store = open_store(url, create=False)
    try:
        report = check(store)
        assert report.ok, report.lines()
        assert differences(seen(store), expected(records)) == []
    finally:
        store.close()
    items = listed(servers[0])
    while listener.items != items and time.monotonic() < until:
        time.sleep(0.1)
    listener.stop()
    stale = [key for key, item in items.items() if listener.items.get(key) != item]
    assert stale == [], f"{len(stale)} of {len(items)} were not told as they are, such as {stale[:3]}"
    assert listener.items.keys() == items.keys()
    assert listener.events["reset"] == 0


def listed(server):
    items, token = {}, None
    while True:
        parameters = {"page_token": token} if token else {}
        page = server.get("/v1/transactions", page_size=1_000, **parameters).json()
        items |= {item["id"]: item for item in page["transactions"]}
        token = page["next_page_token"]
        if token is None:
            return items


@pytest.mark.torture
def test_two_servers_that_are_both_killed_twenty_times_are_one_and_a_listener_misses_nothing(
    mongodb_url, tmp_path
):
    listener = tortured(mongodb_url, tmp_path, seed=7, deaths=20, transactions=40)

    print(dict(listener.events), f"{listener.connections} connections")
    assert listener.connections > 5


def test_two_servers_that_are_both_killed_are_one_and_a_listener_misses_nothing(mongodb_url, tmp_path):
    tortured(mongodb_url, tmp_path, seed=8, deaths=2, transactions=15)
