"""What must not be kept: rules about names, values and fields, and what becomes of a record under them.

Used twice, by the same rules or by others: in the host application before anything leaves it, and at intake before
anything is written. Works on the fields of a record as the wire calls them, nested ones as plain maps and lists.

    policy of the field ──► name of the value ──► patterns over its texts      the first that speaks decides

Everything it changes is counted by why. A text that would take too long to look through is taken out whole.
"""

import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from flowtrail.model.errors import Refusal
from flowtrail.model.limits import MAX_REASON_CHARS
from flowtrail.model.patterns import Budget, BudgetSpent, Pattern
from flowtrail.model.sensitive import NAMED, Sensitive

REDACTED: Final = "[redacted]"
HASH_PREFIX: Final = "hmac:"
HASH_CHARS: Final = 32
MIN_KEY_BYTES: Final = 16
RECORD_BUDGET: Final = 20_000
BYTE_BUDGET: Final = 32
"""Work on one record, see `patterns.Budget`: some milliseconds, and some microseconds for each of its bytes. What
patterns cost on text that nobody chose for them is a tenth of it."""

POLICIES: Final = ("none", "redacted", "hash", "full")
"""From the strictest on: the name alone stays; a mark stands for the value; its keyed hash does; it stays as it is."""

MAPS: Final = ("attributes", "details", "keys")
_COUNTED: Final = frozenset({"usage", "dropped"})
"""Maps of names to numbers."""
IDENTIFYING: Final = frozenset(
    {"flow", "version", "object_type", "object_id", "block", "stage", "worker", "trace", "predicate"}
)
"""Texts that others refer to: hashed as a whole, so that equal ones stay equal."""
FIELDS: Final = (
    *MAPS,
    "object_id",
    "worker",
    "reason",
    "exceptions.message",
    "exceptions.stacktrace",
    "skip.reason",
    "skip.expected",
    "skip.actual",
)
"""What a policy may speak of; of maps, names below them too, such as `details.customer.email`."""

_KEPT_TEXTS: Final = 4_096
"""Identifying texts whose verdict is remembered: they come again and again."""
_SHORTEST_NUMBER: Final = 10**11
"""Whole numbers from here on are looked through as text: a card's number has twelve digits at least."""
_WORD: Final = re.compile(r"[^\W\d](?:[\w-]*\w)?")
_HEX: Final = frozenset("0123456789abcdef")
_encode: Final = msgspec.json.Encoder(order="deterministic").encode


class Glob(NamedTuple):
    """A name, with `*` for anything at its beginning, its end, or both; upper and lower case alike."""

    text: str
    before: bool
    after: bool

    def matches(self, name: str) -> bool:
        """Whether the name is meant."""
        name = name.casefold()
        if self.before:
            return self.text in name if self.after else name.endswith(self.text)
        return name.startswith(self.text) if self.after else name == self.text


class Rule(NamedTuple):
    """A policy for the fields of some flows."""

    flow: Glob
    field: Glob
    policy: str


def read_glob(text: str, place: str) -> Glob:
    """A name with stars at its ends. Raises: Refusal (`invalid_rule`)."""
    before, after = text.startswith("*"), text.endswith("*")
    bare = text[before : len(text) - after if len(text) > before else None].casefold()
    if not text or "*" in bare:
        raise Refusal(
            "invalid_rule",
            "a star stands at the beginning or the end",
            place,
            text,
            "such as *password* or card_*",
        )
    return Glob(bare, before, after)


def read_sensitive(text: str, place: str) -> Sensitive:
    """A pattern by its name, in upper or lower case, or a regular expression. Raises: Refusal (`invalid_rule`, or
    what the pattern is refused with).

    A word alone is no expression, though it reads like one: whoever writes `phone` means a name, and would otherwise
    be told nothing while every number stays.
    """
    named = NAMED.get(text.casefold())
    if named is not None:
        return named
    if _WORD.fullmatch(text):
        allowed = f"{', '.join(NAMED)}, or a regular expression; for the word itself \\b{text}\\b"
        raise Refusal("invalid_rule", "there is no pattern of this name", place, text, allowed)
    return Sensitive(Pattern(text, place))


