"""Tokens: small, opaque, and refused when they are not whole."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail.model.errors import Refusal
from flowtrail.model.tokens import format_token, parse_token

positions = st.dictionaries(st.integers(1, (1 << 23) - 1), st.integers(1, (1 << 40) - 1), max_size=20)


@given(positions)
def test_a_token_gives_back_what_it_was_made_of(position):
    assert parse_token(format_token(position)) == position


@given(positions)
def test_a_token_needs_no_quoting_in_urls_and_headers(position):
    assert re.fullmatch(r"[A-Za-z0-9_-]+", format_token(position))


def test_equal_positions_have_equal_tokens():
    assert format_token({1: 2, 3: 4}) == format_token({3: 4, 1: 2})


def test_the_token_of_one_writer_is_short():
    assert len(format_token({1_000: 1_000_000})) <= 14


def test_the_encoding_is_frozen():
    assert format_token({1: 3, 200: 99_999}) == "AQEDxwGfjQb740m9"


@given(positions, st.data())
def test_a_token_that_was_cut_or_bent_is_refused(position, data):
    token = format_token(position)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("ABCDEFGHabcdefgh0123456789-_").filter(lambda char: char != token[at]))

    for altered in (token[:at], token[:at] + other + token[at + 1 :]):
        with pytest.raises(Refusal) as refusal:
            parse_token(altered)
        assert refusal.value.code == "invalid_token"


@given(st.text(max_size=30) | st.text("ABCabc019-_=", max_size=30))
def test_what_is_no_token_is_refused_and_never_fails_otherwise(text):
    with pytest.raises(Refusal) as refusal:
        parse_token(text)
    assert (refusal.value.code, refusal.value.status) == ("invalid_token", 400)


@pytest.mark.parametrize("tail", ["=", " ", "\n", "A"])
def test_a_token_with_something_behind_it_is_refused(tail):
    with pytest.raises(Refusal):
        parse_token(format_token({1: 1}) + tail)


def test_a_refusal_says_where_the_token_stood_and_shortens_it():
    with pytest.raises(Refusal) as refusal:
        parse_token("x" * 100_000, "Flowtrail-After")

    assert refusal.value.field == "Flowtrail-After"
    assert len(refusal.value.received) <= 120
