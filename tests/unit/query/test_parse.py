"""The language: what a text means, what is refused and where, and that terms and text are each other's inverse."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail.model.conditions import (
    EVERYTHING,
    AllOf,
    AnyBlockHas,
    AnyOf,
    AttemptEnded,
    Between,
    BlockHas,
    DurationIs,
    FlowIs,
    HasFailures,
    HasTerm,
    HasTermPrefix,
    IdIs,
    IsLate,
    IsStuck,
    KeyStarts,
    Not,
    StatusIs,
    TypeIs,
)
from flowtrail.model.errors import Refusal
from flowtrail.query.grammar import read_terms
from flowtrail.query.live import parse_live
from flowtrail.query.parse import is_time_dependent, parse
from flowtrail.query.terms import QUOTED, Term, Value, format_terms, quoted

NOW = 1_790_000_000_000_000
S = 1_000_000
DAY = 86_400 * S
NOVEMBER = 1_793_491_200_000_000
"""2026-11-01T00:00:00Z."""
THE_END = 253_402_300_800_000_000
"""Where the year 9999 is over, and with it Python's dates."""
ID = "0192e4a0b1c27d3e8f90a1b2c3d4e5f6"


def word(text):
    return AnyOf((HasTermPrefix(f"o{text}\0"), HasTermPrefix(f"k{text}\0")))


MEANINGS = {
    "": EVERYTHING,
    "  \t ": EVERYTHING,
    "status:failed": StatusIs("failed"),
    "status:failed,delivered": AnyOf((StatusIs("failed"), StatusIs("delivered"))),
    "-status:filtered": Not(StatusIs("filtered")),
    "-status:filtered,failed": AllOf((Not(StatusIs("filtered")), Not(StatusIs("failed")))),
    "type:order flow:shop-to-erp": AllOf((TypeIs("order"), FlowIs("shop-to-erp"))),
    'flow:""': FlowIs(""),
    "version:3": HasTerm("v3"),
    'version:""': AnyOf((Not(HasTermPrefix("v")), HasTerm("v"))),
    '-version:""': AllOf((HasTermPrefix("v"), Not(HasTerm("v")))),
    "predicate:allowed_country": HasTerm("pallowed_country"),
    "exception:KeyError": HasTerm("eKeyError"),
    "problem:0a1b": HasTerm("f0a1b"),
    "trace:t1": HasTerm("tt1"),
    "worker:w1": HasTerm("ww1"),
    "key.customer:C-9": HasTerm("kC-9\0customer"),
    "key.customer:C-*": KeyStarts("customer", "C-"),
    "key.customer:*": KeyStarts("customer", ""),
    'key.customer:"C-*"': HasTerm("kC-*\0customer"),
    'key."two words":x': HasTerm("kx\0two words"),
    'key."a:\\"b":x': HasTerm('kx\0a:"b'),
    f"id:{ID}": IdIs(bytes.fromhex(ID)),
    f"id:{ID.upper()}": IdIs(bytes.fromhex(ID)),
    "block:ship/failed": HasTerm("bfship"),
    "block:ship/skipped": HasTerm("bsship"),
    "block:ship/running": HasTerm("brship"),
    "block:ship/succeeded": BlockHas("ship", "succeeded"),
    "block:ship": BlockHas("ship"),
    "block:a/b": BlockHas("a/b"),
    "block:a/failed/b": BlockHas("a/failed/b"),
    "block:a/failed/succeeded": BlockHas("a/failed", "succeeded"),
    'block:"a/failed"': BlockHas("a/failed"),
    'block:"a b@c"/failed': HasTerm("bfa b@c"),
    'block:"frontend :: shop.Cart/Get"/succeeded': BlockHas("frontend :: shop.Cart/Get", "succeeded"),
    "block:a*b": BlockHas("a*b"),
    "block:*": AnyBlockHas(),
    "block:*/failed": HasFailures(),
    "block:*/failed@2026-11-01": AnyBlockHas("failed", NOVEMBER, NOVEMBER + DAY),
    'block:"*"': BlockHas("*"),
    "block:map@2026-11-01T10:00:00Z..2026-11-01T11:00:00Z": BlockHas(
        "map", None, NOVEMBER + 36_000 * S, NOVEMBER + 39_600 * S
    ),
    "block:map/failed@2026-11-01..": BlockHas("map", "failed", NOVEMBER, None),
    "-block:ship/failed": Not(HasTerm("bfship")),
    "outcome:failed": AttemptEnded("failed"),
    "outcome:failed@..2026-11-01": AttemptEnded("failed", None, NOVEMBER + DAY),
    "duration:>2s": DurationIs(2 * S + 1, None),
    "duration:>=2s": DurationIs(2 * S, None),
    "duration:<2s": DurationIs(None, 2 * S - 1),
    "duration:<=1.5h": DurationIs(None, 5_400 * S),
    "duration:250ms..2s": DurationIs(250_000, 2 * S),
    "duration:..2s": DurationIs(None, 2 * S),
    "created:2026-11-01": Between("opened", NOVEMBER, NOVEMBER + DAY),
    "created:2026-11": Between("opened", NOVEMBER, NOVEMBER + 30 * DAY),
    "created:2026": Between("opened", NOVEMBER - 304 * DAY, NOVEMBER + 61 * DAY),
    "created:2028-02": Between("opened", NOVEMBER + 457 * DAY, NOVEMBER + 486 * DAY),
    "created:2028": Between("opened", NOVEMBER + 426 * DAY, NOVEMBER + 792 * DAY),
    "created:2026-11-01..9999": Between("opened", NOVEMBER, THE_END),
    "created:..9999-12": Between("opened", None, THE_END),
    "block:map@..9999-12-31": BlockHas("map", None, None, THE_END),
    "created:2026-11-01..2026-11-03": Between("opened", NOVEMBER, NOVEMBER + 3 * DAY),
    "created:2026-11-01T00:00:00Z..2026-11-03T00:00:00Z": Between("opened", NOVEMBER, NOVEMBER + 2 * DAY),
    "ended:..": Between("ended", None, None),
    "ended:2026-11-01..": Between("ended", NOVEMBER, None),
    "ended:..2026-11-01": Between("ended", None, NOVEMBER + DAY),
    "updated:>2026-11-01": Between("updated", NOVEMBER + DAY, None),
    "updated:>=2026-11-01": Between("updated", NOVEMBER, None),
    "updated:<2026-11-01": Between("updated", None, NOVEMBER),
    "updated:<=2026-11-01": Between("updated", None, NOVEMBER + DAY),
    "updated:>=2026-11-01T01:00:00+01:00": Between("updated", NOVEMBER, None),
    "created:-2h..": Between("opened", NOW - 7_200 * S, None),
    "is:stuck is:late": AllOf((IsStuck(), IsLate())),
    "has:failures": HasFailures(),
    "4711": word("4711"),
    "4711,4712": AnyOf((*word("4711").parts, *word("4712").parts)),
    '"order 4711/a"': word("order 4711/a"),
    "47*": AnyOf((HasTermPrefix("o47"), HasTermPrefix("k47"))),
    '"47*"': word("47*"),
    '"47"*': AnyOf((HasTermPrefix("o47"), HasTermPrefix("k47"))),
    "4*7": word("4*7"),
    r'"say \"hi\" \\ bye"': word(r'say "hi" \ bye'),
    "-4711": AllOf((Not(HasTermPrefix("o4711\0")), Not(HasTermPrefix("k4711\0")))),
    "--x": AllOf((Not(HasTermPrefix("o-x\0")), Not(HasTermPrefix("k-x\0")))),
    ID: AnyOf((*word(ID).parts, IdIs(bytes.fromhex(ID)))),
    '"http://x"': word("http://x"),
    "blåbär": word("blåbär"),
}


