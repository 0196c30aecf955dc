"""`GET /v1/live`: server-sent events."""

from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import Depends
from fastapi.sse import ServerSentEvent
from starlette.requests import Request

from flowtrail.server.connection import ABORT
from flowtrail.server.live import Listener
from flowtrail.server.parameters import LIVE, read_parameters
from flowtrail.server.services import caller_of, services_of

PATH: Final = "/v1/live"
RECONNECT_MS: Final = 1_000
LAST_EVENT_ID: Final = "Last-Event-ID"


async def _listener(request: Request) -> AsyncIterator[Listener]:
    services = services_of(request)
    text = read_parameters(request, LIVE).get("q", "")
    await services.waiting.before(request)
    last_id = request.headers.get(LAST_EVENT_ID) or None
    listener = await services.hub.join(
        caller_of(request).tenant, text, last_id, request.scope.get(ABORT, lambda: None)
    )
    try:
        yield listener
    finally:
        services.hub.leave(listener)


async def live(listener: Annotated[Listener, Depends(_listener)]) -> AsyncIterator[ServerSentEvent]:
    """Follow what changes."""
    first = True
    async for event in listener.events():
        yield ServerSentEvent(
            event=event.name,
            raw_data=event.data,
            id=event.id,
            comment=None if event.name else "here",
            retry=RECONNECT_MS if first else None,
        )
        first = False
