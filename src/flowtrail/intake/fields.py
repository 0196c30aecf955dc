"""The kinds of values a record's fields have, each with the exact check that makes the canonical value.

A check takes what JSON said and the field's path, and returns the canonical value or refuses; it is never given
null, which counts as absent.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from flowtrail.intake.exact import check_names, check_number, check_text
from flowtrail.intake.rules import is_currency, is_decimal, is_producer
from flowtrail.model.errors import Refusal
from flowtrail.model.instants import parse_instant
from flowtrail.model.limits import MAX_DECIMAL_CHARS, MAX_DEPTH, MAX_MAP_NAMES, MAX_NAME_CHARS

Check = Callable[[Any, str], Any]

_KINDS: Final = {
    str: "text",
    bool: "true or false",
    int: "an integer",
    float: "a number",
    dict: "an object",
    list: "an array",
    type(None): "null",
}


def wrong_type(value: Any, field: str | None, allowed: str) -> Refusal:
    """The refusal of a value that is something else than `allowed`."""
    kind = next((name for each, name in _KINDS.items() if isinstance(value, each)), "something else")
    return Refusal("wrong_type", f"{allowed} is needed here, not {kind}", field, value, allowed)


def text(most: int | None = None) -> Check:
    """Text of at most that many characters; empty text counts as absent."""

    def check(value: Any, field: str) -> str | None:
        if not isinstance(value, str):
            check_number(value, field)
            raise wrong_type(value, field, "text")
        if most is not None and len(value) > most:
            raise Refusal(
                "too_long",
                f"the text has {len(value)} characters",
                field,
                value,
                f"at most {most} characters",
            )
        return check_text(value, field) or None

    return check


def hex_id(size: int) -> Check:
    """An id of that many bytes."""
    allowed = f"{2 * size} lower-case hex digits, not all zero"

    def check(value: Any, field: str) -> bytes:
        if not isinstance(value, str):
            check_number(value, field)
            raise wrong_type(value, field, "text")
        if len(value) != 2 * size:
            raise Refusal("invalid_id", f"the id has {len(value)} characters", field, value, allowed)
        try:
            found = bytes.fromhex(value)
        except ValueError:
            found = b""
        if found.hex() != value:
            raise Refusal("invalid_id", "the id is not in lower-case hex", field, value, allowed)
        if not any(found):
            raise Refusal("invalid_id", "the id is all zero", field, value, allowed)
        return found

    return check


def instant(value: Any, field: str) -> int:
    """An instant."""
    check_number(value, field)
    return parse_instant(value, field)


def integer(least: int, most: int) -> Check:
    """An integer within bounds, written as one."""
    allowed = f"an integer from {least} to {most}"

    def check(value: Any, field: str) -> int:
        check_number(value, field)
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong_type(value, field, "an integer")
        if not least <= value <= most:
            raise Refusal("out_of_range", "the number is out of range", field, value, allowed)
        return value

    return check


def number(least: float, most: float, *, above: bool = False) -> Check:
    """A number within bounds; `above` leaves the lower one out."""
    allowed = f"a number {'above' if above else 'from'} {least:g} to {most:g}"

    def check(value: Any, field: str) -> float:
        check_number(value, field)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise wrong_type(value, field, "a number")
        if not least <= value <= most or (above and value == least):
            raise Refusal("out_of_range", "the number is out of range", field, value, allowed)
        return float(value)

    return check


def boolean(value: Any, field: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        check_number(value, field)
        raise wrong_type(value, field, "true or false")
    return value


def one_of(allowed: tuple[str, ...]) -> Check:
    """One of these words."""

    def check(value: Any, field: str) -> str:
        if not isinstance(value, str):
            check_number(value, field)
            raise wrong_type(value, field, "text")
        if value not in allowed:
            raise Refusal("not_allowed", "there is no such value", field, value, ", ".join(allowed))
        return value

    return check


def _formed(holds: Callable[[str], bool], code: str, message: str, allowed: str) -> Check:
    def check(value: Any, field: str) -> str:
        if not isinstance(value, str):
            check_number(value, field)
            raise wrong_type(value, field, "text")
        check_text(value, field)
        if not holds(value):
            raise Refusal(code, message, field, value, allowed)
        return value

    return check


producer: Final = _formed(
    is_producer,
    "invalid_producer",
    "a producer is a name and a session",
    f"name/session, at most {MAX_NAME_CHARS} characters",
)
decimal: Final = _formed(
    is_decimal,
    "invalid_value",
    "a value is a decimal number as text",
    f'digits with an optional sign and point, such as "129.90", at most {MAX_DECIMAL_CHARS} characters',
)
currency: Final = _formed(
    is_currency, "invalid_currency", "a currency is a code of three capitals", "ISO 4217, such as EUR"
)


def names_to(check: Check, most: int = MAX_MAP_NAMES, *, keep_empty: bool = False) -> Check:
    """An object of names and values; empty ones count as absent. `keep_empty` keeps texts that are empty."""

    def check_map(value: Any, field: str) -> dict[str, Any] | None:
        pairs = an_object(value, field)
        if len(pairs) > most:
            raise Refusal(
                "too_many", f"there are {len(pairs)} names", field, len(pairs), f"at most {most} names"
            )
        found = {}
        for name, each in pairs.items():
            check_name(name, field)
            place = f"{field}.{name}"
            if each is None and check is not anything:
                raise wrong_type(None, place, "a value")
            made = check(each, place)
            found[name] = "" if made is None and keep_empty else made
        return found or None

    return check_map


def list_of(check: Check, most: int, *, distinct: bool = False) -> Check:
    """A list; an empty one counts as absent."""

    def check_list(value: Any, field: str) -> list[Any] | None:
        if not isinstance(value, list):
            check_number(value, field)
            raise wrong_type(value, field, "an array")
        if len(value) > most:
            raise Refusal("too_many", f"there are {len(value)}", field, len(value), f"at most {most}")
        found = []
        for index, each in enumerate(value):
            place = f"{field}[{index}]"
            if each is None:
                raise wrong_type(None, place, "a value")
            made = check(each, place)
            if made is None:
                raise Refusal("empty", "the text is empty", place, each, "at least one character")
            if distinct and made in found:
                raise Refusal("repeated_name", "the name stands twice", place, each, "each name once")
            found.append(made)
        return found or None

    return check_list


def an_object(value: Any, field: str | None) -> dict[str, Any]:
    """The object itself. Raises: Refusal (`wrong_type`, `repeated_name`)."""
    if not isinstance(value, dict):
        check_number(value, field)
        raise wrong_type(value, field, "an object")
    check_names(value, field)
    return value


def check_name(name: str, field: str) -> None:
    """Raises: Refusal (`empty`, `too_long`, `invalid_text`) for a name of an object that is ours to keep."""
    check_text(name, field)
    if not name:
        raise Refusal("empty", "a name is empty", field, name, "at least one character")
    if len(name) > MAX_NAME_CHARS:
        raise Refusal(
            "too_long",
            f"a name has {len(name)} characters",
            field,
            name,
            f"at most {MAX_NAME_CHARS} characters",
        )


def anything(value: Any, field: str) -> Any:
    """Whatever JSON can say, within the limits of depth, names and numbers."""
    _check_anything(value, field, MAX_DEPTH)
    return value


def _check_anything(value: Any, field: str, levels: int) -> None:
    check_number(value, field)
    if isinstance(value, str):
        check_text(value, field)
        return
    if not isinstance(value, (dict, list)):
        return
    if levels == 0:
        raise Refusal(
            "too_deep",
            "the value is nested too deep",
            field,
            None,
            f"at most {MAX_DEPTH} levels of maps and lists",
        )
    if isinstance(value, list):
        for index, each in enumerate(value):
            _check_anything(each, f"{field}[{index}]", levels - 1)
        return
    check_names(value, field)
    for name, each in value.items():
        check_name(name, field)
        _check_anything(each, f"{field}.{name}", levels - 1)


def read_fields(
    value: dict[str, Any], checks: Mapping[str, Check], required: frozenset[str], field: str | None
) -> dict[str, Any]:
    """The canonical values of an object's fields by their names on the wire; absent ones are left out.

    Raises: Refusal (`unknown_field`, `missing_field`, `empty`, and whatever the fields' checks refuse).
    """
    prefix = "" if field is None else f"{field}."
    found = {}
    for name, each in value.items():
        check = checks.get(name)
        if check is None:
            raise Refusal(
                "unknown_field", "there is no such field", f"{prefix}{name}", each, ", ".join(sorted(checks))
            )
        if each is None:
            continue
        made = check(each, f"{prefix}{name}")
        if made is not None:
            found[name] = made
        elif name in required and each == "":
            raise Refusal("empty", "the text is empty", f"{prefix}{name}", each, "at least one character")
    for name in checks:
        if name in required and value.get(name) is None:
            raise Refusal(
                "missing_field", "the field is required", f"{prefix}{name}", None, f"{name}: a value"
            )
    return found