class Redaction:
    """The rules, ready for use from any thread.

    `names` are globs, `values` what `read_sensitive` takes, `policies` maps with `flow` (any, if absent),
    `field` and `policy`. `key` makes hashes that nobody else can guess. Raises: Refusal, naming the rule.
    """

    def __init__(
        self,
        names: Sequence[str] = (),
        values: Sequence[str] = (),
        policies: Sequence[Mapping[str, str]] = (),
        key: bytes = b"",
    ) -> None:
        self._names = tuple(read_glob(name, f"names[{index}]") for index, name in enumerate(names))
        self._values = tuple(read_sensitive(value, f"values[{index}]") for index, value in enumerate(values))
        self._rules = tuple(_rule(policy, f"policies[{index}]") for index, policy in enumerate(policies))
        if len(key) < MIN_KEY_BYTES:
            raise Refusal(
                "invalid_rule",
                "hashes need a key",
                "key",
                None,
                f"a secret of at least {MIN_KEY_BYTES} bytes",
            )
        self._key = key
        self._verdicts: dict[str, tuple[str, str]] = {}

    def apply(self, fields: dict[str, Any], flow: str | None, counts: Counter[str], size_bytes: int) -> None:
        """Redact the fields of one record of about that size in place, and count what was taken out by `name`,
        `value`, `policy` and `budget`. A record that does not say its flow is under the rules of every flow."""
        _Pass(self, flow, counts, size_bytes).fields(fields)

    def policy(self, field: str, flow: str | None) -> str | None:
        """The strictest policy for a field; None where no rule speaks of it."""
        found: str | None = None
        for rule in self._rules:
            if not rule.field.matches(field):
                continue
            # Of a flow that is not known, only taking out is safe: it may be one that is meant.
            unknown = rule.flow == _ANY or rule.policy != "full"
            applies = unknown if flow is None else rule.flow.matches(flow)
            if applies and (found is None or POLICIES.index(rule.policy) < POLICIES.index(found)):
                found = rule.policy
        return found

    def is_named(self, name: str) -> bool:
        """Whether a value of that name is to be taken out."""
        return any(glob.matches(name) for glob in self._names)

    def hashed(self, value: Any) -> str:
        """The keyed hash of a value; of one that is such a hash already, itself."""
        if isinstance(value, str) and _is_hash(value):
            return value
        raw = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else _encode(value)
        return HASH_PREFIX + hmac.new(self._key, raw, hashlib.sha256).hexdigest()[:HASH_CHARS]

    def cleaned(self, text: str, budget: Budget) -> tuple[str, str]:
        """The text with marks for what the patterns find, and why it changed: "", `value` or `budget`."""
        changed = text
        if text == REDACTED or _is_hash(text):
            return text, ""
        try:
            for sensitive in self._values:
                if sensitive.pattern.may_match(changed):
                    changed = sensitive.replaced(changed, REDACTED, budget)
        except BudgetSpent:
            return REDACTED, "budget"
        return changed, "value" if changed != text else ""

    def verdict(self, text: str, budget: Budget) -> tuple[str, str]:
        """As `cleaned`, for a text that others refer to: its hash stands for the whole.

        Costs the same whether or not it was remembered, so that a record ends the same every time.
        """
        try:
            budget.spend(len(text))
        except BudgetSpent:
            return self.hashed(text), "budget"
        known = self._verdicts.get(text)
        if known is None:
            own = Budget(RECORD_BUDGET + BYTE_BUDGET * len(text), budget.building)
            _, why = self.cleaned(text, own)
            budget.building = own.building
            known = (self.hashed(text) if why else text), why
            if why != "budget":
                if len(self._verdicts) >= _KEPT_TEXTS:
                    self._verdicts.clear()
                self._verdicts[text] = known
        return known


_ANY: Final = Glob("", before=True, after=True)


