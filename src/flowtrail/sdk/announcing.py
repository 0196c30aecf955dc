"""What is said of a transaction, taken from whatever the host gave: checked, cut and frozen, never refused."""

import datetime as dt
import re
from itertools import islice
from typing import Any, Final

import msgspec

from flowtrail.model.ids import TRANSACTION_ID_BYTES, new_transaction_id
from flowtrail.model.limits import (
    MAX_ATTEMPT,
    MAX_DECIMAL_CHARS,
    MAX_FLOW_BLOCKS,
    MAX_INTEGER,
    MAX_KEYS,
    MAX_NAME_CHARS,
    MAX_OBJECT_ID_CHARS,
)
from flowtrail.sdk import marks
from flowtrail.sdk.looks import class_name, module_and_name
from flowtrail.sdk.notices import warn_once
from flowtrail.sdk.values import Frozen, freeze, freeze_name, freeze_text, received, tidy_text

UNNAMED: Final = "unnamed"

_DECIMAL: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_HEX: Final = re.compile(rf"[0-9a-f]{{{2 * TRANSACTION_ID_BYTES}}}")
_NONE: Final = "0" * (2 * TRANSACTION_ID_BYTES)
_MOST_NAMES: Final = 1_000


def name_or_none(name: Any) -> str | None:
    """A name, or None where none was given."""
    return None if name is None else freeze_name(name)


def flow_or_unnamed(*flows: Any) -> str:
    """The name of the first of them that has one; a flow without one is called so, and that is said once."""
    for flow in flows:
        # Not by its truth, which is code of whoever made it.
        if flow is not None and (type(flow) is not str or flow):
            return freeze_name(flow)
    warn_once("flow", "a transaction has no flow: neither init() nor transaction() named one")
    return UNNAMED


def object_id(value: Any) -> str:
    """The business key as text."""
    text = tidy_text(freeze_text(value, MAX_OBJECT_ID_CHARS)) or "(empty)"
    if type(value) is not str and text == f"<{class_name(type(value))}>":
        warn_once(
            "object id",
            "an object id is text or a number; of %s only the class is told, so all of them are one object: give"
            " its text, as in str(id)",
            text,
        )
    return text


def keys(given: Any) -> dict[str, str] | None:
    """Search keys: at most 16, values as text; a key without a value is none."""
    if given is None:
        return None
    if not issubclass(type(given), dict):
        marks.count(marks.INVALID)
        warn_once(
            "keys",
            "keys are a mapping of names and texts, not %s; they are left out",
            class_name(type(given)),
        )
        return None
    found: dict[str, str] = {}
    for name, value in freeze(given, Frozen()).items():
        if value is None:
            continue
        if len(found) == MAX_KEYS:
            marks.count(marks.CUT)
            warn_once("many keys", "a call takes at most %d keys; the others are left out", MAX_KEYS)
            break
        found[name] = tidy_text(freeze_text(value, MAX_OBJECT_ID_CHARS))
    return found or None


def attributes(given: Any, frozen: Frozen) -> dict[str, Any] | None:
    """Attributes, frozen."""
    if given is None:
        return None
    if not issubclass(type(given), dict):
        kind = class_name(type(given))
        marks.count(marks.INVALID)
        warn_once(
            "attributes", "attributes are a mapping of names and values, not %s; they are left out", kind
        )
        return None
    return freeze(given, frozen) or None


def money(value: Any, currency: Any) -> tuple[str | None, str | None]:
    """Value and currency, both or neither."""
    if value is None and currency is None:
        return None, None
    text = freeze_text(value, MAX_DECIMAL_CHARS) if value is not None else ""
    if _DECIMAL.fullmatch(text) and type(currency) is str and _CURRENCY.fullmatch(currency):
        return text, currency
    marks.count(marks.INVALID)
    warn_once(
        "value",
        'value is a decimal number such as "129.90" with a currency such as "EUR", not %s with %s; both are left out',
        received(value),
        received(currency),
    )
    return None, None


def attempt(number: Any) -> int | None:
    """The number of an attempt, from 1."""
    if number is None or (type(number) is int and 1 <= number <= MAX_ATTEMPT):
        return number
    marks.count(marks.INVALID)
    warn_once(
        "attempt", "attempt is an integer from 1 to %d, not %s; it is left out", MAX_ATTEMPT, received(number)
    )
    return None