@pytest.mark.parametrize("text", MEANINGS, ids=lambda text: text or "nothing")
def test_a_text_means_its_condition(text):
    assert parse(text, NOW) == MEANINGS[text]


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("status:", 8, "expected a value"),
        ("type:order  status:", 20, "expected a value"),
        ("status:faild", 8, "did you mean failed?"),
        ("type:order statsu:failed", 12, "did you mean status:?"),
        ("-typ:order", 2, "did you mean type:?"),
        ("  foo:bar", 3, "no field 'foo'"),
        ("http://x", 1, "in quotes a colon is part of a word"),
        ("key.a:", 7, "expected a value"),
        ('type:order "abc', 12, "closing"),
        ('"a\\x"', 3, "escape"),
        ("-", 2, "expected a value"),
        ("a - b", 4, "a space was not expected"),
        (",a", 1, "','"),
        ("a,,b", 3, "','"),
        ("flow:shop*", 10, "only object ids and key values"),
        ("*", 1, "a prefix of nothing"),
        ("id:12", 4, "32 hex digits"),
        ("block:/failed", 7, "no name"),
        ("block:@2026", 7, "no name"),
        ("block:map/failed@", 18, "2026-11-01"),
        ("block:map/failed@2026..junk", 24, "not an RFC 3339 instant"),
        ("created:2026-13-01", 9, "no such date"),
        ("created:2026-11-01..2026-02-30", 21, "no such date"),
        ("created:2026-11-01T10:00:00", 9, "offset"),
        ("created:>2026-11-01T10:00:00", 10, "offset"),
        ("created:2026-11-03..2026-11-01", 9, "ends before it begins"),
        ("created:2026-11-02..2026-11-01", 9, "ends before it begins"),
        ("created:2026-11..2026-10", 9, "ends before it begins"),
        ("created:2026-11-02T00:00:00Z..2026-11-01T00:00:00Z", 9, "ends before it begins"),
        ("duration:2s", 10, "alone"),
        ("duration:>2", 11, "not a duration"),
        ("duration:3s..2s", 10, "ends before it begins"),
        ("is:lost", 4, "stuck or late"),
        ("has:wings", 5, "failures"),
        ("outcome:in_transit", 9, "delivered or failed"),
        ("a\0b", 2, "NUL"),
        (" ".join(["a"] * 101), 1, "at most 100"),
        ("x" * 4_097, 4_097, "at most 4096"),
    ],
)
def test_what_is_refused_names_its_column_and_what_was_expected(text, column, said):
    with pytest.raises(Refusal) as refused:
        parse(text, NOW)

    assert refused.value.code == "invalid_query"
    assert refused.value.status == 400
    assert refused.value.message.startswith(f"column {column}: ")
    assert said in refused.value.message


