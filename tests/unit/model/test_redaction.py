"""Rules about what must not be kept, and what becomes of a record under them."""

import json
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail.model.errors import Refusal
from flowtrail.model.patterns import Budget
from flowtrail.model.redaction import REDACTED, Redaction, read_rules
from flowtrail.model.sensitive import NAMED

KEY = b"sixteen bytes or more"
SECRET = "S3CRET-value"
PATTERN = f"(?:{SECRET})"


def applied(fields, flow="shop", **rules):
    """The fields after redaction, and what was counted."""
    counts = Counter()
    Redaction(**{"key": KEY, **rules}).apply(fields, flow, counts, len(str(fields)))
    return fields, dict(counts)


def policy(field, chosen, **more):
    return {"field": field, "policy": chosen, **more}


HASH = Redaction(key=KEY).hashed(SECRET)


def test_without_rules_nothing_changes():
    fields = {
        "flow": "shop",
        "attributes": {"a": [1, {"b": SECRET}]},
        "exceptions": [{"type": "X", "message": SECRET}],
    }

    assert applied(dict(fields)) == (fields, {})


@pytest.mark.parametrize(
    ("glob", "name"),
    [
        ("password", "Password"),
        ("*password*", "user_PASSWORD_2"),
        ("card_*", "card_number"),
        ("*_key", "api_key"),
        ("*", "x"),
    ],
)
def test_a_value_is_taken_out_by_its_name_at_any_depth(glob, name):
    fields, counts = applied({"details": {"order": [{name: {"nested": SECRET}}], name: 7}}, names=[glob])

    if glob == "*":
        assert SECRET not in str(fields)
        return
    assert fields == {"details": {"order": [{name: REDACTED}], name: REDACTED}}
    assert counts == {"name": 2}


def test_a_name_that_is_not_meant_stays():
    fields, counts = applied({"details": {"passwor": 1, "my_card_number": 2}}, names=["password", "card_*"])

    assert (fields, counts) == ({"details": {"passwor": 1, "my_card_number": 2}}, {})


def test_a_pattern_takes_out_of_text_what_it_finds_and_leaves_the_rest():
    fields, counts = applied(
        {
            "attributes": {"note": "ask anna@example.com or ben@example.org", "n": 5},
            "reason": "mail to anna@example.com failed",
            "exceptions": [
                {
                    "type": "MailError",
                    "message": "no anna@example.com",
                    "stacktrace": "at <anna@example.com>",
                    "cause": {"type": "X", "message": "ben@example.org"},
                }
            ],
        },
        values=["email"],
    )

    assert fields == {
        "attributes": {"note": f"ask {REDACTED} or {REDACTED}", "n": 5},
        "reason": f"mail to {REDACTED} failed",
        "exceptions": [
            {
                "type": "MailError",
                "message": f"no {REDACTED}",
                "stacktrace": f"at <{REDACTED}>",
                "cause": {"type": "X", "message": REDACTED},
            }
        ],
    }
    assert counts == {"value": 5}


def test_a_text_that_others_refer_to_is_hashed_as_a_whole_and_equal_ones_stay_equal():
    fields, _ = applied(
        {
            "flow": f"f {SECRET}",
            "object_id": SECRET,
            "keys": {"customer": SECRET, "plain": "C-9"},
            "worker": SECRET,
            "producer": f"{SECRET}/7f3a",
            "details": {SECRET: 1},
        },
        values=[PATTERN],
    )

    assert fields["object_id"] == fields["keys"]["customer"] == fields["worker"] == HASH
    assert fields["keys"]["plain"] == "C-9"
    assert fields["producer"] == f"{HASH}/7f3a"
    assert fields["details"] == {HASH: 1}
    assert SECRET not in str(fields)


def test_hashes_depend_on_the_key_and_are_not_hashed_again():
    rules = Redaction(key=KEY, values=["(?:hmac)"], policies=[policy("keys.customer", "hash")])
    other = Redaction(key=b"another key, as long")

    assert other.hashed(SECRET) != rules.hashed(SECRET)
    assert rules.hashed(HASH) == HASH
    fields = {"keys": {"customer": HASH}}
    counts = Counter()
    rules.apply(fields, "shop", counts, 100)
    assert (fields, counts) == ({"keys": {"customer": HASH}}, Counter())


