"""Values that a foreign event carries, brought to what a record may hold. Nothing is lost without saying so."""

import hashlib
import json
from typing import Any, Final

from flowtrail.intake.exact import Repeated, Unreadable, check_names, check_number
from flowtrail.model.limits import MAX_DEPTH, MAX_NAME_CHARS

MAX_VALUE_BYTES: Final = 64 * 1024
"""One value's JSON: what CloudEvents asks receivers to take, and a quarter of a record."""


def fitted(value: Any, field: str) -> Any:
    """The value itself where a record may hold it. What is nested deeper than 8 levels, or has names that no record
    has, becomes its JSON as text; a value whose JSON is longer than 64 KiB becomes its size and its SHA-256.

    Raises: Refusal (`invalid_number`, `repeated_name`), RecursionError.
    """
    _check(value, field)
    if isinstance(value, str) and len(value) * 4 <= MAX_VALUE_BYTES:
        return value
    if not isinstance(value, (str, dict, list)):
        return value
    encoded = _json(value).encode("utf-8", "surrogatepass")
    if len(encoded) > MAX_VALUE_BYTES:
        return {"omitted_bytes": len(encoded), "sha256": hashlib.sha256(encoded).hexdigest()}
    return _fitted(value, MAX_DEPTH)


def _fitted(value: Any, levels: int) -> Any:
    if not isinstance(value, (dict, list)):
        return value
    if levels == 0:
        return _json(value)
    if isinstance(value, list):
        return [_fitted(each, levels - 1) for each in value]
    if not all(0 < len(name) <= MAX_NAME_CHARS for name in value):
        return _json(value)
    return {name: _fitted(each, levels - 1) for name, each in value.items()}


def _check(value: Any, field: str) -> None:
    if isinstance(value, Unreadable):
        check_number(value, field)
    elif isinstance(value, dict):
        if isinstance(value, Repeated):
            check_names(value, field)
        for name, each in value.items():
            _check(each, f"{field}.{name}")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            _check(each, f"{field}[{index}]")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
