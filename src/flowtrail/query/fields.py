"""What each field of the query language means: one value in, one condition out."""

import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Final

from flowtrail.model.conditions import (
    AnyBlockHas,
    AnyOf,
    AttemptEnded,
    Between,
    BlockHas,
    Condition,
    DurationIs,
    FlowIs,
    HasFailures,
    HasTerm,
    HasTermPrefix,
    IdIs,
    Instant,
    IsLate,
    IsStuck,
    KeyStarts,
    Not,
    StatusIs,
    TypeIs,
)
from flowtrail.model.statuses import EXECUTION_STATUSES, OUTCOMES, TRANSACTION_STATUSES
from flowtrail.projection import terms as term
from flowtrail.query.spans import read_durations, read_span
from flowtrail.query.terms import Value, invalid

Meaning = Callable[[Value, int], Condition]
"""Makes a condition of a value; the second argument is the present instant."""

_ID: Final = re.compile(r"[0-9a-fA-F]{32}")


def bare_word(value: Value) -> Condition:
    """An object id, a key value or an id; with a trailing star, how an object id or key value begins."""
    prefix = _prefix(value)
    if prefix is not None:
        return AnyOf((HasTermPrefix(f"o{prefix}"), HasTermPrefix(f"k{prefix}")))
    exact: tuple[Condition, ...] = (
        HasTermPrefix(term.object_prefix(value.text)),
        HasTermPrefix(term.key_prefix(value.text)),
    )
    if _ID.fullmatch(value.text):
        exact += (IdIs(bytes.fromhex(value.text)),)
    return AnyOf(exact)


def key_value(name: str, value: Value) -> Condition:
    """A key's value, or how it begins; a star alone is any value."""
    prefix = "" if value.mask == "*" else _prefix(value)
    return HasTerm(term.key_term(name, value.text)) if prefix is None else KeyStarts(name, prefix)


def field_value(field: str, value: Value, column: int, now: int) -> Condition:
    """What `field:value` means. `column` is where the field stands. Raises: Refusal (`invalid_query`)."""
    meaning = FIELDS.get(field)
    if meaning is None:
        near = get_close_matches(field, [*FIELDS, "key.NAME"], 1)
        hint = f"; did you mean {near[0]}:?" if near else ""
        problem = f'there is no field {field!r}{hint} (in quotes a colon is part of a word: "{field}:…")'
        raise invalid(column, problem, field, ", ".join([*FIELDS, "key.NAME"]))
    return meaning(value, now)


def _prefix(value: Value) -> str | None:
    if not value.mask.endswith("*"):
        return None
    if len(value.text) == 1:
        raise invalid(value.column, "a prefix of nothing", value.text, "characters before the *")
    return value.text[:-1]


def _exactly(value: Value) -> str:
    """The value's text, where prefixes are not a thing."""
    if value.mask.endswith("*"):
        raise invalid(
            value.column + len(value.text) - 1,
            "only object ids and key values can be found by how they begin",
            value.text,
            "a whole value, or quotes around a literal *",
        )
    return value.text


def _known(value: Value, names: tuple[str, ...], what: str, column: int | None = None) -> str:
    if value.text in names:
        return value.text
    near = get_close_matches(value.text, names, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise invalid(
        column or value.column, f"{value.text!r} is no {what}{hint}", value.text, " or ".join(names)
    )


def _by_term(make: Callable[[str], str]) -> Meaning:
    return lambda value, _: HasTerm(make(_exactly(value)))


def _version(value: Value, _: int) -> Condition:
    text = _exactly(value)
    named = HasTerm(term.version_term(text))
    # An empty version is none, as in cells and groups; no other term begins with it alone.
    return named if text else AnyOf((Not(HasTermPrefix(term.version_term(""))), named))


def _id(value: Value, _: int) -> Condition:
    if not _ID.fullmatch(value.text):
        raise invalid(value.column, f"{value.text!r} is no id", value.text, "32 hex digits")
    return IdIs(bytes.fromhex(value.text))


def _within(instant: Instant) -> Meaning:
    return lambda value, now: Between(instant, *read_span(value.text, value.column, now))


def _duration(value: Value, _: int) -> Condition:
    return DurationIs(*read_durations(value.text, value.column))


def _split_span(value: Value, now: int) -> tuple[Value, tuple[int | None, int | None] | None]:
    """What stands before the last unquoted @, and the range behind it."""
    place = value.mask.rfind("@")
    if place < 0:
        return value, None
    span = read_span(value.text[place + 1 :], value.column + place + 1, now)
    return Value(value.text[:place], value.mask[:place], value.column), span


def _block(value: Value, now: int) -> Condition:
    named, span = _split_span(value, now)
    text, mask, status = named.text, named.mask, None
    place = mask.rfind("/")
    if place >= 0 and text[place + 1 :] in EXECUTION_STATUSES:
        text, mask, status = text[:place], mask[:place], text[place + 1 :]
    if not text:
        raise invalid(
            value.column, "the block has no name", value.text, "NAME, NAME/STATUS, NAME/STATUS@FROM..TO"
        )
    since, until = span or (None, None)
    if mask == "*":
        if status == "failed" and span is None:
            return HasFailures()
        return AnyBlockHas(status, since, until)
    _exactly(Value(text, mask, value.column))
    if status in term.BLOCK_TERM_STATUSES and span is None:
        return HasTerm(term.block_term(text, status))
    return BlockHas(text, status, since, until)


def _outcome(value: Value, now: int) -> Condition:
    named, span = _split_span(value, now)
    return AttemptEnded(_known(named, OUTCOMES, "outcome"), *(span or (None, None)))


def _is(value: Value, _: int) -> Condition:
    return IsStuck() if _known(value, ("stuck", "late"), "state") == "stuck" else IsLate()


def _has(value: Value, _: int) -> Condition:
    _known(value, ("failures",), "fact")
    return HasFailures()


FIELDS: Final[dict[str, Meaning]] = {
    "status": lambda value, _: StatusIs(_known(value, TRANSACTION_STATUSES, "status")),
    "type": lambda value, _: TypeIs(_exactly(value)),
    "flow": lambda value, _: FlowIs(_exactly(value)),
    "version": _version,
    "block": _block,
    "predicate": _by_term(term.predicate_term),
    "exception": _by_term(term.exception_term),
    "problem": _by_term(term.problem_term),
    "trace": _by_term(term.trace_term),
    "worker": _by_term(term.worker_term),
    "id": _id,
    "duration": _duration,
    "created": _within("opened"),
    "ended": _within("ended"),
    "updated": _within("updated"),
    "outcome": _outcome,
    "is": _is,
    "has": _has,
}
