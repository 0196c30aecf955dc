"""What one span says: its record, and what it tells of a transaction that is its trace's.

Read on the delivery thread, once the span has ended: nothing changes it then. While it runs only its name, kind and
beginning are told.
"""

from typing import Any, Final, NamedTuple

from flowtrail.model.limits import (
    MAX_ATTEMPT,
    MAX_EXCEPTIONS,
    MAX_KEYS,
    MAX_MAP_NAMES,
    MAX_OBJECT_ID_CHARS,
    MAX_REASON_CHARS,
)
from flowtrail.model.statuses import OUTCOMES
from flowtrail.sdk.announcing import object_id
from flowtrail.sdk.producer import producer
from flowtrail.sdk.raised import MAX_MESSAGE_CHARS
from flowtrail.sdk.statements import STATEMENT_BYTES, finished
from flowtrail.sdk.telling import read_usages
from flowtrail.sdk.values import Frozen, cut_text, freeze, freeze_name, freeze_text, freeze_value, tidy

OURS: Final = "flowtrail."
_STAGES: Final = {"SERVER": "ingress", "CONSUMER": "ingress", "CLIENT": "egress", "PRODUCER": "egress"}
_ATTRIBUTE_BYTES: Final = 150
_EVENT_BYTES: Final = 2_000


class Told(NamedTuple):
    """Where a span belongs. `of` has the flow it is in; `block` is the block it was begun in; `is_own` where the
    transaction is the span's own trace."""

    id: str
    of: Any
    parent: str | None
    block: Any
    is_own: bool


