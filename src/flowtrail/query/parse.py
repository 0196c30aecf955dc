"""Text in, condition out: the one parser of the query language that API, CLI and web share."""

from flowtrail.model.conditions import (
    EVERYTHING,
    AllOf,
    AnyOf,
    Condition,
    IsLate,
    IsStuck,
    Not,
)
from flowtrail.query.fields import bare_word, field_value, key_value
from flowtrail.query.grammar import read_terms
from flowtrail.query.terms import Term


def parse(text: str, now: int) -> Condition:
    """The condition a query stands for; an empty query matches everything.

    `now` is what relative instants such as `created:-2h..` count from. The tree is normalised as
    `model.conditions` says. Raises: Refusal (`invalid_query`: the column, what stands there, what was expected).
    """
    parts: list[Condition] = []
    for term in read_terms(text):
        meant = _meaning(term, now)
        parts.extend(meant.parts if isinstance(meant, AllOf) else (meant,))
    if not parts:
        return EVERYTHING
    return parts[0] if len(parts) == 1 else AllOf(tuple(parts))


def is_time_dependent(condition: Condition) -> bool:
    """Whether the same transaction may match at one moment and not at another although nobody spoke of it."""
    match condition:
        case AllOf(parts) | AnyOf(parts):
            return any(map(is_time_dependent, parts))
        case Not(part):
            return is_time_dependent(part)
        case _:
            return isinstance(condition, IsLate | IsStuck)


def _meaning(term: Term, now: int) -> Condition:
    alternatives: list[Condition] = []
    for value in term.values:
        if term.key is not None:
            meant = key_value(term.key, value)
        elif term.field is None:
            meant = bare_word(value)
        else:
            meant = field_value(term.field, value, term.column + term.negated, now)
        alternatives.extend(meant.parts if isinstance(meant, AnyOf) else (meant,))
    any_of = alternatives[0] if len(alternatives) == 1 else AnyOf(tuple(alternatives))
    return negation(any_of) if term.negated else any_of


def negation(condition: Condition) -> Condition:
    """The opposite, with `Not` on leaves only."""
    match condition:
        case AllOf(parts):
            return AnyOf(tuple(map(negation, parts)))
        case AnyOf(parts):
            return AllOf(tuple(map(negation, parts)))
        case Not(part):
            return part
        case _:
            return Not(condition)
