"""What `/openapi.json` says: made from the tables that the server itself goes by, and from the shapes of answers."""

import re
from typing import Any, Final

import msgspec

from flowtrail import __version__
from flowtrail.intake.foreign import cloudevents_http, otlp
from flowtrail.model.limits import MAX_BODY_BYTES, MAX_RECORD_BYTES
from flowtrail.server import answers, page
from flowtrail.server.parameters import EVENTS, EXPORT, LIVE, NOTHING, PAGE, Parameter, described
from flowtrail.server.problems import MEDIA_TYPE
from flowtrail.server.routes import events, export, lineage, live, records, traces
from flowtrail.server.routes.reads import READS
from flowtrail.server.waiting import HEADER

RECORD_TYPES: Final = ("application/x-ndjson", "application/jsonl", "application/json")
REFUSALS: Final = {
    "400": "Malformed: the body, a parameter, a token.",
    "401": "The key is missing or wrong.",
    "403": "Not from another host or page without a key; not to a server that only reads.",
    "404": "Not there.",
    "405": "Not this method.",
    "408": "The request came too slowly.",
    "413": "Too large, also after decompression.",
    "415": "A media type or coding that is not understood.",
    "429": "Too much waits to be written; come back after `Retry-After`.",
    "431": "The head of the request is too large.",
    "500": "Something went wrong inside.",
    "503": "Not now: the store, or too much at once; come back after `Retry-After`.",
    "504": "It took too long.",
    "507": "No space is left; come back after `Retry-After`.",
}
EVERYWHERE: Final = ("400", "401", "403", "405", "431", "500")
READING: Final = (*EVERYWHERE, "404", "503", "504")
WRITING: Final = (*EVERYWHERE, "408", "413", "415", "429", "503", "507")
_REF: Final = "#/components/schemas/{name}"
_EXPORT: Final = "Transactions that match a query, as a file of any size."
_EVENTS: Final = """Events: `match` (the transaction as lists show it), `gone` (`{"id"}`: it was sent and matches no more),
`reset` (what was asked to resume is not to be had; look anew). An event's `id` names a revision up to which all was sent.
Time-dependent terms (`is:`) are refused."""


def describe() -> dict[str, Any]:
    """The whole description."""
    shapes = [*(read.answer for read in READS), answers.Receipt, answers.Problem, answers.ListItem]
    _, components = msgspec.json.schema_components(shapes, ref_template=_REF)
    components["Problem"]["additionalProperties"] = True
    paths: dict[str, Any] = {
        records.PATH: {"post": _records()},
        events.PATH: {"post": _events()},
        lineage.PATH: {
            "post": _lineage("post_lineage", "Take an OpenLineage event in; 200 when it is durable.")
        },
        lineage.BATCH_PATH: {
            "post": _lineage("post_lineage_batch", "Take OpenLineage events in; 200 when they are durable.")
        },
        traces.PATH: {"post": _traces()},
    }
    for read in READS:
        path = read.path.replace(":path", "")
        paths[path] = {"get": _get(read.summary, path, read.parameters, _json(read.answer), waits=True)}
    stream = {"text/event-stream": {"itemSchema": {"type": "object"}, "schema": {"type": "string"}}}
    paths[live.PATH] = {"get": _get("Follow what changes.", live.PATH, LIVE, stream, waits=True)}
    paths[live.PATH]["get"]["description"] = _EVENTS
    paths[live.PATH]["get"]["parameters"].append(
        _header(live.LAST_EVENT_ID, "Resume after the event of this id.")
    )
    paths[export.PATH] = {"get": _get(_EXPORT, export.PATH, EXPORT, export.CONTENT, waits=True)}
    for path, summary, kind, allowed in (
        ("/healthz", "The process answers.", "application/json", NOTHING),
        (
            "/readyz",
            "Records are taken in, views follow, reads are answered; else 503.",
            "application/json",
            NOTHING,
        ),
        ("/metrics", "For Prometheus.", "text/plain", NOTHING),
        ("/openapi.json", "This description.", "application/json", NOTHING),
        (page.PATH, "A page for people.", "text/html", PAGE),
    ):
        paths[path] = {"get": _get(summary, path, allowed, {kind: {}}, waits=path == page.PATH)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Flowtrail",
            "version": __version__,
            "description": "The way of every business object through an integration, recorded and found.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}, {}],
    }


