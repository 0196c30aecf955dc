from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail.model.errors import Refusal
from flowtrail.model.instants import format_instant, parse_duration, parse_instant
from flowtrail.model.limits import NEWEST_INSTANT_US, OLDEST_INSTANT_US

instants = st.integers(OLDEST_INSTANT_US, NEWEST_INSTANT_US - 1)


def code_of(value):
    with pytest.raises(Refusal) as caught:
        parse_instant(value, "created_at")
    assert caught.value.field == "created_at"
    return caught.value.code


def test_an_instant_is_written_with_six_digits_and_z():
    assert format_instant(1_795_428_000_000_120) == "2026-11-23T10:00:00.000120Z"
    assert format_instant(1_795_428_000_000_000) == "2026-11-23T10:00:00.000000Z"


@given(instants)
def test_what_is_written_reads_back_exactly(us):
    assert parse_instant(format_instant(us), "at") == us
    assert parse_instant(us, "at") == us


@given(instants, st.integers(-1_439, 1_439))
def test_an_offset_says_the_same_instant(us, minutes):
    zone = timezone(timedelta(minutes=minutes))
    local = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)

    assert parse_instant(local.astimezone(zone).isoformat(timespec="microseconds"), "at") == us


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("2026-11-23T10:00:00Z", 1_795_428_000_000_000),
        ("2026-11-23t10:00:00z", 1_795_428_000_000_000),
        ("2026-11-23 10:00:00Z", 1_795_428_000_000_000),
        ("2026-11-23T10:00:00.1Z", 1_795_428_000_100_000),
        ("2026-11-23T10:00:00.123456999Z", 1_795_428_000_123_456),
        ("2026-11-23T12:00:00+02:00", 1_795_428_000_000_000),
        ("2026-11-23T10:00:00-00:00", 1_795_428_000_000_000),
    ],
)
def test_every_form_of_rfc_3339_is_read(text, us):
    assert parse_instant(text, "at") == us


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("2026-11-23T10:00:00", "naive_instant"),
        ("2026-11-23", "invalid_instant"),
        ("2026-11-23T10:00Z", "invalid_instant"),
        ("2026-11-23T10:00:00,5Z", "invalid_instant"),
        ("2026-11-23T10:00:00.Z", "invalid_instant"),
        ("2026-11-23T10:00:00.1234567890Z", "invalid_instant"),
        ("2026-13-01T10:00:00Z", "invalid_instant"),
        ("2026-02-29T10:00:00Z", "invalid_instant"),
        ("2026-11-23T24:00:00Z", "invalid_instant"),
        ("2026-11-23T23:59:60Z", "invalid_instant"),
        ("2026-11-23T10:00:00+24:00", "invalid_instant"),
        ("2026-11-23T10:00:00+0200", "invalid_instant"),
        ("2026-W48-1T10:00:00Z", "invalid_instant"),
        ("２０26-11-23T10:00:00Z", "invalid_instant"),
        ("2026-11-23T10:00:00Z\n", "invalid_instant"),
        (" 2026-11-23T10:00:00Z", "invalid_instant"),
        ("1795428000000000", "invalid_instant"),
        ("", "invalid_instant"),
        ("1999-12-31T23:59:59.999999Z", "instant_out_of_range"),
        ("2200-01-01T00:00:00Z", "instant_out_of_range"),
        ("2000-01-01T00:00:00+00:01", "instant_out_of_range"),
        ("0001-01-01T00:00:00+23:59", "instant_out_of_range"),
        ("0000-01-01T00:00:00Z", "invalid_instant"),
        (OLDEST_INSTANT_US - 1, "instant_out_of_range"),
        (NEWEST_INSTANT_US, "instant_out_of_range"),
        (-1, "instant_out_of_range"),
        (10**40, "instant_out_of_range"),
        (1.795428e15, "wrong_type"),
        (True, "wrong_type"),
        (None, "wrong_type"),
    ],
)
def test_what_is_no_instant_is_refused_by_its_reason(value, code):
    assert code_of(value) == code


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (1_795_428_000, "seconds"),
        (1_795_428_000_000, "milliseconds"),
        (1_795_428_000_000_000_000, "nanoseconds"),
    ],
)
def test_an_integer_in_another_unit_is_told_which_one_it_looks_like(value, unit):
    with pytest.raises(Refusal, match=f"looks like {unit}"):
        parse_instant(value, "at")


@given(st.text() | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:.]{5,12}([Zz]|[+-][0-9]{2}:[0-9]{2})"))
def test_any_text_is_an_instant_within_the_range_or_refused(text):
    codes = {"invalid_instant", "naive_instant", "instant_out_of_range"}
    try:
        us, code = parse_instant(text, "at"), None
    except Refusal as refusal:
        us, code = OLDEST_INSTANT_US, refusal.code

    assert OLDEST_INSTANT_US <= us < NEWEST_INSTANT_US
    assert code is None or code in codes


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("2s", 2_000_000),
        ("1.5h", 5_400_000_000),
        ("250ms", 250_000),
        ("3d", 259_200_000_000),
        ("7us", 7),
        ("7µs", 7),
        ("1h30m", 5_400_000_000),
        ("5min", 300_000_000),
        ("0.0000015s", 1),
        ("0s", 0),
        ("2w", 1_209_600_000_000),
    ],
)
def test_a_duration_is_a_number_with_a_unit(text, us):
    assert parse_duration(text, "step") == us


@pytest.mark.parametrize(
    "text", ["", "2", "s", "-2s", "2 s", "1e3s", "2y", "２s", "2s,", "1_0s", "9999999999w", ".5s"]
)
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(Refusal) as caught:
        parse_duration(text, "step")
    assert (caught.value.code, caught.value.field) == ("invalid_duration", "step")
