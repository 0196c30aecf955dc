"""Two hundred deaths of hosts with a spill; the sample is `tests/integration/sdk/test_kills.py`."""

from urllib.parse import urlsplit

import pytest

from tests.support.killed_hosts import KilledHosts
from tests.support.proxy import door_to
from tests.support.served import served

DEATHS = 200
SETTLE_EVERY = 40


@pytest.mark.torture
def test_two_hundred_deaths_of_hosts_lose_nothing_that_was_recorded(tmp_path):
    with served() as server:
        place = urlsplit(server.url)
        with door_to(place.hostname, place.port) as door:
            hosts = KilledHosts(server, door, tmp_path / "spill", seed=20_26)
            for number in range(1, DEATHS + 1):
                hosts.live_and_die()
                if number % SETTLE_EVERY == 0:
                    hosts.settle()

    assert hosts.deaths == DEATHS
    print(
        f"{hosts.deaths} deaths, {hosts.without_server} without a server, {len(hosts.recorded)} recorded, 0 lost"
    )
