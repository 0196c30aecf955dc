"""`GET /v1/export`: transactions as a file."""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from flowtrail.model.clock import now_us
from flowtrail.query.export import MEDIA_TYPES, open_export
from flowtrail.server.parameters import EXPORT, read_parameters
from flowtrail.server.services import caller_of, services_of

PATH: Final = "/v1/export"
CONTENT: Final[dict[str, Any]] = {media_type: {} for media_type in MEDIA_TYPES}


async def export(request: Request) -> Response:
    """Transactions that match a query, as a file of any size."""
    services = services_of(request)
    given = read_parameters(request, EXPORT)
    opened = open_export(
        services.store,
        caller_of(request).tenant,
        format=given.get("format"),
        content=given.get("content"),
        q=given.get("q"),
        from_=given.get("from"),
        to=given.get("to"),
        now=now_us(),
    )
    headers = await services.waiting.before(request)
    return await services.exports.answer(opened, headers)