def known_id(given: Any) -> str | None:
    """A transaction's id in hex, of whatever stands for one: hex with or without hyphens, 16 bytes, a UUID, or a
    transaction itself; else None."""
    if type(given) is bytes:
        given = given.hex()
    elif type(given) is not str:
        is_ours = (module_and_name(type(given))[0] or "").startswith("flowtrail.")
        given = getattr(given, "id", None) if is_ours else freeze_text(given, MAX_NAME_CHARS)
    text = given.replace("-", "").lower() if type(given) is str and len(given) < 64 else ""
    return text if _HEX.fullmatch(text) and text != _NONE else None


def id_or_new(given: Any) -> str:
    """The id that was given, or a new one."""
    if given is not None:
        known = known_id(given)
        if known is not None:
            return known
        warn_once("id", "id is 32 hex digits, not all zero, and not %s; a new one is made", received(given))
    return new_transaction_id().hex()


def retried(given: Any) -> str | None:
    """The id of the transaction that one is another try of."""
    known = None if given is None else known_id(given)
    if given is not None and known is None:
        marks.count(marks.INVALID)
        warn_once("retry_of", "retry_of is a transaction or its id, not %s; it is left out", received(given))
    return known


def names(given: Any) -> frozenset[str]:
    """Names, of one or several."""
    if type(given) is str:
        return frozenset((freeze_name(given),))
    try:
        found = [freeze_name(each) for each in islice(_no_text(given), _MOST_NAMES + 1)]
    except Exception:  # noqa: BLE001 -- whatever was given, the host goes on
        warn_once(
            "names", "redact is a list of names, not %s; nothing is redacted by it", class_name(type(given))
        )
        return frozenset()
    if len(found) > _MOST_NAMES:
        warn_once("many names", "redact takes %d names; the others are not redacted", _MOST_NAMES)
    return frozenset(found[:_MOST_NAMES])


class Declared(msgspec.Struct, frozen=True):
    """What a declaration of a flow belongs to."""

    flow: str
    hidden: frozenset[str] = frozenset()


def flow_fields(name: Any, version: Any, stages: Any, blocks: Any, deadline: Any) -> dict[str, Any] | None:
    """A declaration's fields; None, said once, where it cannot be meant."""
    try:
        listed = [_definition(each) for each in islice(_no_text(blocks), MAX_FLOW_BLOCKS)]
        fields: dict[str, Any] = {
            "kind": "flow",
            "flow": freeze_name(name),
            "version": freeze_name(version),
            "stages": [
                *dict.fromkeys(freeze_name(each) for each in islice(_no_text(stages), MAX_FLOW_BLOCKS))
            ],
            "blocks": [*{each["name"]: each for each in listed}.values()],
        }
        if deadline is not None:
            seconds = deadline.total_seconds() if type(deadline) is dt.timedelta else float(deadline)
            fields["deadline_s"] = seconds if 0 < seconds < _LONGEST_S else None
    except Exception:  # noqa: BLE001 -- whatever was given, the host goes on
        kinds = [class_name(type(each)) for each in (stages, blocks, deadline)]
        text = "flow: the declaration of %s cannot be read, with stages of %s, blocks of %s, deadline of %s; it is left out"
        marks.count(marks.INVALID)
        warn_once("declare", text, received(name), *kinds)
        return None
    return fields


def _no_text(given: Any) -> Any:
    """What was given, unless it is a text, which to Python is a list of its letters. Raises: TypeError."""
    if issubclass(type(given), (str, bytes)):
        raise TypeError(given)
    return given


_LONGEST_S: Final = 6_000_000_000


def _definition(given: Any) -> dict[str, Any]:
    if type(given) is str:
        return {"name": freeze_name(given)}
    if isinstance(given, dict):
        name, stage, workers = given["name"], given.get("stage"), given.get("workers")
    else:
        name, stage, workers = [*given, None, None][:3]
    found: dict[str, Any] = {"name": freeze_name(name)}
    if stage is not None:
        found["stage"] = freeze_name(stage)
    if type(workers) is int and 1 <= workers <= MAX_INTEGER:
        found["workers"] = workers
    return found
