"""What stands in rules for patterns: names, or regular expressions, and nothing that could be meant as either."""

import pytest

from flowtrail.model.errors import Refusal
from flowtrail.model.patterns import Budget
from flowtrail.model.redaction import REDACTED, Redaction

KEY = b"0123456789abcdef"


@pytest.mark.parametrize(
    "word", ["e-mail", "emails", "phone", "credit_card", "Kreditkarte", "größe", "a", "ipv4"]
)
def test_a_word_alone_that_names_no_pattern_is_refused_with_the_names_there_are(word):
    with pytest.raises(Refusal) as refused:
        Redaction(values=["email", word], key=KEY)

    assert (refused.value.field, refused.value.received) == ("values[1]", word)
    assert refused.value.allowed.startswith("email, iban, card, jwt, bearer, or a regular expression")
    as_told = refused.value.allowed.rpartition(" ")[2]
    assert Redaction(values=[as_told], key=KEY).cleaned(f"x {word} y", Budget(1_000)) == (
        f"x {REDACTED} y",
        "value",
    )


@pytest.mark.parametrize(
    "expression", ["4711", "two words", "e.mail", "(?:email)", "[a-z]+", "\\bphone\\b", "a|b"]
)
def test_whatever_else_than_a_word_is_a_regular_expression(expression):
    assert Redaction(values=[expression], key=KEY)


def test_a_pattern_is_named_in_upper_and_lower_case():
    for name in ("iban", "IBAN", "Iban"):
        changed, _ = Redaction(values=[name], key=KEY).cleaned("DE89 3704 0044 0532 0130 00", Budget(1_000))
        assert changed == REDACTED
