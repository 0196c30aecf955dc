"""The grammar of queries, and how their text becomes terms."""

from functools import cache
from typing import Any, Final

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken, VisitError

from flowtrail.model.errors import Refusal
from flowtrail.model.limits import MAX_QUERY_CHARS
from flowtrail.query.terms import QUOTED, Term, Value, invalid

MAX_VALUES: Final = 100
"""Values in one query: every one may become part of a statement, and stores bound those."""

# Which tokens may stand where is the parser's state: a colon makes a field only where a term begins.
GRAMMAR: Final = r"""
    start: (term (_SPACE term)*)?
    term: MINUS? (KEY | FIELD)? value ("," value)*
    value: (QUOTED | TEXT)+

    MINUS.3: "-"
    KEY.2: /key\.("([^"\\]|\\.)*"|[^\s",:]+):/
    FIELD.1: /[^\s",:]+:/
    QUOTED: /"([^"\\]|\\.)*"/
    TEXT: /[^\s",]+/
    _SPACE: /\s+/
"""

_VALUE: Final = "a value, in quotes if it holds spaces, commas or colons"


def read_terms(text: str) -> tuple[Term, ...]:
    """The terms of a query; none of an empty one. Raises: Refusal (`invalid_query`, naming the column)."""
    if len(text) > MAX_QUERY_CHARS:
        raise invalid(
            MAX_QUERY_CHARS + 1, f"the query has {len(text)} characters", text, f"at most {MAX_QUERY_CHARS}"
        )
    if "\0" in text:
        raise invalid(text.index("\0") + 1, "a NUL character", None, "text")
    bare = text.rstrip()
    start = len(bare) - len(bare.lstrip())
    try:
        terms: tuple[Term, ...] = _Terms(start).transform(_parser().parse(bare[start:]))
    except VisitError as error:
        if isinstance(error.orig_exc, Refusal):
            raise error.orig_exc from None
        raise
    except UnexpectedInput as error:
        raise _refusal(error, bare, start) from None
    if sum(len(term.values) for term in terms) > MAX_VALUES:
        raise invalid(1, "too many values", bare, f"at most {MAX_VALUES}")
    return terms


@cache
def _parser() -> Lark:
    return Lark(GRAMMAR, parser="lalr", lexer="contextual")


class _Terms(Transformer[Token, tuple[Term, ...]]):
    """Turns the tree into terms. `start` is how many characters stood before what was parsed."""

    def __init__(self, start: int) -> None:
        super().__init__()
        self._offset = start

    def start(self, children: list[Term]) -> tuple[Term, ...]:
        return tuple(children)

    def term(self, children: list[Any]) -> Term:
        negated = False
        field = key = None
        values = []
        for child in children:
            if isinstance(child, Value):
                values.append(child)
            elif child.type == "MINUS":
                negated = True
            elif child.type == "KEY":
                field, key = "key", self._key(child)
            else:
                field = child[:-1]
        first = children[0]
        column = first.column if isinstance(first, Value) else self._column(first)
        return Term(tuple(values), field, key, negated=negated, column=column)

    def value(self, pieces: list[Token]) -> Value:
        text = mask = ""
        for piece in pieces:
            if piece.type == "QUOTED":
                inner = self._unescape(piece[1:-1], self._column(piece) + 1)
                text, mask = text + inner, mask + QUOTED * len(inner)
            else:
                text, mask = text + piece, mask + piece
        return Value(str(text), str(mask), self._column(pieces[0]))

    def _key(self, token: Token) -> str:
        name = token[len("key.") : -1]
        if name.startswith('"'):
            return self._unescape(name[1:-1], self._column(token) + len('key."'))
        return name

    @staticmethod
    def _unescape(text: str, column: int) -> str:
        if "\\" not in text:
            return text
        out, escaped = [], False
        for index, character in enumerate(text):
            if escaped and character not in '"\\':
                raise invalid(column + index - 1, "an unknown escape", f"\\{character}", r"\" or \\")
            if escaped or character != "\\":
                out.append(character)
                escaped = False
            else:
                escaped = True
        return "".join(out)

    def _column(self, token: Token) -> int:
        return (token.start_pos or 0) + 1 + self._offset


def _refusal(error: UnexpectedInput, text: str, start: int) -> Refusal:
    if isinstance(error, UnexpectedCharacters):
        # Only a quote that is never closed starts no token.
        place: Any = error.pos_in_stream  # lark declares it as None
        column = place + 1 + start
        return invalid(column, "the quote is never closed", text[column - 1 :], 'a closing "')
    if isinstance(error, UnexpectedToken):
        token = error.token
        if token.type == "$END":
            return invalid(len(text) + 1, "the query ends too early", text[-20:], _VALUE)
        column = (token.start_pos or 0) + 1 + start
        shown = "a space" if token.isspace() else repr(str(token))
        return invalid(column, f"{shown} was not expected here", str(token), _VALUE)
    return invalid(1, "the query cannot be read", text)
