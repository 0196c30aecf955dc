"""CloudEvents 1.0: one event is one execution of a block, on the object that its subject names.

What the attributes of the standard do not say, extension attributes of ours do; `docs/cloudevents.md` is the table.
Identity is the standard's: the same id from the same source is the same execution, however often it comes.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from flowtrail.intake.exact import Repeated, check_names, check_number, check_text
from flowtrail.intake.fields import wrong_type
from flowtrail.intake.foreign.events import Statement
from flowtrail.intake.foreign.fitting import fitted
from flowtrail.model.errors import Refusal
from flowtrail.model.ids import derived_execution_id, derived_transaction_id
from flowtrail.model.instants import parse_instant
from flowtrail.model.limits import MAX_ATTEMPT

SOURCE: Final = "cloudevents"
"""Part of every derived id."""
SPECVERSION: Final = "1.0"
REQUIRED: Final = ("specversion", "id", "source", "type")
OWN: Final = "flowtrail"
EXTENSIONS: Final = (
    "flow",
    "version",
    "type",
    "object",
    "case",
    "transaction",
    "block",
    "stage",
    "execution",
    "attempt",
    "status",
    "queued",
    "started",
    "worker",
    "predicate",
    "reason",
    "exception",
    "outcome",
    "parent",
    "parenttype",
    "relation",
)
"""What may follow `flowtrail` in the name of an extension attribute; the standard's names have no hyphens."""

_NAME: Final = re.compile(r"[a-z0-9]+")
_MEDIA_TYPE: Final = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+\s*(;.*)?", re.ASCII | re.DOTALL)
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_PARTS: Final = re.compile(r"[./:]+")
_VERSION: Final = re.compile(r"v[0-9]+\w*")
_KEYS: Final = ("partitionkey", "correlationid")
_ALONE: Final = {"succeeded": "delivered", "failed": "failed", "skipped": "filtered"}
"""How an object ends of which there is one event."""
_PAYLOAD: Final = ("data", "data_base64")
_TEXTS: Final = ("datacontenttype", "dataschema", "subject", *REQUIRED)


@dataclass(frozen=True, slots=True)
class EventDefaults:
    """What events mean that do not say it themselves: names of the flow and of the type of its objects."""

    flow: str | None = None
    object_type: str | None = None


def event_mapping(
    tenant: str, defaults: EventDefaults, received_at: int
) -> Callable[[dict[str, Any]], list[Statement]]:
    """How an event in the JSON format becomes statements; `received_at` stands in where it says no time."""

    def statements(event: dict[str, Any]) -> list[Statement]:
        said = {name: value for name, value in event.items() if value is not None or name == "data"}
        _check(said, event)
        return _Reading(tenant, defaults, received_at, said).statements()

    return statements


