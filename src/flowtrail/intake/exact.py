"""JSON read exactly: nothing repaired, nothing dropped, and what is wrong said with its place.

Slow (ten times the typed reading), so that only what is suspicious comes here. `json` does the grammar; what it lets
through on its own (UTF-16, NaN, 1e999, endless integers, lone surrogates, repeated names) is refused here.
"""

import json
import math
import re
from typing import Any, Final, NamedTuple

from flowtrail.model.errors import Refusal
from flowtrail.model.limits import MAX_INTEGER

_DIGITS: Final = 20
"""With its sign, the longest integer of 64 bits; longer ones are never converted, since that takes quadratic time."""
ALLOWED_NUMBER: Final = f"integers from {-MAX_INTEGER - 1} to {MAX_INTEGER}, other numbers up to 1.7e308"
_NESTED: Final = "at most 8 levels of maps and lists"
_LONE: Final = re.compile("[\ud800-\udfff]")


class Unreadable(NamedTuple):
    """A number that is none of ours, kept as it was written until its place is known."""

    text: str
    message: str


class Repeated(dict[str, Any]):
    """An object in which a name stands twice; `name` is the first such."""

    name: str = ""


def parse_json(text: bytes) -> Any:
    """The value of one JSON text; numbers that are refused as `Unreadable`, repeated names as `Repeated`.

    Raises: Refusal (`not_utf8`, `invalid_json`, `too_deep`).
    """
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refusal(
            "not_utf8",
            f"the text is not UTF-8, from byte {error.start} on",
            None,
            text[error.start : error.start + 8].hex(" "),
            "UTF-8",
        ) from None
    try:
        return json.loads(
            decoded,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as error:
        raise Refusal(
            "invalid_json",
            f"{error.msg[:1].lower()}{error.msg[1:]}, at character {error.pos}",
            None,
            decoded[error.pos : error.pos + 40],
            "one JSON object",
        ) from None
    except RecursionError:
        raise Refusal("too_deep", "the JSON is nested too deep", None, None, _NESTED) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    repeated = Repeated(found)
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            repeated.name = name
            break
        seen.add(name)
    return repeated


def _integer(text: str) -> int | Unreadable:
    if len(text) <= _DIGITS:
        value = int(text)
        if -MAX_INTEGER - 1 <= value <= MAX_INTEGER:
            return value
    return Unreadable(text, "the integer does not fit into 64 bits")


def _float(text: str) -> float | Unreadable:
    value = float(text)
    return value if math.isfinite(value) else Unreadable(text, "the number is too large")


def _constant(text: str) -> Unreadable:
    return Unreadable(text, "JSON has no such number")


def check_text(text: str, field: str | None) -> str:
    """The text itself. Raises: Refusal (`invalid_text`: NUL, lone surrogates)."""
    if "\0" in text:
        raise Refusal("invalid_text", "the text holds NUL", field, text, "Unicode without NUL")
    if not text.isascii() and _LONE.search(text):
        raise Refusal(
            "invalid_text", "the text holds half a surrogate pair", field, text, "Unicode without NUL"
        )
    return text


def check_number(value: Any, field: str | None) -> None:
    """Raises: Refusal (`invalid_number`) for what `parse_json` could not read as a number."""
    if isinstance(value, Unreadable):
        raise Refusal("invalid_number", value.message, field, value.text, ALLOWED_NUMBER)


def check_names(value: dict[str, Any], field: str | None) -> None:
    """Raises: Refusal (`repeated_name`) for an object in which a name stands twice."""
    if isinstance(value, Repeated):
        place = value.name if field is None else f"{field}.{value.name}"
        raise Refusal(
            "repeated_name", "the name stands twice in one object", place, value.name, "each name once"
        )
