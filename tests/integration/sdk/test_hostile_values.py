"""A host that gives us what it should never have given: it shows the same as without us, and the count is exact."""

from tests.support.hostile_values import PROGRAM
from tests.support.hosts import run
from tests.support.served import served


def test_a_sample_of_hostile_values_shows_nothing():
    values = {"TEST_SEED": "1", "TEST_VALUES": "60"}
    without = run(PROGRAM, **values)

    with served() as server:
        ran = run(PROGRAM, url=server.url, **values)

    assert without.code == 3, without.errors.decode()
    assert ran.shown == without.shown, ran.errors.decode()[-3_000:]
    (told,) = ran.told
    assert told["produced"] == told["accepted"] > 60, told
    assert (told["rejected"], told["dropped"], told["pending"]) == ({}, {}, 0)
