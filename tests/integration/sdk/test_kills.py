"""kill -9 of a host with a spill, at any instant: what it was told is recorded arrives, once."""

from urllib.parse import urlsplit

from tests.support.killed_hosts import KilledHosts
from tests.support.proxy import door_to
from tests.support.served import served

DEATHS = 5


def test_a_sample_of_deaths_loses_nothing_that_was_recorded(tmp_path):
    with served() as server:
        place = urlsplit(server.url)
        with door_to(place.hostname, place.port) as door:
            hosts = KilledHosts(server, door, tmp_path / "spill", seed=7)
            for _ in range(DEATHS):
                hosts.live_and_die()
            hosts.settle()

    assert hosts.deaths == DEATHS
    assert 0 < hosts.without_server < DEATHS
    assert len(hosts.recorded) > 100
