"""A sample of the random scripts of hostile servers; two thousand are in `tests/torture/test_hostile_servers.py`."""

from concurrent.futures import ThreadPoolExecutor

from tests.support.scripts import play

SCRIPTS = 16


def test_a_sample_of_random_scripts_of_a_hostile_server_shows_nothing():
    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(play, range(SCRIPTS)))

    assert sum(outcome.accepted for outcome in outcomes) > 0
    assert sum(outcome.dropped for outcome in outcomes) > 0
    # Two seconds are allowed; on a busy machine the rest of it is not ours.
    assert max(outcome.delay_s for outcome in outcomes) < 6
