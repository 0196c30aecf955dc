"""Patterns find what Python's own engine finds, and take no longer than their budget whatever the text."""

import re
from re import _parser as re_parser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail.model.errors import Refusal
from flowtrail.model.patterns import Budget, BudgetSpent, Pattern

ENOUGH = 1_000_000

PATTERNS = [
    "a",
    "ab|a",
    "a+b?",
    "(?:ab)+c",
    "[a-c]{2,4}",
    "a{2}",
    r"\d+(?:\.\d+)?",
    r"\b\d{4}\b",
    r"\Bb",
    "^a",
    "b$",
    "(a|b)*c",
    "(a*)*b",
    "[^ab]c",
    "a.c",
    "(?s)a.c",
    "(?i)abC",
    "(?x) a  b # words",
    r"\w+@\w+\.\w+",
    "(?i)straße",
    "x*?y",
    "a|b",
    r"\S\s\D",
]


def pattern_of(text):
    if re_parser.parse(text).getwidth()[0] == 0:
        with pytest.raises(Refusal, match="empty text"):
            Pattern(text)
        return None
    return Pattern(text)


@pytest.mark.parametrize("text", PATTERNS)
@given(st.text("abcABC 01.@_\nxyß\u0130é", max_size=12))
def test_what_is_found_is_what_the_usual_engine_finds(text, subject):
    pattern = pattern_of(text)
    if pattern is None:
        return
    usual = re.compile(text)

    spans = list(pattern.spans(subject, Budget(ENOUGH)))

    assert pattern.found_in(subject, Budget(ENOUGH)) == bool(spans)
    # `$` of the usual engine also matches before a last line end.
    found = usual.search(subject) if not text.endswith("$") else re.search(text[:-1] + r"\Z", subject)
    assert bool(found) == bool(spans)
    if found:
        assert spans[0][0] == found.start()
        assert spans[0][1] >= found.end()
    for start, end in spans:
        assert any(usual.fullmatch(subject, start, stop) or text.endswith("$") for stop in (end,))


@st.composite
def written(draw, depth=3):
    """Patterns of everything that is known here."""
    leaves = st.sampled_from(["a", "b", ".", r"\d", r"\w", "[ab]", "[^a]", r"\b", "1", "@"])
    if depth == 0:
        return draw(leaves)
    inner = written(depth - 1)
    kind = draw(st.sampled_from(["leaf", "pair", "or", "star", "plus", "maybe", "count"]))
    if kind == "leaf":
        return draw(leaves)
    if kind == "pair":
        return draw(inner) + draw(inner)
    one = f"(?:{draw(inner)})"
    if kind == "or":
        return f"(?:{one}|{draw(inner)})"
    return one + {"star": "*", "plus": "+", "maybe": "?", "count": "{1,3}"}[kind]


@given(written(), st.text("ab1@ ", max_size=8))
def test_any_pattern_finds_a_match_where_the_usual_engine_does(text, subject):
    pattern = pattern_of(text)
    if pattern is None:
        return

    spans = list(pattern.spans(subject, Budget(ENOUGH)))

    found = re.search(text, subject)
    assert bool(found) == bool(spans)
    if found:
        longest = max(end for end in range(len(subject) + 1) if _matches(text, subject, found.start(), end))
        assert spans[0] == (found.start(), longest)


def _matches(text, subject, start, end):
    """Whether exactly these characters match where they stand, with what is around them."""
    if end < start:
        return False
    return re.compile(f"(?s:.{{{start}}})(?:{text})(?=(?s:.{{{len(subject) - end}}})\\Z)").match(
        subject
    ) is not None and any(
        match.end() == end
        for match in [re.compile(f"(?:{text})(?=(?s:.{{{len(subject) - end}}})\\Z)").match(subject, start)]
        if match
    )


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("(a+)+b", "a" * 20_000),
        ("(a|aa)+b", "a" * 20_000),
        ("(.*a){20}b", "a" * 20_000),
        (r"(\w+\s?)+!", "word " * 4_000),
        ("[ab]*a[ab]{12}c", "ab" * 10_000),
    ],
)
def test_text_that_is_made_to_take_long_costs_no_more_than_the_budget(text, subject):
    pattern, budget = Pattern(text), Budget(200_000)

    try:
        assert list(pattern.spans(subject, budget)) == []
    except BudgetSpent:
        assert min(budget.left, budget.building) < 0
    assert budget.left > -len(subject) - 10_000
    assert budget.building > -10_000


@pytest.mark.parametrize(
    "text",
    [
        r"(a)\1",
        "(?=a)b",
        "(?<!a)b",
        "(?P<x>a)(?P=x)",
        "(?(1)a|b)",
        "(?>a+)b",
        "a++b",
        "(?i:a)b",
        "(?m)^a",
        "(",
        "[",
        "a{1,2000}",
        "(a{1,100}){1,100}",
        "(?:(?:){60000}){60000}a",
        "a*",
        "",
        "x" * 501,
    ],
)
def test_a_pattern_that_cannot_be_bounded_is_refused_with_its_field(text):
    with pytest.raises(Refusal) as refused:
        Pattern(text, "values[0]")

    assert (refused.value.code, refused.value.field) == ("invalid_pattern", "values[0]")
    assert refused.value.allowed


def test_looking_costs_the_same_whenever_the_same_text_comes():
    pattern = Pattern(r"[\w.]+@[\w.]+")
    subject = "write to anna@example.com or to ben@example.org, " * 20

    spent = []
    for _ in range(2):
        budget = Budget(ENOUGH)
        assert len(list(pattern.spans(subject, budget))) == 40
        spent.append((ENOUGH - budget.left, Budget(0).building - budget.building))

    assert spent[0][0] == spent[1][0]
    assert spent[0][1] > spent[1][1] == 0


def test_a_table_that_grows_too_large_begins_anew():
    pattern = Pattern("[^a]b")

    for first in range(1_000, 14_000, 100):
        subject = "".join(map(chr, range(first, first + 100))) + "b"
        assert list(pattern.spans(subject, Budget(ENOUGH))) == [(99, 101)]
    assert pattern._searching.entries <= 4_200
