"""OpenLineage: a run is a transaction of its job's flow, with one execution; `openlineage_datasets` has the datasets.

A run's id is a UUID and becomes the transaction's, so that a parent's id needs no more than its facet. Facets are
registers of their own, as in the standard: the later one of a name replaces the earlier.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from flowtrail.intake.bodies import decompress, is_lines
from flowtrail.intake.chunks import cut
from flowtrail.intake.exact import check_number
from flowtrail.intake.fields import an_object, wrong_type
from flowtrail.intake.foreign.events import Events, Statement, read_events
from flowtrail.intake.foreign.fitting import fitted
from flowtrail.intake.foreign.openlineage_datasets import (
    SOURCE,
    Dataset,
    at_rest,
    named_datasets,
    required_text,
)
from flowtrail.model.errors import Refusal
from flowtrail.model.ids import derived_execution_id, derived_transaction_id
from flowtrail.model.instants import parse_instant
from flowtrail.model.limits import MAX_OBJECT_ID_CHARS, MAX_REASON_CHARS

STATUSES: Final[Mapping[str, str | None]] = {
    "START": "running",
    "RUNNING": "running",
    "COMPLETE": "succeeded",
    "ABORT": "failed",
    "FAIL": "failed",
    "OTHER": None,
}
"""What a type of event says about the execution."""
OUTCOMES: Final = {"COMPLETE": "delivered", "ABORT": "cancelled", "FAIL": "failed"}
"""How the transaction ends with it."""
ABORTED: Final = "Aborted"
"""The exception of a run that was stopped without saying why."""
UNNAMED: Final = "Error"
"""The exception whose message does not begin with its type."""
_KNOWN: Final = frozenset({"eventTime", "eventType", "run", "job", "dataset", "inputs", "outputs"})
_TYPE_CHARS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.$")


def read_openlineage(
    tenant: str, body: bytes, content_type: str | None, content_encoding: str | None, received_at: int
) -> Events:
    """The records of a request's events: one, an array of them, or lines. Raises: Refusal for the body as a whole."""
    lines = is_lines(content_type)
    texts = [text for chunk in cut(decompress(body, content_encoding), lines=lines) for text in chunk.texts]
    return read_events(texts, lineage_mapping(tenant), received_at)


def lineage_mapping(tenant: str) -> Callable[[dict[str, Any]], list[Statement]]:
    """How an event becomes statements."""

    def statements(event: dict[str, Any]) -> list[Statement]:
        if event.get("run") is not None:
            return _Run(tenant, event).statements()
        if event.get("dataset") is not None:
            return Dataset(tenant, event["dataset"], "dataset").stated(_time(event), _rest(event))
        if event.get("job") is not None:
            return _job(tenant, event)
        raise Refusal(
            "missing_field", "the event speaks of nothing", "run", None, "run and job, job, or dataset"
        )

    return statements


class _Run:
    """An event of a run while it is read."""

    def __init__(self, tenant: str, event: dict[str, Any]) -> None:
        self.tenant, self.event = tenant, event
        self.at = _time(event)
        self.type = _event_type(event)
        run, job = an_object(event["run"], "run"), _required(event, "job", "job")
        self.run_id = _uuid(run, "run")
        self.id = self.run_id.replace("-", "")
        self.facets = _facets(run, "run.facets")
        self.job_facets = _facets(job, "job.facets")
        self.name = required_text(job, "name", "job")
        self.flow = f"{required_text(job, 'namespace', 'job')}/{self.name}"

    def statements(self) -> list[Statement]:
        """The run, its execution and its end, what it was started by, and the datasets it names."""
        found = [self._opened(), self._block()]
        if self.type in OUTCOMES:
            found.append(self._end(OUTCOMES[self.type]))
        if self.facets.get("parent") is not None:
            found.append(self._parent())
        for role in ("inputs", "outputs"):
            for dataset in named_datasets(self.tenant, self.event, role):
                found += dataset.used(self.at, self.id, self.run_id, self.flow, STATUSES[self.type])
        return found

    def _opened(self) -> Statement:
        fields: dict[str, Any] = {
            "kind": "transaction",
            "at": self.at,
            "id": self.id,
            "flow": self.flow,
            "object_type": "run",
            "object_id": self.run_id,
            "created_at": self.at if self.type == "START" else None,
            "keys": {"job": self.name},
            "attributes": {
                **_rest(self.event),
                **{
                    f"job.{name}": fitted(facet, f"job.facets.{name}")
                    for name, facet in self.job_facets.items()
                },
            },
        }
        places = {
            "flow": "job.name",
            "keys.job": "job.name",
            "attributes": "",
            "attributes.job": "job.facets",
        }
        return Statement(fields, places)

    def _block(self) -> Statement:
        status = STATUSES[self.type]
        fields: dict[str, Any] = {
            "kind": "block",
            "at": self.at,
            "transaction": self.id,
            "id": derived_execution_id(SOURCE, self.tenant, self.run_id).hex(),
            "block": self.name,
            "stage": "processing",
            "status": status,
            "details": {name: fitted(facet, f"run.facets.{name}") for name, facet in self.facets.items()},
        }
        if self.type == "START":
            fields["started_at"] = self.at
        elif self.type in OUTCOMES:
            fields["ended_at"] = self.at
            fields["exceptions"] = self._exceptions()
        places = {"block": "job.name", "details": "run.facets", "exceptions[0]": "run.facets.errorMessage"}
        places["exceptions[0].stacktrace"] = "run.facets.errorMessage.stackTrace"
        return Statement(fields, places)

    def _exceptions(self) -> list[dict[str, Any]] | None:
        facet = self.facets.get("errorMessage")
        if not isinstance(facet, dict):
            return [{"type": ABORTED}] if self.type == "ABORT" else None
        message = facet.get("message")
        return [{"type": _exception_type(message), "message": message, "stacktrace": facet.get("stackTrace")}]

    def _end(self, outcome: str) -> Statement:
        facet = self.facets.get("errorMessage")
        message = facet.get("message") if isinstance(facet, dict) else None
        is_reason = isinstance(message, str) and len(message) <= MAX_REASON_CHARS and outcome != "delivered"
        fields: dict[str, Any] = {
            "kind": "end",
            "at": self.at,
            "transaction": self.id,
            "outcome": outcome,
            "ended_at": self.at,
            "reason": message if is_reason else None,
        }
        return Statement(fields, {"reason": "run.facets.errorMessage.message"})

    def _parent(self) -> Statement:
        place = "run.facets.parent"
        parent = an_object(self.facets["parent"], place)
        run = _required(parent, "run", f"{place}.run")
        fields = {
            "kind": "link",
            "parent": _uuid(run, f"{place}.run").replace("-", ""),
            "child": self.id,
            "relation": "split",
        }
        return Statement(fields, {"child": f"{place}.run.runId"})