@pytest.mark.parametrize(
    ("chosen", "kept"),
    [
        ("none", None),
        ("redacted", REDACTED),
        ("hash", Redaction(key=KEY).hashed({"a": 1})),
        ("full", {"a": 1}),
    ],
)
def test_a_policy_says_what_stays_of_a_field(chosen, kept):
    fields, counts = applied(
        {"details": {"payload": {"a": 1}, "b": 2}}, policies=[policy("details.payload", chosen)]
    )

    assert fields == {"details": {"payload": kept, "b": 2}}
    assert counts == ({} if chosen == "full" else {"policy": 1})


@pytest.mark.parametrize(
    ("chosen", "kept"), [("none", None), ("redacted", REDACTED), ("hash", HASH), ("full", SECRET)]
)
def test_what_a_policy_says_of_a_worker_is_meant_although_others_refer_to_it(chosen, kept):
    fields, counts = applied({"worker": SECRET}, values=[PATTERN], policies=[policy("worker", chosen)])

    assert (fields, counts) == ({"worker": kept}, {} if chosen == "full" else {"policy": 1})


def test_of_several_policies_the_strictest_counts_and_full_keeps_what_names_and_patterns_would_take():
    rules = {
        "names": ["payload"],
        "values": [PATTERN],
        "policies": [
            policy("details.*", "full"),
            policy("details.payload", "hash"),
            policy("details.pay*", "none"),
        ],
    }

    fields, counts = applied({"details": {"payload": SECRET, "note": SECRET}}, **rules)

    assert fields == {"details": {"payload": None, "note": SECRET}}
    assert counts == {"policy": 1}


def test_a_policy_of_a_whole_map_means_everything_in_it():
    fields, _ = applied(
        {"details": {"a": {"b": 1}, "c": 2}, "attributes": {"a": 1}}, policies=[policy("details", "none")]
    )

    assert fields == {"details": {"a": None, "c": None}, "attributes": {"a": 1}}


def test_a_policy_of_one_flow_spares_the_others_but_not_records_that_do_not_say_their_flow():
    rules = {
        "policies": [
            policy("details.payload", "none", flow="shop-*"),
            policy("details.note", "full", flow="shop-*"),
        ],
        "values": [PATTERN],
    }

    def kept(flow):
        return applied({"details": {"payload": 1, "note": SECRET}}, flow, **rules)[0]["details"]

    assert kept("shop-to-erp") == {"payload": None, "note": SECRET}
    assert kept("bill") == {"payload": 1, "note": REDACTED}
    assert kept(None) == {"payload": None, "note": REDACTED}


def test_a_key_is_hashed_by_name_and_gone_by_policy():
    fields, counts = applied(
        {"keys": {"customer": "C-9", "iban": "DE1"}},
        names=["customer"],
        policies=[policy("keys.iban", "none")],
    )

    assert fields == {"keys": {"customer": Redaction(key=KEY).hashed("C-9")}}
    assert counts == {"name": 1, "policy": 1}


def test_skips_and_texts_of_failures_have_policies_too():
    fields, _ = applied(
        {
            "skip": {"predicate": "p", "reason": "r", "expected": [1], "actual": {"a": 1}},
            "exceptions": [{"type": "X", "message": "m", "stacktrace": "s"}],
            "reason": "r",
            "object_id": "4711",
        },
        policies=[
            policy("skip.expected", "none"),
            policy("skip.actual", "redacted"),
            policy("skip.reason", "none"),
            policy("exceptions.message", "redacted"),
            policy("exceptions.stacktrace", "none"),
            policy("reason", "hash"),
            policy("object_id", "hash"),
        ],
    )

    hashed = Redaction(key=KEY).hashed
    assert fields == {
        "skip": {"predicate": "p", "reason": None, "expected": None, "actual": REDACTED},
        "exceptions": [{"type": "X", "message": REDACTED, "stacktrace": None}],
        "reason": hashed("r"),
        "object_id": hashed("4711"),
    }


@pytest.mark.parametrize(
    ("name", "found", "missed"),
    [
        ("email", ["a.b+c@d-e.example.com", "ü@example.de"], ["a@b", "@example.com", "a b"]),
        (
            "card",
            [
                "4111111111111111",
                "4111 1111 1111 1111",
                "3782-822463-10005",
                "4111111111111111 12/28",
                "n=4111 1111 1111 1111 12",
            ],
            ["4111111111111112", "20261123100000000", "411111111111"],
        ),
        (
            "iban",
            ["DE89370400440532013000", "DE89 3704 0044 0532 0130 00 AMOUNT", "GB82 WEST 1234 5698 7654 32"],
            ["DE88370400440532013000", "SK12ABCD1234"],
        ),
        ("jwt", ["eyJhbGciOi.eyJzdWIi.SflKx-_"], ["eyJ", "xeyJa.b.c"]),
        ("bearer", ["Authorization: Bearer abc.def=="], ["forbearer x", "bearer"]),
    ],
)
def test_what_is_often_sensitive_has_a_name(name, found, missed):
    def cleaned(text):
        return NAMED[name].replaced(text, "#", Budget(1_000_000))

    assert [text for text in found if "#" not in cleaned(text)] == []
    assert [text for text in missed if "#" in cleaned(text)] == []


