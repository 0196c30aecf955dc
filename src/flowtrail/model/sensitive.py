"""What is often sensitive, by name; and any other pattern, with what else has to hold where it is found."""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from flowtrail.model.patterns import Budget, Pattern

_CARD_DIGITS: Final = range(13, 20)
_CARD_STARTS: Final = "23456"
"""Of the networks that people pay with; it spares instants in microseconds."""
_IBAN_CHARS: Final = range(15, 35)
_SEPARATORS: Final = re.compile("[ -]")


class Sensitive(NamedTuple):
    """A pattern, and a check that what it finds is meant."""

    pattern: Pattern
    holds: Callable[[str], bool] = lambda _: True

    def replaced(self, text: str, mark: str, budget: Budget) -> str:
        """The text with the mark wherever it is found. Raises: BudgetSpent."""
        parts: list[str] = []
        done = 0
        for start, end in self.pattern.spans(text, budget):
            if self.holds(text[start:end]):
                parts += (text[done:start], mark)
                done = end
        return text if not parts else "".join((*parts, text[done:]))


def holds_card(text: str) -> bool:
    """Whether some groups of digits that stand together have the length and the check digit of a card's number
    (ISO/IEC 7812). What follows it, such as a date, is no reason to miss it."""
    groups = [group for group in _SEPARATORS.split(text) if group]
    return any(
        len(digits) in _CARD_DIGITS and _passes_luhn(digits)
        for first in range(len(groups))
        for last in range(first + 1, len(groups) + 1)
        if (digits := "".join(groups[first:last]))[0] in _CARD_STARTS
    )


def _passes_luhn(text: str) -> bool:
    digits = [int(character) for character in text]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[::-2]) + sum(doubled)) % 10 == 0


def holds_iban(text: str) -> bool:
    """Whether its first groups are an account number (ISO 13616): a word that follows is no reason to miss it."""
    groups = text.split(" ")
    return any(_passes_97("".join(groups[:last])) for last in range(1, len(groups) + 1))


def _passes_97(text: str) -> bool:
    moved = text[4:] + text[:4]
    return len(text) in _IBAN_CHARS and int("".join(str(int(each, 36)) for each in moved)) % 97 == 1


NAMED: Final = {
    "email": Sensitive(Pattern(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")),
    "iban": Sensitive(Pattern(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"), holds_iban),
    "card": Sensitive(Pattern(r"\b\d(?:[ -]?\d){12,18}\b"), holds_card),
    "jwt": Sensitive(Pattern(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*")),
    "bearer": Sensitive(Pattern(r"(?i)\bbearer +[\w.~+/=-]+")),
}
"""What may be named instead of a pattern."""
