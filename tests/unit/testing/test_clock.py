"""The clock that a test sets."""

import math
from fractions import Fraction

import pytest

import flowtrail as sdk
from flowtrail.model import clock
from flowtrail.model.errors import Refusal
from flowtrail.testing import FakeClock

ODD = [
    (-5, "-5"),
    (-1e-9, "-1e-09"),
    (math.nan, "nan"),
    (math.inf, "inf"),
    (-math.inf, "-inf"),
    (1e12, "1000000000000.0"),
    (1 << 5_000, "…[cut: an integer of 5001 bits]"),
    ("5", "'5'"),
    (None, "None"),
    (True, "True"),
    ([5], "…[cut: a list of 1]"),
    (1j, "1j"),
]


def test_durations_are_exact_to_the_microsecond(flowtrail, flowtrail_clock):
    spans = [0.000001, 0.1, 1.0, 59.999999, 86_400.123457]
    with sdk.transaction("order", "4711") as order:
        for number, span in enumerate(spans):
            with order.block(f"{number}"):
                flowtrail_clock.advance(span)

    assert [block["work_s"] for block in flowtrail.find("4711").blocks] == spans
    assert flowtrail.find("4711").found["created_at"] == "2026-11-23T10:00:00.000000Z"


def test_it_is_set_to_an_instant():
    with FakeClock("2030-01-01T00:00:00Z") as fake:
        assert clock.now_us() == 1_893_456_000_000_000
        fake.set("2030-01-02T00:00:00Z")
        assert fake.now == "2030-01-02T00:00:00.000000Z"

    assert clock.now_us() != fake.now_us()


def test_a_deadline_counts_from_the_clock_that_was_set(flowtrail, flowtrail_clock):
    with sdk.transaction("order", "4711", deadline=60):
        pass

    assert flowtrail.find("4711").found["deadline_at"] == "2026-11-23T10:01:00.000000Z"


def test_the_real_clock_is_back_even_after_a_failure():
    real = (clock.now_s, clock.now_us)
    with pytest.raises(ZeroDivisionError), FakeClock():
        _ = 1 // 0

    assert (clock.now_s, clock.now_us) == real


def test_the_real_clock_is_back_however_often_it_was_installed():
    real = (clock.now_s, clock.now_us)
    fake = FakeClock().install()
    with fake:
        assert clock.now_us() == fake.now_us()
    fake.restore()

    assert (clock.now_s, clock.now_us) == real


@pytest.mark.parametrize(("odd", "came"), ODD, ids=[came for _, came in ODD])
def test_seconds_that_are_none_are_refused_with_what_came_and_what_is_allowed(odd, came):
    fake = FakeClock("2026-11-23T10:00:00Z")

    with pytest.raises(Refusal) as refused:
        fake.advance(odd)

    allowed = "a number of seconds from 0 on, to an instant before 2200"
    assert str(refused.value) == f"seconds cannot be {came}; allowed: {allowed}"
    assert refused.value.field == "seconds"
    assert fake.now == "2026-11-23T10:00:00.000000Z"


def test_seconds_of_any_real_kind_pass_and_none_do_too():
    fake = FakeClock("2026-11-23T10:00:00Z")

    for seconds in (0, 1, 0.25, Fraction(3, 4)):
        fake.advance(seconds)

    assert fake.now == "2026-11-23T10:00:02.000000Z"
