"""Redaction in the host: after a record was told, before it leaves the process or reaches the spill.

    names said at the call ──► rules given to `init` ──► the host's own function

What fails here takes out more, never less: a value the host's function raises on is redacted, and a record that the
rules cannot be applied to keeps nothing but its identity.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from flowtrail.model.errors import Refusal, shorten
from flowtrail.model.ids import random_bytes
from flowtrail.model.limits import MAX_OBJECT_ID_CHARS, MAX_REASON_CHARS
from flowtrail.model.redaction import MAPS, MIN_KEY_BYTES, REDACTED, Glob, Redaction
from flowtrail.sdk import marks
from flowtrail.sdk.values import Frozen, cut_text, freeze_value, tidy

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
                    record[name] = {
                        each: cut_text(value, MAX_OBJECT_ID_CHARS)
                        for each, value in record[name].items()
                        if type(value) is str
                    }
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
    globs = _globs(hidden)
    for name in MAPS:
        if record.get(name):
            record[name] = _hidden(record[name], globs)
    skip = record.get("skip")
    if skip:
        for name in ("expected", "actual"):
            if skip.get(name) is not None:
                skip[name] = _hidden(skip[name], globs)


@lru_cache(maxsize=256)
def _globs(names: frozenset[str]) -> tuple[Glob, ...]:
    """What the names mean: as in rules, but that none is refused. One with a star inside means whatever begins, or
    ends, as it does up to there: more than was meant, never less."""
    globs = []
    for name in names:
        before = name.startswith("*")
        bare, star, _ = name.lstrip("*").casefold().partition("*")
        globs.append(Glob(bare, before, bool(star) or name == "*"))
    return tuple(globs)


def _hidden(value: Any, globs: tuple[Glob, ...]) -> Any:
    if type(value) is list:
        return [_hidden(each, globs) for each in value]
    if type(value) is not dict:
        return value
    found = {}
    for name, each in value.items():
        if each is not None and any(glob.matches(name) for glob in globs):
            marks.count("redacted_by_call")
            found[name] = REDACTED
        else:
            found[name] = _hidden(each, globs)
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
    if type(answer) is not str:
        return None if answer is None else REDACTED
    # What encrypts makes longer: a record must not be refused for it.
    return cut_text(answer, MAX_REASON_CHARS) if path.endswith("reason") else answer


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
        raise _refusal("redact_with", function, "a function of a path and a value")
    said = _texts("redact_names", names), _texts("redact_values", values), _policies(policies)
    secret = _secret(key)
    if not any(said):
        return Redacting(None, function)
    try:
        # Without a key of the host's, hashes can be compared within this process alone.
        return Redacting(Redaction(*said, secret or random_bytes(MIN_KEY_BYTES)), function)
    except Refusal as refusal:
        field = f"redact_{refusal.field or 'names'}"
        came = "" if refusal.received is None else f"; received {shorten(str(refusal.received))!r}"
        message = f"init: {field}: {refusal.message}{came}; allowed: {refusal.allowed}"
        raise Refusal("invalid_setting", message, field, refusal.received, refusal.allowed) from None


def _texts(field: str, given: Any) -> list[str]:
    # A text is a list of its letters to Python, and would take out nothing that was meant.
    allowed = 'a list of texts, such as ["card"]'
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise _refusal(field, given, allowed)
    found = list(given)
    for index, each in enumerate(found):
        if not isinstance(each, str):
            raise _refusal(f"{field}[{index}]", each, "a text")
    return found


def _policies(given: Any) -> list[Mapping[str, str]]:
    allowed = 'a list of maps, such as [{"flow": "shop-*", "field": "details.card", "policy": "none"}]'
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
        raise _refusal("redact_policies", given, allowed)
    found = list(given)
    for index, each in enumerate(found):
        if not isinstance(each, Mapping) or not all(
            isinstance(part, str) for part in (*each, *each.values())
        ):
            raise _refusal(f"redact_policies[{index}]", each, "a map of texts: flow, field and policy")
    return found


def _secret(key: Any) -> bytes | None:
    if key is None:
        return None
    secret = key.encode("utf-8", "surrogatepass") if isinstance(key, str) else key
    if not isinstance(secret, bytes) or len(secret) < MIN_KEY_BYTES:
        allowed = f"a secret of at least {MIN_KEY_BYTES} bytes"
        message = f"init: redact_key cannot be used; allowed: {allowed}"
        raise Refusal("invalid_setting", message, "redact_key", None, allowed)
    return secret


def _refusal(field: str, received: Any, allowed: str) -> Refusal:
    came = shorten(received) if isinstance(received, str) else type(received).__name__
    message = f"init: {field} cannot be read; received {came!r}; allowed: {allowed}"
    return Refusal("invalid_setting", message, field, came, allowed)


def only_named(
    record: dict[str, Any], _flow: str, hidden: frozenset[str], _size_bytes: int
) -> dict[str, Any]:
    """The record without what the host named at the call: where `init` gave no rules."""
    if hidden:
        hide(record, hidden)
    return record