def test_a_number_that_may_be_a_card_is_looked_through_as_text():
    fields, counts = applied(
        {"details": {"card": 4111111111111111, "at": 1795428000000000, "n": 42}}, values=["card"]
    )

    assert fields == {"details": {"card": REDACTED, "at": 1795428000000000, "n": 42}}
    assert counts == {"value": 1}


def test_a_text_that_would_take_too_long_is_taken_out_whole_and_so_is_everything_after_it():
    fields, counts = applied(
        {
            "details": {
                "a": "".join(Random(1).choices("ab", k=100_000)) + "b" * 18 + "c",
                "b": "harmless",
                "c": "a" * 20 + "c",
            }
        },
        values=["[ab]*a[ab]{15,16}c"],
    )

    assert fields["details"]["a"] == REDACTED
    assert counts["budget"] >= 2


def test_a_reason_that_grows_beyond_its_limit_is_taken_out_whole():
    fields, _ = applied({"reason": "a " * 2_000}, values=["(?:a)"])

    assert fields == {"reason": REDACTED}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(f"x{SECRET}y"),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text("ab", min_size=1, max_size=2) | st.just(SECRET), inner, max_size=3)
        ),
        max_leaves=10,
    )
)
def test_what_a_pattern_finds_is_nowhere_afterwards_and_a_second_time_changes_nothing(value):
    rules = Redaction(key=KEY, values=[PATTERN])
    fields = {"attributes": {"a": value}, "skip": {"predicate": "p", "actual": value}}
    rules.apply(fields, None, Counter(), 1_000)

    assert SECRET not in str(fields)
    again, counts = Counter(), Counter()
    before = str(fields)
    rules.apply(fields, None, counts, 1_000)
    assert (str(fields), counts) == (before, again)


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({"names": ["a*b"]}, "names[0]"),
        ({"names": ["x", ""]}, "names[1]"),
        ({"values": ["("]}, "values[0]"),
        ({"policies": [policy("details.x", "gone")]}, "policies[0].policy"),
        ({"policies": [policy("status", "none")]}, "policies[0].field"),
        ({"policies": [policy("object_id", "none")]}, "policies[0].policy"),
        ({"policies": [policy("details.a*b", "none")]}, "policies[0].field"),
        ({"policies": [{"field": "details"}]}, "policies[0]"),
        ({"policies": [policy("details", "none", flow="a*b")]}, "policies[0].flow"),
        ({"key": b"short"}, "key"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_named(rules, field):
    with pytest.raises(Refusal) as refused:
        Redaction(**{"key": KEY, **rules})

    assert refused.value.field == field
    assert refused.value.allowed


def test_rules_are_read_from_json_and_what_is_wrong_in_them_is_named():
    rules = read_rules('{"names": ["password"], "policies": [{"field": "reason", "policy": "none"}]}', KEY)
    assert rules.is_named("Password")
    assert rules.policy("reason", None) == "none"

    for text in ("{", '{"name": []}', '{"names": [1]}', '{"policies": [{"field": 1}]}', "[]"):
        with pytest.raises(Refusal) as refused:
            read_rules(text, KEY)
        assert refused.value.code == "invalid_rule"


def test_a_record_ends_the_same_however_often_its_texts_came_before():
    rules = Redaction(values=["email", "[ab]*a[ab]{3,4}c"], key=KEY)
    told = {
        "worker": "w" * 900,
        "details": {"a": "ab@x.yz " * 40, "b": "ab" * 2_000 + "babbc", "c": "a@b.cd"},
    }

    ended = []
    for _ in range(3):
        fields, counts = json.loads(json.dumps(told)), Counter()
        rules.apply(fields, None, counts, 10)
        ended.append((fields, counts))

    assert ended[0] == ended[1] == ended[2]
    assert ended[0][1] == {"value": 2}


def test_hashes_and_marks_of_an_earlier_redaction_stay():
    fields, counts = applied(
        {"details": {"a": HASH, "b": REDACTED}, "worker": HASH}, values=["[0-9a-f]{32}", "(?:redacted)"]
    )

    assert (fields, counts) == ({"details": {"a": HASH, "b": REDACTED}, "worker": HASH}, {})