class _Pass:
    """One record under the rules."""

    def __init__(self, rules: Redaction, flow: str | None, counts: Counter[str], size_bytes: int) -> None:
        self.rules, self.flow, self.counts = rules, flow, counts
        self.budget = Budget(RECORD_BUDGET + BYTE_BUDGET * size_bytes)

    def fields(self, fields: dict[str, Any]) -> None:
        for name in tuple(fields):
            value = fields[name]
            if value is None:
                continue
            if name in IDENTIFYING:
                fields[name] = self._identifying(name, value)
            elif name in MAPS:
                fields[name] = self._map(value, name, is_keys=name == "keys") or None
            elif name in _COUNTED:
                fields[name] = {self._name(each): number for each, number in value.items()}
            elif name == "reason":
                fields[name] = self._text(name, value)
            elif name == "exceptions":
                fields[name] = [self._exception(each) for each in value]
            elif name == "skip":
                fields[name] = self._skip(value)
            elif name == "producer":
                said, _, session = value.rpartition("/")
                fields[name] = f"{self._identifying('producer', said)}/{session}"
            elif name == "stages":
                fields[name] = [self._identifying("stage", each) for each in value]
            elif name == "blocks":
                fields[name] = [
                    {
                        part: self._identifying(part, each) if isinstance(each, str) else each
                        for part, each in block.items()
                    }
                    for block in value
                ]

    def _counted(self, why: str, value: Any) -> Any:
        self.counts[why] += 1
        return value

    def _under(self, policy: str, value: Any) -> Any:
        """The value under a policy that takes it out."""
        changed = None if policy == "none" else REDACTED if policy == "redacted" else self.rules.hashed(value)
        return value if changed == value else self._counted("policy", changed)

    def _identifying(self, name: str, text: str) -> str | None:
        policy = self.rules.policy(name, self.flow)
        if policy == "full":
            return text
        if policy is not None:
            return self._under(policy, text)  # type: ignore[no-any-return]
        changed, why = self.rules.verdict(text, self.budget)
        return self._counted(why, changed) if why else text

    def _text(self, path: str, text: str) -> str | None:
        """A text that people read."""
        policy = self.rules.policy(path, self.flow)
        if policy == "full":
            return text
        if policy is not None:
            return self._under(policy, text)  # type: ignore[no-any-return]
        changed, why = self.rules.cleaned(text, self.budget)
        if why and path.endswith("reason") and len(changed) > MAX_REASON_CHARS:
            changed = REDACTED
        return self._counted(why, changed) if why else text

    def _name(self, name: str) -> str:
        """The name of something in a map."""
        said, why = self.rules.verdict(name, self.budget)
        return str(self._counted(why, said)) if why else name

    def _map(self, pairs: Mapping[str, Any], path: str, *, is_keys: bool = False) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs.items():
            said = self._name(name)
            changed = self._named(name, value, f"{path}.{name}", is_keys=is_keys)
            # A key is text or is not there.
            if changed is not None or not is_keys:
                found[said] = changed
        return found

    def _named(self, name: str, value: Any, path: str, *, is_keys: bool) -> Any:
        policy = self.rules.policy(path, self.flow)
        if policy == "full":
            return value
        if policy is not None:
            return self._under(policy, value)
        if self.rules.is_named(name) and value not in (None, REDACTED):
            changed = self.rules.hashed(value) if is_keys else REDACTED
            return value if changed == value else self._counted("name", changed)
        if is_keys:
            changed, why = self.rules.verdict(value, self.budget)
            return self._counted(why, changed) if why else value
        return self._value(value, path)

    def _value(self, value: Any, path: str) -> Any:
        if isinstance(value, str):
            changed, why = self.rules.cleaned(value, self.budget)
            return self._counted(why, changed) if why else value
        if isinstance(value, dict):
            return self._map(value, path)
        if isinstance(value, list):
            return [self._value(each, path) for each in value]
        if isinstance(value, int) and abs(value) >= _SHORTEST_NUMBER:
            _, why = self.rules.cleaned(str(value), self.budget)
            return self._counted(why, REDACTED) if why else value
        return value

    def _exception(self, told: Mapping[str, Any]) -> dict[str, Any]:
        found = dict(told)
        for name in ("type", "module"):
            if found.get(name) is not None:
                found[name] = self._identifying(name, found[name])
        for name in ("message", "stacktrace"):
            if found.get(name) is not None:
                found[name] = self._text(f"exceptions.{name}", found[name])
        if found.get("frames"):
            found["frames"] = [
                {
                    part: self._identifying(part, each) if isinstance(each, str) else each
                    for part, each in frame.items()
                }
                for frame in found["frames"]
            ]
        if found.get("cause") is not None:
            found["cause"] = self._exception(found["cause"])
        return found

    def _skip(self, told: Mapping[str, Any]) -> dict[str, Any]:
        found = dict(told)
        found["predicate"] = self._identifying("predicate", found["predicate"])
        if found.get("reason") is not None:
            found["reason"] = self._text("skip.reason", found["reason"])
        for name in ("expected", "actual"):
            if found.get(name) is not None:
                found[name] = self._named(name, found[name], f"skip.{name}", is_keys=False)
        return found


class _Rules(msgspec.Struct, forbid_unknown_fields=True):
    names: list[str] = []
    values: list[str] = []
    policies: list[dict[str, str]] = []


def read_rules(text: str, key: bytes) -> Redaction:
    """Rules as JSON: an object with `names`, `values` and `policies`. Raises: Refusal, naming the rule."""
    try:
        rules = msgspec.json.decode(text, type=_Rules)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        allowed = '{"names": […], "values": […], "policies": [{"flow": …, "field": …, "policy": …}]}'
        raise Refusal("invalid_rule", f"the rules cannot be read: {error}", None, text, allowed) from None
    return Redaction(rules.names, rules.values, rules.policies, key)


def _rule(policy: Mapping[str, str], place: str) -> Rule:
    known = ("flow", "field", "policy")
    if set(policy) - {*known} or not {"field", "policy"} <= set(policy):
        raise Refusal(
            "invalid_rule", "a policy has a flow, a field and a policy", place, dict(policy), ", ".join(known)
        )
    field, chosen = policy["field"], policy["policy"]
    if chosen not in POLICIES:
        raise Refusal(
            "invalid_rule", "there is no such policy", f"{place}.policy", chosen, ", ".join(POLICIES)
        )
    if not any(field == each or (each in MAPS and field.startswith(f"{each}.")) for each in FIELDS):
        allowed = ", ".join((*FIELDS, "and names below maps, such as details.card*"))
        raise Refusal("invalid_rule", "no policy speaks of this field", f"{place}.field", field, allowed)
    if field == "object_id" and chosen not in {"hash", "full"}:
        raise Refusal(
            "invalid_rule", "objects are told apart by their id", f"{place}.policy", chosen, "hash or full"
        )
    named = f"{field}.*" if field in MAPS else field
    return Rule(
        read_glob(policy.get("flow", "*"), f"{place}.flow"), read_glob(named, f"{place}.field"), chosen
    )


def _is_hash(text: str) -> bool:
    head, digits = text[: len(HASH_PREFIX)], text[len(HASH_PREFIX) :]
    return head == HASH_PREFIX and len(digits) == HASH_CHARS and set(digits) <= _HEX
