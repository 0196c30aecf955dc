"""`POST /v1/records`: the raw body goes down to intake, and a receipt comes back when it is durable.

The event loop does nothing per record here; whatever is added runs for every request of every producer.
"""

from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from flowtrail.intake.admission import read_records
from flowtrail.server.problems import Problem
from flowtrail.server.services import json_answer
from flowtrail.server.taking import take_in

PATH: Final = "/v1/records"


async def post_records(request: Request) -> Response:
    """Take records in."""
    receipt = await take_in(request, read_records)
    if not receipt.accepted:
        raise Problem(
            400,
            "nothing_accepted",
            f"none of {len(receipt.rejected)} records was accepted",
            members={"accepted": 0, "rejected": receipt.rejected},
        )
    return json_answer(msgspec.json.encode(receipt))