ANY = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
BARE = st.characters(exclude_categories=["Cs", "Zs", "Zl", "Zp", "Cc"], exclude_characters='",')


@st.composite
def values(draw, *, field):
    runs = draw(st.lists(st.tuples(st.booleans(), st.text(ANY, min_size=1, max_size=5)), max_size=3))
    text = mask = ""
    for inside, run in runs:
        if inside:
            text, mask = text + run, mask + QUOTED * len(run)
        else:
            bare = draw(st.text(BARE, min_size=1, max_size=5))
            text, mask = text + bare, mask + bare
    if not field and mask and mask[0] != QUOTED:
        # Where a term begins, a dash negates it and a colon makes it a field.
        opening = draw(st.sampled_from("aé7"))
        text, mask = opening + text.replace(":", "x"), opening + mask.replace(":", "x")
    return Value(text, mask)


@st.composite
def terms(draw):
    kind = draw(st.sampled_from(["word", "field", "key"]))
    found = draw(st.lists(values(field=kind != "word"), min_size=1, max_size=3))
    name = draw(st.text(ANY, min_size=1, max_size=6)) if kind == "key" else None
    field = {"word": None, "key": "key", "field": "flow"}[kind]
    return Term(tuple(found), field, name, negated=draw(st.booleans()))


@given(st.lists(terms(), max_size=5))
def test_terms_come_back_from_their_text(told):
    assert read_terms(format_terms(told)) == tuple(told)


@given(st.text(ANY, max_size=20))
def test_a_quoted_text_means_exactly_itself(text):
    assert parse(f"flow:{quoted(text)}", NOW) == FlowIs(text)


@given(st.text(st.sampled_from('a-:,."\\*/@ >key'), max_size=12))
def test_any_text_is_understood_or_refused(text):
    with contextlib.suppress(Refusal):
        assert parse(text, NOW) == parse(f" {text} ", NOW)


def leaves(condition, *, negated=False):
    if isinstance(condition, Not):
        assert not negated
        yield from leaves(condition.part, negated=True)
    elif isinstance(condition, AllOf | AnyOf):
        assert not negated, "Not stands on leaves only"
        for part in condition.parts:
            yield from leaves(part)
    else:
        yield condition


@given(st.lists(st.sampled_from(list(MEANINGS)), max_size=4))
def test_a_condition_is_normalised_and_terms_are_joined_by_and(texts):
    condition = parse(" ".join(texts), NOW)

    parts = [MEANINGS[text] for text in texts if MEANINGS[text] != EVERYTHING]
    assert list(leaves(condition)) == [leaf for part in parts for leaf in leaves(part)]


def test_what_depends_on_the_moment_is_known_however_deep_it_stands():
    assert is_time_dependent(parse("type:order -is:stuck", NOW))
    assert is_time_dependent(AnyOf((AllOf((IsLate(),)),)))
    assert not is_time_dependent(parse("type:order created:-2h..", NOW))


@pytest.mark.parametrize("text", ["is:late", "-is:stuck type:order", "created:-2h..", "ended:..-1d"])
def test_what_depends_on_the_moment_cannot_be_followed_live(text):
    with pytest.raises(Refusal) as refused:
        parse_live(text)

    assert refused.value.code == "time_dependent_query"


def test_everything_else_can_be_followed_live():
    assert parse_live("status:failed created:2026-11-01..") == parse(
        "status:failed created:2026-11-01..", NOW
    )