class _Reading:
    """One event while it is read."""

    def __init__(
        self, tenant: str, defaults: EventDefaults, received_at: int, event: Mapping[str, Any]
    ) -> None:
        self.tenant, self.event = tenant, event
        self.own = {name.removeprefix(OWN): value for name, value in event.items() if name.startswith(OWN)}
        self.at: int = parse_instant(event["time"], "time") if "time" in event else received_at
        parts = [part for part in _PARTS.split(event["type"]) if part and not _VERSION.fullmatch(part)]
        self.flow, self.flow_place = self._named("flow", defaults.flow, "flow", event["source"], "source")
        self.object_type, self.type_place = self._named(
            "type", defaults.object_type, "object_type", parts[-2] if len(parts) > 1 else "event", "type"
        )
        self.block, self.block_place = self._named(
            "block", None, "", parts[-1] if parts else event["type"], "type"
        )
        subject = event.get("subject")
        self.object_id, self.object_place = self._named("object", subject, "subject", event["id"], "id")
        self.alone = self.object_place == "id" and "transaction" not in self.own
        self.attempt = _integer(self.own.get("attempt"), OWN + "attempt")
        self.transaction: str = self.own.get("transaction") or self._transaction(
            self.object_type, self.object_id
        )

    def statements(self) -> list[Statement]:
        """The object, the execution, and where it is said, how it ended and what it came from."""
        block = self._block()
        found = [self._opened(), block]
        outcome = self.own.get("outcome") or (_ALONE.get(block.fields["status"]) if self.alone else None)
        if outcome is not None:
            found.append(self._end(outcome))
        if "parent" in self.own:
            found.append(self._link())
        return found

    def _named(
        self, own: str, given: str | None, given_place: str, fallback: str, fallback_place: str
    ) -> tuple[str, str]:
        """A name, and the attribute or parameter that says it: ours before the one given before the fallback."""
        if own in self.own:
            return self.own[own], OWN + own
        if given is not None:
            return given, given_place
        return fallback, fallback_place

    def _transaction(self, object_type: str, object_id: str) -> str:
        case = self.own.get("case", "")
        return derived_transaction_id(self.tenant, SOURCE, case, self.flow, object_type, object_id).hex()

    def _opened(self) -> Statement:
        fields: dict[str, Any] = {
            "kind": "transaction",
            "at": self.at,
            "id": self.transaction,
            "flow": self.flow,
            "object_type": self.object_type,
            "object_id": self.object_id,
            "version": self.own.get("version"),
            "attempt": self.attempt,
            "trace": _trace(self.event.get("traceparent")),
            "keys": {name: str(self.event[name]) for name in _KEYS if self.event.get(name) not in (None, "")},
        }
        return Statement(
            fields,
            {
                "id": OWN + "transaction",
                "flow": self.flow_place,
                "object_type": self.type_place,
                "object_id": self.object_place,
                "version": OWN + "version",
                "attempt": OWN + "attempt",
                "keys": "",
            },
        )

    def _block(self) -> Statement:
        own = self.own
        status = own.get("status") or ("skipped" if "predicate" in own and "outcome" not in own else None)
        status = status or ("failed" if "exception" in own else "succeeded")
        fields: dict[str, Any] = {
            "kind": "block",
            "at": self.at,
            "transaction": self.transaction,
            "id": self._execution(),
            "block": self.block,
            "stage": own.get("stage"),
            "attempt": self.attempt,
            "status": status,
            "worker": own.get("worker"),
            "queued_at": _instant(own, "queued"),
            "started_at": _instant(own, "started"),
            "details": self._details(),
        }
        fields[{"pending": "queued_at", "running": "started_at"}.get(status, "ended_at")] = self.at
        if status == "skipped":
            fields["skip"] = {"predicate": own.get("predicate"), "reason": own.get("reason")}
        if "exception" in own:
            fields["exceptions"] = [{"type": own["exception"], "message": own.get("reason")}]
        places = {
            "block": self.block_place,
            "queued_at": OWN + "queued",
            "started_at": OWN + "started",
            "details": "",
        }
        names = ("stage", "attempt", "status", "worker")
        places |= {name: OWN + name for name in names}
        places |= {"skip.predicate": OWN + "predicate", "skip.reason": OWN + "reason"}
        places |= {"exceptions[0].type": OWN + "exception", "exceptions[0].message": OWN + "reason"}
        return Statement(fields, places | {"skip": OWN + "predicate", "exceptions": OWN + "exception"})

    def _execution(self) -> str:
        said = self.own.get("execution")
        told = ("event", self.event["id"]) if said is None else ("execution", said)
        return derived_execution_id(SOURCE, self.tenant, self.event["source"], *told).hex()

    def _details(self) -> dict[str, Any]:
        """Every attribute of the event that is not ours, and its data."""
        details = {
            name: value
            for name, value in self.event.items()
            if not name.startswith(OWN) and name not in _PAYLOAD
        }
        for name in _PAYLOAD:
            if name in self.event:
                details[name] = fitted(self.event[name], name)
        return details

    def _end(self, outcome: str) -> Statement:
        reason, predicate = self.own.get("reason"), self.own.get("predicate")
        fields: dict[str, Any] = {
            "kind": "end",
            "at": self.at,
            "transaction": self.transaction,
            "outcome": outcome,
            "ended_at": self.at,
            "attempt": self.attempt,
            "reason": reason,
            "predicate": predicate if outcome == "filtered" else None,
        }
        return Statement(fields, {name: OWN + name for name in ("outcome", "reason", "predicate", "attempt")})

    def _link(self) -> Statement:
        own = self.own
        parent = self._transaction(own.get("parenttype", self.object_type), own["parent"])
        fields = {
            "kind": "link",
            "at": self.at,
            "parent": parent,
            "child": self.transaction,
            "relation": own.get("relation", "split"),
        }
        return Statement(fields, {"child": OWN + "parent", "relation": OWN + "relation"})


