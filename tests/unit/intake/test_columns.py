import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail.intake import columns
from flowtrail.intake.columns import REFUSED
from flowtrail.model.errors import Refusal
from flowtrail.model.instants import format_instant, parse_instant
from flowtrail.model.limits import NEWEST_INSTANT_US, OLDEST_INSTANT_US
from tests.support.wire import AT, instants

MANY = [AT] * 20
"""Enough that columns are worth it."""

DAY_US = 86_400_000_000


def read_instants(texts):
    return columns.read_instants(texts).tolist()


def one_by_one(text: str) -> int:
    try:
        return parse_instant(text, None)
    except Refusal:
        return REFUSED


odd = st.sampled_from(
    [
        "", "\n", AT + "\n", AT + "2", AT[1:], AT[:-1], AT.replace("T", " "), AT.replace("Z", "z"), AT[:-1] + "é",
        f"{AT}\n{AT}", "2026-11-31T10:00:00.000000Z", "2026-00-01T10:00:00.000000Z", "2026-11-23T24:00:00.000000Z",
        "2026-11-23T10:60:00.000000Z", "2026-11-23T10:00:60.000000Z", "2026-13-01T10:00:00.000000Z",
        "2100-02-29T00:00:00.000000Z", "2000-02-29T00:00:00.000000Z", "1999-12-31T23:59:59.999999Z",
        "2200-01-01T00:00:00.000000Z", "2199-12-31T23:59:59.999999Z", "2026-11-23T10:00:00.00000:Z",
        "2000-01-01T00:30:00+02:00", "2199-12-31T23:30:00-02:00", "2200-01-01T00:30:00+02:00",
        "1999-12-31T23:30:00-02:00", "2026-11-23T10:00:00+00:00", "2026-11-23T10:00:00+14:45", "2026-11-23T10:00:00-15:00",
        "2026-11-23T10:00:00.123+01:00", "2026-11-23T10:00:00,123Z", "2026-11-23T10:00:00.12x456Z", "２026-11-23T10:00:00Z",
        "2026-11-23T10:00:00.000120+02:00", "2026-11-23T10:00:00.000120+0200",
    ]
)  # fmt: skip
damaged = st.builds(
    lambda place, character: AT[:place] + character + AT[place + 1 :],
    st.integers(0, len(AT)),
    st.characters(max_codepoint=0x3000),
)


@given(
    st.lists(instants.filter(lambda instant: isinstance(instant, str)) | odd | damaged | st.text(max_size=40))
)
def test_columns_read_every_text_as_it_is_read_alone(texts):
    expected = [one_by_one(text) for text in texts]

    assert read_instants(texts) == expected
    assert read_instants([*MANY, *texts]) == [one_by_one(AT)] * len(MANY) + expected


@given(st.lists(st.integers(OLDEST_INSTANT_US, NEWEST_INSTANT_US - 1), min_size=16))
def test_every_instant_of_the_usual_form_is_read_exactly(instants):
    assert read_instants([format_instant(us) for us in instants]) == instants


def test_every_day_of_two_centuries_is_known():
    days = list(range(OLDEST_INSTANT_US, NEWEST_INSTANT_US, DAY_US))

    assert read_instants([format_instant(us) for us in days]) == days


@pytest.mark.parametrize(
    "text", ["2026-02-29", "2100-02-29", "2026-04-31", "2026-01-32", "2026-01-00", "2026-00-10"]
)
def test_a_day_that_is_none_is_refused(text):
    assert read_instants([*MANY, f"{text}T00:00:00.000000Z"])[-1] == REFUSED


def test_two_texts_cannot_pass_as_others_of_the_same_length_together():
    assert read_instants([*MANY, AT + "2", AT[1:]])[-2:] == [REFUSED, REFUSED]
    assert read_instants([*MANY, f"{AT}\n{AT}", ""])[-2:] == [REFUSED, REFUSED]
