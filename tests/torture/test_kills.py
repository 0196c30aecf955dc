"""kill -9 of server and projector, at random instants and at every named point of a record's path."""

import pytest

from tests.torture.kills import INTAKE, PROJECTING, SWITCHING, Torture

DEATHS = 200
SETTLE_EVERY = 25


@pytest.fixture(params=["sqlite", pytest.param("mongodb", marks=pytest.mark.mongodb)])
def torture(request, tmp_path):
    """A server on a fresh store, with a trap."""
    url = (
        f"sqlite:{tmp_path / 'store'}"
        if request.param == "sqlite"
        else request.getfixturevalue("mongodb_url")
    )
    torture = Torture(url, tmp_path, seed=20_26)
    torture.server.start()
    yield torture
    torture.server.kill("all")


@pytest.mark.torture
def test_two_hundred_deaths_lose_nothing_and_count_nothing_twice(torture):
    plan = list(torture.plan(DEATHS - 2 * len(SWITCHING)))
    for number, (how, what) in enumerate(plan, 1):
        torture.round(how, what)
        if number % SETTLE_EVERY == 0:
            torture.settle()
    for point in SWITCHING * 2:
        torture.rebuild(point)
        torture.round("instant", "projector")
    torture.rebuild(None)
    torture.settle()

    assert sum(torture.deaths.values()) >= DEATHS
    assert {f"point {name}" for name in (*INTAKE, *PROJECTING, *SWITCHING)} <= set(torture.deaths)
    print(
        dict(torture.deaths),
        f"{torture.under_load} instants under load",
        f"{torture.unknown} attempts unanswered",
    )


def test_a_sample_of_deaths_loses_nothing_and_counts_nothing_twice(torture):
    for how, what in [
        ("point", "appended"),
        ("point", "inside_write"),
        ("point", "written"),
        ("instant", "all"),
    ]:
        torture.round(how, what)
    torture.rebuild("before_switch")
    torture.settle()

    assert sum(torture.deaths.values()) == 5
