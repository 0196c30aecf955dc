"""Ranges of minutes are covered exactly once, by few runs; buckets stand where calendars and clocks put them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail.insight.ranges import ALL_TIME, MAX_BUCKETS, MINUTE_US, Step, cover, cover_buckets, edges_of
from flowtrail.projection.cells import end_of, start_of

DAY = 86_400_000_000


def us(*parts):
    return round(datetime(*parts, tzinfo=UTC).timestamp()) * 1_000_000


minutes = st.integers(us(2024, 1, 1) // MINUTE_US, us(2028, 1, 1) // MINUTE_US).map(lambda n: n * MINUTE_US)


def hold_exact(runs, since, until):
    """The runs' cells tile [since, until) without gap or overlap."""
    place = since
    for run in sorted(runs, key=lambda run: run.since):
        assert run.since == place
        while place < run.until:
            assert start_of(run.width, place) == place
            place = end_of(run.width, place)
        assert place == run.until
    assert place == until


@given(minutes, minutes)
def test_a_range_is_covered_exactly_once_by_at_most_nine_runs(one, other):
    since, until = sorted((one, other))

    runs = cover(since, until)

    hold_exact(runs, since, until)
    assert len(runs) <= 9


@given(minutes, minutes)
def test_no_range_takes_more_cells_than_two_edges_of_each_width(one, other):
    since, until = sorted((one, other))
    cells = 0
    for run in cover(since, until):
        place = run.since
        while place < run.until:
            place, cells = end_of(run.width, place), cells + 1

    assert cells <= 2 * (59 + 23 + 30 + 11) + 4


def test_all_time_is_one_run_of_years():
    assert [(run.width, run.since, run.until) for run in cover(*ALL_TIME)] == [("year", *ALL_TIME)]


def test_ends_that_are_no_whole_minutes_cannot_be_covered():
    with pytest.raises(ValueError, match="whole minutes"):
        cover(1, MINUTE_US)


steps = st.one_of(
    st.integers(1, 3_000).map(lambda n: Step(f"{n}m", n * MINUTE_US)),
    st.sampled_from([Step("1w", 7 * DAY), Step("1mo", 0, "month"), Step("1y", 0, "year")]),
)


@given(minutes, st.integers(0, 40_000), steps)
def test_buckets_tile_the_range_and_inner_edges_are_the_steps(since, length, step):
    until = since + length * MINUTE_US
    edges = edges_of(since, until, step)

    if edges is None:
        assert length * MINUTE_US > step.us * (MAX_BUCKETS - 1)
        return
    assert (edges[0], edges[-1]) == (since, max(since, until))
    assert edges == sorted(edges)
    assert all(step.start(edge) == edge for edge in edges[1:-1])
    hold_exact(cover_buckets(edges), edges[0], edges[-1])


@pytest.mark.parametrize(
    ("step", "instant", "start"),
    [
        (Step("1w", 7 * DAY), us(2026, 11, 5, 12), us(2026, 11, 2)),
        (Step("2w", 14 * DAY), us(2026, 11, 5, 12), us(2026, 10, 26)),
        (Step("3d", 3 * DAY), us(2026, 11, 5, 12), us(2026, 11, 3)),
        (Step("6h", DAY // 4), us(2026, 11, 5, 13), us(2026, 11, 5, 12)),
        (Step("1mo", 0, "month"), us(2026, 11, 5), us(2026, 11, 1)),
        (Step("1y", 0, "year"), us(2026, 11, 5), us(2026, 1, 1)),
    ],
    ids=lambda value: value.text if isinstance(value, Step) else None,
)
def test_weeks_begin_on_mondays_months_with_the_calendar_and_others_at_multiples_since_1970(
    step, instant, start
):
    assert step.start(instant) == start
    assert start < step.end(start)
    assert step.start(step.end(start)) == step.end(start)


def test_a_range_of_thirty_days_reads_whole_days():
    runs = cover_buckets(edges_of(us(2026, 11, 1), us(2026, 12, 1), Step("1d", DAY)))

    assert [(run.width, run.since, run.until) for run in runs] == [("day", us(2026, 11, 1), us(2026, 12, 1))]
