"""`POST /v1/events`: CloudEvents, in every content mode of their HTTP binding."""

from functools import partial
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from flowtrail.intake.foreign.cloudevents import EventDefaults
from flowtrail.intake.foreign.cloudevents_http import read_cloudevents
from flowtrail.intake.foreign.events import CountingReader
from flowtrail.intake.receipts import Receipt
from flowtrail.server.parameters import EVENTS, read_parameters
from flowtrail.server.problems import Problem
from flowtrail.server.services import json_answer
from flowtrail.server.taking import take_in

PATH: Final = "/v1/events"


async def post_events(request: Request) -> Response:
    """Take events in."""
    given = read_parameters(request, EVENTS)
    # The seam to intake has no headers, and in binary mode they are the event: the reader brings them along.
    defaults = EventDefaults(given.get("flow"), given.get("object_type"))
    reader = CountingReader(partial(read_cloudevents, headers=request.scope["headers"], defaults=defaults))
    receipt = await take_in(request, reader, EVENTS)
    return receipt_of_events(receipt, reader.accepted)


def receipt_of_events(receipt: Receipt, accepted: int) -> Response:
    """The answer to events, of which each became some records. Raises: Problem when none was accepted."""
    if receipt.rejected and not accepted:
        raise Problem(
            400,
            "nothing_accepted",
            f"none of {len(receipt.rejected)} events was accepted",
            members={"accepted": 0, "rejected": receipt.rejected},
        )
    return json_answer(msgspec.json.encode(msgspec.structs.replace(receipt, accepted=accepted)))
