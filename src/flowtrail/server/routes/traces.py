"""`POST /v1/traces`: spans over OTLP/HTTP. What is answered is what OTLP's exporters understand.

A success is an `ExportTraceServiceResponse`, an error a `google.rpc.Status`, each in the encoding of the request.
Exporters send again after 429, 502, 503 and 504 alone, so that a full store is answered with 503 here.
"""

from typing import Any, Final

from google.protobuf import any_pb2, duration_pb2, json_format
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from flowtrail.intake.admission import Reader
from flowtrail.intake.foreign.otlp import JSON, PROTOBUF, media_type, trace_reader
from flowtrail.intake.foreign.otlp_settings import trace_settings
from flowtrail.intake.wire import Rejected
from flowtrail.model.errors import Refusal
from flowtrail.server.problems import Problem, answer, problem_of
from flowtrail.server.services import Services
from flowtrail.server.taking import take_in

PATH: Final = "/v1/traces"
TOKEN_HEADER: Final = "Flowtrail-Token"  # noqa: S105 -- a name, no secret
"""Carries what a receipt of records has in its body, for `Flowtrail-After`."""
MOST_NAMED: Final = 100
"""Refused spans that one message names; it says how many more there are."""

_CODES: Final = {
    400: code_pb2.INVALID_ARGUMENT,
    401: code_pb2.UNAUTHENTICATED,
    403: code_pb2.PERMISSION_DENIED,
    404: code_pb2.NOT_FOUND,
    405: code_pb2.UNIMPLEMENTED,
    408: code_pb2.DEADLINE_EXCEEDED,
    413: code_pb2.INVALID_ARGUMENT,
    415: code_pb2.INVALID_ARGUMENT,
    429: code_pb2.RESOURCE_EXHAUSTED,
    431: code_pb2.INVALID_ARGUMENT,
    503: code_pb2.UNAVAILABLE,
    504: code_pb2.DEADLINE_EXCEEDED,
}
_FULL: Final = 507


def reader_of(services: Services) -> Reader:
    """What reads the traces that a server takes."""
    settings = services.settings
    return trace_reader(
        trace_settings(settings.multi_object_flows, settings.otlp_objects, settings.otlp_keys)
    )


async def post_traces(request: Request) -> Response:
    """Take spans in."""
    receipt = await take_in(request, request.app.state.trace_reader)
    if receipt.rejected and not receipt.accepted:
        raise Problem(
            400,
            "nothing_accepted",
            f"none of {len(receipt.rejected)} spans was accepted: {named(receipt.rejected)}",
            members={"rejected": receipt.rejected},
        )
    response = trace_service_pb2.ExportTraceServiceResponse()
    if receipt.rejected:
        response.partial_success.rejected_spans = len(receipt.rejected)
        response.partial_success.error_message = named(receipt.rejected)
    headers = {"Cache-Control": "no-store"}
    if receipt.token is not None:
        headers[TOKEN_HEADER] = receipt.token
    return _encoded(response, _encoding(request.scope), 200, headers)


def named(rejected: list[Rejected]) -> str:
    """Which spans were refused and why, in one text."""
    parts = [_described(each) for each in rejected[:MOST_NAMED]]
    if len(rejected) > MOST_NAMED:
        parts.append(f"and {len(rejected) - MOST_NAMED} more")
    return "; ".join(parts)


def _described(rejected: Rejected) -> str:
    came = "" if rejected.received is None else f", received {rejected.received}"
    allowed = "" if rejected.allowed is None else f", allowed: {rejected.allowed}"
    return f"{rejected.field or 'span'}: {rejected.message} ({rejected.code}{came}{allowed})"


def refused(scope: Scope, error: BaseException) -> Response:
    """The answer to a request that is refused as a whole."""
    problem = problem_of(error)
    if problem.status == _FULL:
        problem.status = 503
    plain = answer(problem if problem.status != 500 else error)
    status = status_pb2.Status(
        code=_CODES.get(problem.status, code_pb2.INTERNAL), message=f"{problem.code}: {_told(problem)}"
    )
    rejected = problem.members.get("rejected", ())
    if rejected or problem.field is not None:
        status.details.append(_packed(_bad_request(problem, rejected)))
    wait = plain.headers.get("retry-after")
    if wait is not None:
        delay = duration_pb2.Duration(seconds=int(wait))
        status.details.append(_packed(error_details_pb2.RetryInfo(retry_delay=delay)))
    kept = {
        name: value for name, value in plain.headers.items() if name not in {"content-length", "content-type"}
    }
    return _encoded(status, _encoding(scope), problem.status, kept)


def _told(problem: Problem) -> str:
    came = "" if problem.received is None else f"; received: {problem.received}"
    allowed = "" if problem.allowed is None else f"; allowed: {problem.allowed}"
    return f"{problem.message}{came}{allowed}"


def _bad_request(problem: Problem, rejected: list[Rejected]) -> Message:
    told = error_details_pb2.BadRequest()
    if problem.field is not None:
        told.field_violations.add(field=problem.field, description=problem.message)
    for each in rejected[:MOST_NAMED]:
        told.field_violations.add(field=each.field or "", description=_described(each))
    return told


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _encoding(scope: Scope) -> str:
    """The encoding of a request; JSON where it has none of OTLP's."""
    for name, value in scope["headers"]:
        if name == b"content-type":
            try:
                return media_type(value.decode("latin-1"))
            except Refusal:
                return JSON
    return JSON


def _encoded(message: Message, encoding: str, status: int, headers: dict[str, Any]) -> Response:
    if encoding == PROTOBUF:
        return Response(message.SerializeToString(), status, headers, PROTOBUF)
    return Response(json_format.MessageToJson(message, indent=None), status, headers, JSON)
