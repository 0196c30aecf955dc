"""Redaction in the host: after a record was told, before it leaves the process or reaches the spill.

    names said at the call ──► rules given to `init` ──► the host's own function

What fails here takes out more, never less: a value the host's function raises on is redacted, and a record that the
rules cannot be applied to keeps nothing but its identity.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from flowtrail.model.errors import Refusal
from flowtrail.model.ids import random_bytes
from flowtrail.model.redaction import MAPS, MIN_KEY_BYTES, REDACTED, Redaction
from flowtrail.sdk import marks
from flowtrail.sdk.values import Frozen, freeze_value, tidy

Function = Callable[[str, Any], Any]
"""Takes a path such as `details.card` and the value under it; returns what stands there instead."""

_TEXTS: Final = ("reason",)
_SKIP_PARTS: Final = ("reason", "expected", "actual")
_VALUES: Final = (*MAPS, "reason", "exceptions", "skip")


class Redacting:
    """What `Producer.finish` becomes when there is something to redact."""

    def __init__(self, rules: Redaction | None, function: Function | None) -> None:
        self._rules, self._function = rules, function

    def finish(
        self, record: dict[str, Any], flow: str, hidden: frozenset[str], size_bytes: int
    ) -> dict[str, Any]:
        """The record as it may leave. Never raises."""
        try:
            if hidden:
                hide(record, hidden)
            if self._rules is not None:
                counts: Counter[str] = Counter()
                self._rules.apply(record, flow, counts, size_bytes)
                for why, times in counts.items():
                    marks.count(f"redacted_by_{why}", times)
            if self._function is not None:
                self._ask(self._function, record)
        except Exception:  # noqa: BLE001 -- what could not be looked through does not leave
            for name in _VALUES:
                if record.pop(name, None) is not None:
                    marks.count("redacted_by_error")
            if record.get("status") == "skipped":
                record["skip"] = {"predicate": REDACTED}
        return record

    def _ask(self, function: Function, record: dict[str, Any]) -> None:
        for name in MAPS:
            if record.get(name):
                given = record[name]
                record[name] = {
                    each: _asked(function, f"{name}.{each}", value) for each, value in given.items()
                }
                if name == "keys":
                    record[name] = {each: value for each, value in record[name].items() if type(value) is str}
        for name in _TEXTS:
            if record.get(name) is not None:
                record[name] = _asked_text(function, name, record[name])
        for exception in record.get("exceptions") or ():
            _ask_exception(function, exception)
        skip = record.get("skip")
        if skip:
            for name in _SKIP_PARTS:
                if skip.get(name) is not None:
                    asked = _asked_text if name == "reason" else _asked
                    skip[name] = asked(function, f"skip.{name}", skip[name])


def hide(record: dict[str, Any], hidden: frozenset[str]) -> None:
    """Redact what the host named at the call, at any depth."""
    for name in MAPS:
        if record.get(name):
            record[name] = _hidden(record[name], hidden)
    skip = record.get("skip")
    if skip:
        for name in ("expected", "actual"):
            if skip.get(name) is not None:
                skip[name] = _hidden(skip[name], hidden)


def _hidden(value: Any, hidden: frozenset[str]) -> Any:
    if type(value) is list:
        return [_hidden(each, hidden) for each in value]
    if type(value) is not dict:
        return value
    found = {}
    for name, each in value.items():
        if name in hidden and each is not None:
            marks.count("redacted_by_call")
            found[name] = REDACTED
        else:
            found[name] = _hidden(each, hidden)
    return found


def _asked(function: Function, path: str, value: Any) -> Any:
    try:
        answer = function(path, value)
    except Exception:  # noqa: BLE001 -- what the host could not judge does not leave
        marks.count("redacted_by_error")
        return REDACTED
    if answer is value:
        return value
    marks.count("redacted_by_function")
    return tidy(freeze_value(answer, Frozen()))


def _asked_text(function: Function, path: str, text: str) -> str | None:
    answer = _asked(function, path, text)
    return answer if answer is None or type(answer) is str else REDACTED


def _ask_exception(function: Function, exception: dict[str, Any]) -> None:
    told: dict[str, Any] | None = exception
    while told is not None:
        if told.get("message") is not None:
            told["message"] = _asked_text(function, "exceptions.message", told["message"])
        told = told.get("cause")


def read_redacting(
    names: Iterable[str],
    values: Iterable[str],
    policies: Sequence[Mapping[str, str]],
    key: str | bytes | None,
    function: Function | None,
) -> Redacting:
    """The redaction that `init` was asked for. Raises: Refusal, naming the argument."""
    if function is not None and not callable(function):
        raise Refusal(
            "invalid_setting", "init: redact_with must be a function of a path and a value", "redact_with"
        )
    if not (names or values or policies):
        return Redacting(None, function)
    secret = key.encode() if isinstance(key, str) else key
    try:
        # Without a key of the host's, hashes can be compared within this process alone.
        return Redacting(
            Redaction([*names], [*values], [*policies], secret or random_bytes(MIN_KEY_BYTES)), function
        )
    except Refusal as refusal:
        field = refusal.field or "names"
        field = f"redact_{field}"
        received = None if refusal.field == "key" else refusal.received
        message = f"init: {field}: {refusal.message}; allowed: {refusal.allowed}"
        raise Refusal("invalid_setting", message, field, received, refusal.allowed) from None


def only_named(
    record: dict[str, Any], _flow: str, hidden: frozenset[str], _size_bytes: int
) -> dict[str, Any]:
    """The record without what the host named at the call: where `init` gave no rules."""
    if hidden:
        hide(record, hidden)
    return record
