"""Where every request comes in and every answer goes out: who asks, what is counted, and no error in the open."""

import asyncio
import logging
from typing import Final
from urllib.parse import unquote_to_bytes

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flowtrail.model.clock import monotonic_s
from flowtrail.server.connection import REFUSED
from flowtrail.server.parameters import BROKEN_PERCENT, is_utf8
from flowtrail.server.problems import CODE, Problem, answer_to, problem_of
from flowtrail.server.services import CALLER, Services

log = logging.getLogger(__name__)

GONE: Final = 499
"""Counted for clients that left before they were answered; never sent."""


class Gate:
    """Lets a request in or refuses it, and counts it when it has been answered."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = monotonic_s()
        status, left = 0, False

        async def heard() -> Message:
            nonlocal left
            message = await receive()
            left = left or message["type"] == "http.disconnect"
            return message

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            self._let_in(scope)
            await self._app(scope, heard, observed)
        except ClientDisconnect:
            status = status or GONE
        except asyncio.CancelledError:
            if not self._services.stopping:
                raise
            # A stop has waited for this as long as it may. What was begun breaks off.
            if not status:
                scope[CODE] = _stopping().code
                await answer_to(scope, _stopping())(scope, receive, observed)
        except Exception as error:
            if status and left:
                # A feed that is left in the middle of an event fails at sending it: nobody is there to miss it.
                log.debug("a client left an answer", exc_info=True)
                return
            if status:
                log.exception("an answer broke off")
                raise
            scope[CODE] = problem_of(error).code
            await answer_to(scope, error)(scope, receive, observed)
        finally:
            self._services.metrics.answered(scope, status, monotonic_s() - began)

    def _let_in(self, scope: Scope) -> None:
        refused = scope.get(REFUSED)
        if refused is not None:
            raise refused
        raw_path = scope.get("raw_path") or b""
        if b"%" in raw_path:
            _check_path(raw_path)
        scope[CALLER] = self._services.door.caller(scope)


def _stopping() -> Problem:
    return Problem(
        503,
        "stopping",
        "the server stops, and did not wait any longer for this request",
        retry_after_s=1,
        headers={"Connection": "close"},
    )


def _check_path(raw_path: bytes) -> None:
    meant = unquote_to_bytes(raw_path)
    if BROKEN_PERCENT.search(raw_path) or b"\0" in meant or not is_utf8(meant):
        raise Problem(
            400,
            "malformed_path",
            "the path is not percent-encoded UTF-8 without NUL",
            field="path",
            received=raw_path,
            allowed="percent-encoded UTF-8 without NUL",
        )
