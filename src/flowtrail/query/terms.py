"""A query as its author wrote it: terms, before anybody asked what they mean; and their text.

`format_terms` and `grammar.read_terms` are each other's inverse. Statistics write queries with `quoted`.
"""

import dataclasses
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from flowtrail.model.errors import Refusal

QUOTED: Final = "\0"
"""Stands in a mask for a character that was inside quotes; no query contains it."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a term: its text, and the same text with quoted characters masked.

    What has a meaning outside quotes only (`*`, `/`, `@`) is looked for in the mask. `column` counts from 1.
    """

    text: str
    mask: str
    column: int = dataclasses.field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class Term:
    """`-field:value,value`. `field` None is a bare word, "key" has the key's name in `key`."""

    values: tuple[Value, ...]
    field: str | None = None
    key: str | None = None
    negated: bool = False
    column: int = dataclasses.field(default=1, compare=False)


def invalid(column: int, problem: str, received: str | None = None, allowed: str | None = None) -> Refusal:
    """The refusal of a query: where, what is wrong, what was expected."""
    expected = f"; expected {allowed}" if allowed else ""
    return Refusal("invalid_query", f"column {column}: {problem}{expected}", "q", received, allowed)


def quoted(text: str) -> str:
    """The text as a value that means exactly this text, with quotes where needed."""
    return text if _PLAIN.fullmatch(text) else _in_quotes(text)


def format_terms(terms: Iterable[Term]) -> str:
    """The query's text."""
    return " ".join(_format_term(term) for term in terms)


def _format_term(term: Term) -> str:
    head = "-" if term.negated else ""
    if term.key is not None:
        head += f"key.{quoted(term.key)}:"
    elif term.field is not None:
        head += f"{term.field}:"
    return head + ",".join(map(_format_value, term.values))


def _format_value(value: Value) -> str:
    if not value.text:
        return '""'
    parts = []
    for inside, run in groupby(zip(value.text, value.mask, strict=True), key=lambda pair: pair[1] == QUOTED):
        text = "".join(character for character, _ in run)
        parts.append(_in_quotes(text) if inside else text)
    return "".join(parts)


def _in_quotes(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
