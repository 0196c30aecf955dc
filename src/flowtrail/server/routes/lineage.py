"""`POST /api/v1/lineage`: OpenLineage, where its clients look for it; and its batches beside it."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from flowtrail.intake.foreign.events import CountingReader
from flowtrail.intake.foreign.openlineage import read_openlineage
from flowtrail.server.routes.events import receipt_of_events
from flowtrail.server.taking import take_in

PATH: Final = "/api/v1/lineage"
BATCH_PATH: Final = "/api/v1/lineage/batch"


async def post_lineage(request: Request) -> Response:
    """Take an event in."""
    return await _post(request)


async def post_lineage_batch(request: Request) -> Response:
    """Take several events in. Either route takes one, an array or lines: the standard's names are kept."""
    return await _post(request)


async def _post(request: Request) -> Response:
    reader = CountingReader(read_openlineage)
    receipt = await take_in(request, reader)
    return receipt_of_events(receipt, reader.accepted)
