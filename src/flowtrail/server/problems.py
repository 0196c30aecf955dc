"""Errors as answers: `application/problem+json` (RFC 9457) with a stable `code`, for everything that goes wrong.

What raises says the fact; what status and which headers that means over HTTP stands here alone.
"""

import logging
import math
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from flowtrail.model.errors import Damaged, Refusal, StoreError, StoreFull

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
CODE: Final = "flowtrail.code"
"""Key in a request's scope: the code it was refused with."""

_RETRY_STATUSES: Final = frozenset({429, 503, 507})
_RETRY_S: Final = 1.0
_RETRY_FULL_S: Final = 10.0
"""Space is freed by people, or by a log that rotates: sooner is useless."""


class Problem(Refusal):
    """A refusal that knows more than its status: headers, seconds to wait, and members of its own."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        field: str | None = None,
        received: Any = None,
        allowed: str | None = None,
        retry_after_s: float | None = None,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code, message, field, received, allowed, status)
        self.retry_after_s = retry_after_s
        self.headers = dict(headers or {})
        self.members = dict(members or {})


def problem_of(error: BaseException) -> Problem:
    """What an exception means to the one who asked. An exception nobody foresaw shows nothing of itself."""
    if isinstance(error, Problem):
        return error
    retry_after_s = getattr(error, "retry_after_s", getattr(error, "retry_after", None))
    if isinstance(error, Refusal):
        return Problem(
            error.status,
            error.code,
            error.message,
            field=error.field,
            received=error.received,
            allowed=error.allowed,
            retry_after_s=retry_after_s,
        )
    if isinstance(error, StoreFull):
        return Problem(507, "store_full", f"no space is left: {error}", retry_after_s=_RETRY_FULL_S)
    if isinstance(error, Damaged):
        return Problem(500, "damaged", f"stored data does not match its hash: {error}")
    if isinstance(error, StoreError):
        return Problem(503, "store_unavailable", str(error), retry_after_s=retry_after_s)
    if isinstance(error, HTTPException):
        return _of_framework(error)
    return Problem(500, "internal", "something went wrong inside; the server's log says what")


def _of_framework(error: HTTPException) -> Problem:
    headers = error.headers or {}
    if error.status_code == HTTPStatus.NOT_FOUND:
        return Problem(
            404, "no_such_route", "there is no such route; /openapi.json lists all", headers=headers
        )
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(sorted(headers.get("Allow", "").split(", ")))
        return Problem(
            405,
            "method_not_allowed",
            "not this method",
            allowed=allowed,
            headers={**headers, "Allow": allowed},
        )
    return Problem(error.status_code, "refused", str(error.detail), headers=headers)


def answer(error: BaseException) -> Response:
    """The response for an exception; logs those that nobody foresaw."""
    problem = problem_of(error)
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("a request failed", exc_info=error)
    headers = dict(problem.headers)
    if problem.status in _RETRY_STATUSES or problem.retry_after_s is not None:
        wait_s = _RETRY_S if problem.retry_after_s is None else problem.retry_after_s
        headers["Retry-After"] = str(max(1, math.ceil(wait_s)))
    body = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "code": problem.code,
        "detail": problem.message,
        "field": problem.field,
        "received": problem.received,
        "allowed": problem.allowed,
        **problem.members,
    }
    return Response(msgspec.json.encode(body), problem.status, headers, MEDIA_TYPE)


Answer = Callable[[Scope, BaseException], Response]


def answer_to(scope: Scope, error: BaseException) -> Response:
    """The response for an exception as the route's protocol words it; ours, where it has no words of its own."""
    own: Answer | None = scope["app"].state.refusals.get(scope["path"])
    return answer(error) if own is None else own(scope, error)


async def handle(request: Request, error: Exception) -> Response:
    """Starlette's exception handler."""
    response = answer_to(request.scope, error)
    request.scope[CODE] = problem_of(error).code
    return response