def _get(
    summary: str, path: str, allowed: tuple[Parameter, ...], content: dict[str, Any], *, waits: bool
) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", path)
    ]
    parameters += described(allowed)
    if waits:
        parameters.append(_header(HEADER, "A receipt's token: wait until what was written is visible."))
    return {
        "summary": summary,
        "operationId": _operation_id(path),
        "parameters": parameters,
        "responses": {"200": {"description": "Fine.", "content": content}, **_refused(READING)},
    }


def _records() -> dict[str, Any]:
    return _post(
        "post_records",
        "Take records in; 200 when they are durable.",
        "One record a line, or a JSON array. 200 when at least one record was accepted; `rejected` lists the"
        " others. 400 with the same list when none was. Sending the same records again changes nothing."
        f" At most {MAX_BODY_BYTES} bytes decompressed, {MAX_RECORD_BYTES} a record.",
        RECORD_TYPES,
    )


def _events() -> dict[str, Any]:
    return _post(
        "post_events",
        "Take CloudEvents in; 200 when they are durable.",
        "CloudEvents 1.0 in the structured, batched or binary mode of their HTTP binding. `accepted` counts events;"
        " `rejected` lists those that were not. Sending the same events again changes nothing.",
        (cloudevents_http.STRUCTURED, cloudevents_http.BATCHED, "application/json", "*/*"),
        EVENTS,
    )


def _lineage(operation_id: str, summary: str) -> dict[str, Any]:
    return _post(
        operation_id,
        summary,
        "Events of runs, jobs and datasets: one, a JSON array, or one a line. `accepted` counts events; `rejected` lists"
        " those that were not. Sending the same events again changes nothing.",
        ("application/json", "application/x-ndjson", "application/jsonl"),
    )


def _traces() -> dict[str, Any]:
    kinds = (otlp.PROTOBUF, otlp.JSON)
    found = _post(
        "post_traces",
        "Take spans in over OTLP; 200 when they are durable.",
        "OTLP/HTTP: an `ExportTraceServiceRequest`, answered in the encoding of the request: with an"
        " `ExportTraceServiceResponse`, whose `partial_success` names spans that were rejected, or with a"
        " `google.rpc.Status`. Sending the same spans again changes nothing.",
        kinds,
    )
    answered: dict[str, Any] = {kind: {} for kind in kinds}
    for response in found["responses"].values():
        response["content"] = answered
    return found


def _post(
    operation_id: str,
    summary: str,
    description: str,
    types: tuple[str, ...],
    allowed: tuple[Parameter, ...] = NOTHING,
) -> dict[str, Any]:
    body = {"schema": {"type": "string"}}
    return {
        "summary": summary,
        "description": description,
        "operationId": operation_id,
        "parameters": [
            *described(allowed),
            {
                "name": "Content-Encoding",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "enum": ["identity", "gzip", "zstd"]},
            },
        ],
        "requestBody": {"required": True, "content": dict.fromkeys(types, body)},
        "responses": {
            "200": {"description": "Durable.", "content": _json(answers.Receipt)},
            **_refused(WRITING),
        },
    }


def _json(shape: type) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REF.format(name=shape.__name__)}}}


def _refused(statuses: tuple[str, ...]) -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": {"$ref": _REF.format(name="Problem")}}}
    return {status: {"description": REFUSALS[status], "content": content} for status in sorted(statuses)}


def _header(name: str, meaning: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": meaning,
        "schema": {"type": "string"},
    }


def _operation_id(path: str) -> str:
    return "get_" + (re.sub(r"\W+", "_", path.replace("/v1", "")).strip("_") or "page")