def _job(tenant: str, event: dict[str, Any]) -> list[Statement]:
    """A job as it is designed: an object at rest between the datasets it reads and writes."""
    at, job = _time(event), an_object(event["job"], "job")
    name = required_text(job, "name", "job")
    flow = f"{required_text(job, 'namespace', 'job')}/{name}"
    own = derived_transaction_id(tenant, SOURCE, "", flow, "job", name).hex()
    attributes = _rest(event) | {
        facet: fitted(value, f"job.facets.{facet}") for facet, value in _facets(job, "job.facets").items()
    }
    places = {"flow": "job.name", "object_id": "job.name", "attributes": "job.facets"}
    found = at_rest(at, own, flow, ("job", name), attributes, places)
    for role in ("inputs", "outputs"):
        for dataset in named_datasets(tenant, event, role):
            found += dataset.planned(at, own)
    return found


def _time(event: Mapping[str, Any]) -> int:
    value = event.get("eventTime")
    if value is None:
        raise Refusal(
            "missing_field", "the field is required", "eventTime", None, "an instant with an offset"
        )
    if not isinstance(value, str):
        check_number(value, "eventTime")
        raise wrong_type(value, "eventTime", "text")
    return parse_instant(value, "eventTime")


def _event_type(event: Mapping[str, Any]) -> str:
    value = event.get("eventType")
    if value is None:
        return "OTHER"
    if not isinstance(value, str) or value not in STATUSES:
        raise Refusal(
            "not_allowed", "there is no such type of event", "eventType", value, ", ".join(STATUSES)
        )
    return value


def _required(value: Mapping[str, Any], name: str, place: str) -> dict[str, Any]:
    if value.get(name) is None:
        raise Refusal("missing_field", "the field is required", place, None, f"{name}: an object")
    return an_object(value[name], place)


def _facets(value: Mapping[str, Any], place: str) -> dict[str, Any]:
    facets = value.get("facets")
    return {} if facets is None else an_object(facets, place)


def _uuid(run: Mapping[str, Any], place: str) -> str:
    """A run's id as text in its usual form, which is the same however it was written."""
    text = required_text(run, "runId", place)
    try:
        found = UUID(text)
    except ValueError:
        found = None
    if found is None or not found.int:
        raise Refusal("invalid_id", "a run's id is a UUID", f"{place}.runId", text, "a UUID, not all zero")
    return str(found)


def _rest(event: Mapping[str, Any]) -> dict[str, Any]:
    """What an event says beside what is mapped: who produced it, by which schema, and what nobody knows yet."""
    return {
        name: fitted(value, name) for name, value in event.items() if name not in _KNOWN and value is not None
    }


def _exception_type(message: Any) -> str:
    """What a message such as "org.apache.spark.sql.AnalysisException: no such table" begins with."""
    head, colon, _ = message.partition(":") if isinstance(message, str) else ("", "", "")
    is_type = 0 < len(head) <= MAX_OBJECT_ID_CHARS and set(head) <= _TYPE_CHARS
    return head if colon and is_type else UNNAMED