class SpanStatement:
    """A span as an item of the outbox: put when it begins, and again when it ends after it was taken."""

    __slots__ = ("cost", "ended", "id", "span", "taken", "told")

    def __init__(self, span: Any, told: Told) -> None:
        self.span = span
        self.told = told
        self.id = f"{span.get_span_context().span_id:016x}"
        self.ended = False
        self.taken: Any = False
        self.cost = STATEMENT_BYTES

    def finish(self, span: Any) -> None:
        """The span ended."""
        size = _ATTRIBUTE_BYTES * len(span.attributes or ()) + _EVENT_BYTES * len(span.events)
        if self.taken:
            self.cost += size
        else:
            producer.sink.grow(self, size)
        self.span = span
        self.ended = True
        if self.taken:
            self.taken = False
            producer.put(self)

    def record(self) -> dict[str, Any]:
        """The record as it leaves. Never raises."""
        self.taken = True
        ended, span = self.ended, self.span
        record: dict[str, Any] = {
            "kind": "block",
            "transaction": self.told.id,
            "id": self.id,
            "block": freeze_name(span.name),
            "stage": _STAGES.get(span.kind.name, "processing"),
            "started_at": span.start_time // 1_000,
        }
        if self.told.parent is not None:
            record["parent"] = self.told.parent
        if producer.worker is not None:
            record["worker"] = freeze_name(producer.worker)
        if ended:
            record["ended_at"] = max(span.end_time // 1_000, record["started_at"])
            try:
                _tell_end(span, record)
            except Exception as error:  # noqa: BLE001 -- attributes may be of anyone's making
                record["details"] = {"flowtrail.unreadable": cut_text(repr(error), MAX_REASON_CHARS)}
        return finished(record, self.told.of, self.cost)


def _tell_end(span: Any, record: dict[str, Any]) -> None:
    told = dict(span.attributes or {})
    for field in ("block", "stage", "worker"):
        said = told.get(OURS + field)
        if said is not None:
            record[field] = freeze_name(said)
    attempt = told.get(f"{OURS}attempt")
    if type(attempt) is int and 1 <= attempt <= MAX_ATTEMPT:
        record["attempt"] = attempt
    usage = read_usages(_named(told, f"{OURS}usage."), record["block"])
    if usage:
        record["usage"] = usage
    exceptions, is_error = _exceptions(span, told), span.status.status_code.name == "ERROR"
    skip = told.get(f"{OURS}skip")
    if skip is not None:
        record["skip"] = _skip(skip, told)
        record["status"] = "skipped"
    else:
        record["status"] = "failed" if is_error else "succeeded"
        if exceptions:
            record["exceptions"] = exceptions
    details = {name: value for name, value in told.items() if not name.startswith(OURS)}
    if details:
        record["details"] = tidy(freeze(_plain(details), Frozen()))


def _skip(predicate: Any, told: dict[str, Any]) -> dict[str, Any]:
    skip: dict[str, Any] = {"predicate": freeze_name(predicate)}
    reason = told.get(f"{OURS}skip.reason")
    if reason is not None:
        skip["reason"] = freeze_text(reason, MAX_REASON_CHARS)
    for field in ("expected", "actual"):
        said = told.get(f"{OURS}skip.{field}")
        if said is not None:
            skip[field] = freeze_value(said, Frozen())
    return dict(tidy(skip))


def _exceptions(span: Any, told: dict[str, Any]) -> list[dict[str, Any]]:
    found = [_exception(event) for event in span.events if event.name == "exception"]
    if not found and span.status.status_code.name == "ERROR":
        kind = told.get("error.type", "error")
        found = [{"type": freeze_text(kind, MAX_OBJECT_ID_CHARS) or "error"}]
        if span.status.description:
            found[0]["message"] = freeze_text(span.status.description, MAX_MESSAGE_CHARS)
    return [dict(tidy(each)) for each in found[:MAX_EXCEPTIONS]]


def _exception(event: Any) -> dict[str, Any]:
    said = dict(event.attributes or {})
    found = {"type": freeze_text(said.get("exception.type") or "?", MAX_OBJECT_ID_CHARS)}
    for field, name in (("message", "exception.message"), ("stacktrace", "exception.stacktrace")):
        if said.get(name):
            found[field] = freeze_text(said[name], 2 * MAX_MESSAGE_CHARS)
    return {**found, "raised_at": event.timestamp // 1_000}


def opened_and_ended(statement: SpanStatement) -> list[dict[str, Any]]:
    """What an ended span says of its trace's transaction: who it is, and how it ended."""
    if not statement.told.is_own:
        return []
    span = statement.span
    told = dict(span.attributes or {})
    is_root = span.parent is None or told.get(f"{OURS}root") is True
    found = []
    known = told.get(f"{OURS}object.id")
    if is_root or known is not None:
        found.append(_opened(statement, told, known, is_root=is_root))
    outcome = told.get(f"{OURS}outcome")
    if outcome in OUTCOMES or (is_root and outcome is None):
        failed = span.status.status_code.name == "ERROR"
        reason = told.get(f"{OURS}reason") or (span.status.description if failed else None)
        predicate = told.get(f"{OURS}predicate")
        found.append(
            {
                "kind": "end",
                "transaction": statement.told.id,
                "outcome": outcome or ("failed" if failed else "delivered"),
                "ended_at": span.end_time // 1_000,
                "reason": freeze_text(reason, MAX_REASON_CHARS) if reason else None,
                "predicate": freeze_name(predicate) if predicate else None,
            }
        )
    return found


def _opened(statement: SpanStatement, told: dict[str, Any], known: Any, *, is_root: bool) -> dict[str, Any]:
    span = statement.span
    flow = told.get(f"{OURS}flow")
    kind = told.get(f"{OURS}object.type", "object") if known is not None else "trace"
    keys = {
        freeze_name(name): freeze_text(value, MAX_OBJECT_ID_CHARS)
        for name, value in list(_named(told, f"{OURS}key.").items())[:MAX_KEYS]
    }
    attributes = _named(told, f"{OURS}attribute.")
    return {
        "kind": "transaction",
        # A root that does not know its object gives way to whoever does.
        "at": span.end_time // 1_000 if known is not None else span.start_time // 1_000,
        "id": statement.told.id,
        "flow": freeze_name(flow) if flow is not None else statement.told.of.flow,
        "version": freeze_name(told[f"{OURS}version"]) if f"{OURS}version" in told else producer.version,
        "object_type": freeze_name(kind),
        "object_id": object_id(known if known is not None else statement.told.id),
        "keys": keys or None,
        "attributes": freeze(_plain(attributes), Frozen()) if attributes else None,
        "created_at": span.start_time // 1_000 if is_root else None,
        "trace": statement.told.id,
    }


def _named(told: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {
        name.removeprefix(prefix): value
        for name, value in told.items()
        if name.startswith(prefix) and name != prefix
    }


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """At most as many as an execution keeps; those that came first."""
    return dict(list(values.items())[:MAX_MAP_NAMES])