def _check(said: dict[str, Any], event: dict[str, Any]) -> None:
    """Raises: Refusal for what is no valid event of the standard."""
    if isinstance(event, Repeated):
        check_names(event, None)
    for name in REQUIRED:
        if name not in said:
            raise Refusal("missing_field", "the attribute is required", name, None, f"{name}: a value")
    for name, value in said.items():
        if name not in _PAYLOAD:
            _check_attribute(name, value)
    if said["specversion"] != SPECVERSION:
        raise Refusal(
            "not_allowed", "this version is not read here", "specversion", said["specversion"], SPECVERSION
        )
    media_type = said.get("datacontenttype")
    if media_type is not None and not _MEDIA_TYPE.fullmatch(media_type):
        raise Refusal(
            "invalid_media_type",
            "this is no media type",
            "datacontenttype",
            media_type,
            "such as application/json",
        )
    if "data_base64" in said:
        if "data" in said:
            raise Refusal(
                "contradiction", "an event has data once", "data_base64", None, "data or data_base64"
            )
        _check_base64(said["data_base64"])


def _check_attribute(name: str, value: Any) -> None:
    if not _NAME.fullmatch(name):
        raise Refusal(
            "invalid_name",
            "names of attributes are lower-case letters and digits",
            name,
            name,
            "a to z and 0 to 9",
        )
    if name.startswith(OWN) and name.removeprefix(OWN) not in EXTENSIONS:
        known = ", ".join(OWN + each for each in EXTENSIONS)
        raise Refusal("unknown_field", "there is no such attribute of ours", name, value, known)
    check_number(value, name)
    is_own = name.startswith(OWN) and name != OWN + "attempt"
    if isinstance(value, str):
        check_text(value, name)
        if not value and (name in _TEXTS or is_own):
            raise Refusal("empty", "the text is empty", name, value, "at least one character")
    elif name in _TEXTS or is_own or not isinstance(value, (bool, int)):
        allowed = "text" if name in _TEXTS or is_own else "text, an integer, true or false"
        raise wrong_type(value, name, allowed)


def _check_base64(text: Any) -> None:
    if not isinstance(text, str):
        raise wrong_type(text, "data_base64", "text")
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refusal(
            "invalid_base64", "the text is not Base64", "data_base64", text, "Base64 (RFC 4648) with padding"
        ) from None


def _instant(own: Mapping[str, Any], name: str) -> int | None:
    return parse_instant(own[name], OWN + name) if name in own else None


def _integer(value: Any, field: str) -> int | None:
    """An integer that may be written as text, as headers write it."""
    if value is None:
        return None
    allowed = f"an integer from 1 to {MAX_ATTEMPT}"
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(MAX_ATTEMPT)):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_type(value, field, allowed)
    return value


def _trace(traceparent: Any) -> str | None:
    match = _TRACEPARENT.fullmatch(traceparent) if isinstance(traceparent, str) else None
    return match[1] if match and match[1].strip("0") else None
