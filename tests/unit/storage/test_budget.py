"""How long a page and its total may take."""

import pytest

from flowtrail.storage import budget as budgets
from flowtrail.storage.budget import Budget


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

    monkeypatch.setattr(budgets, "monotonic_s", lambda: Clock.now)
    return Clock


def test_without_seconds_there_is_all_the_time(clock):
    budget = Budget(None)
    clock.now += 1e9

    assert not budget.over
    assert not budget.hopeless(1, 1_000_000)


def test_it_is_over_when_its_seconds_are(clock):
    budget = Budget(0.1)
    clock.now += 0.09
    assert not budget.over

    clock.now += 0.02

    assert budget.over
    assert budget.hopeless(1_000, None)


@pytest.mark.parametrize(("whole", "hopeless"), [(4_000, False), (6_000, True)])
def test_what_will_not_end_in_time_is_hopeless_before_the_time_is_over(clock, whole, hopeless):
    budget = Budget(0.1)
    clock.now += 0.02

    assert budget.hopeless(1_000, whole) is hopeless


def test_the_first_moments_tell_nothing(clock):
    budget = Budget(0.1)
    clock.now += 0.009

    assert not budget.hopeless(1, 1_000_000)
