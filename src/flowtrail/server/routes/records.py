"""`POST /v1/records`: the raw body goes down to intake, and a receipt comes back when it is durable.

The event loop does nothing per record here; whatever is added runs for every request of every producer.
"""

import asyncio
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from flowtrail.server.bodies import read_body
from flowtrail.server.parameters import NOTHING, read_parameters
from flowtrail.server.problems import Problem
from flowtrail.server.services import caller_of, json_answer, services_of

PATH: Final = "/v1/records"


async def post_records(request: Request) -> Response:
    """Take records in."""
    services = services_of(request)
    if request.scope["query_string"]:
        read_parameters(request, NOTHING)
    if services.intake is None:
        raise Problem(
            403,
            "read_only",
            "this server only reads its store; send records to the one that `flowtrail serve` runs",
        )
    body = await read_body(request, services.bodies)
    services.metrics.received(len(body))
    headers = request.headers
    caller = caller_of(request)
    try:
        receipt = await asyncio.wrap_future(
            services.intake.accept(
                caller.tenant,
                body,
                headers.get("content-type"),
                headers.get("content-encoding"),
                principal=caller.principal,
            )
        )
    finally:
        services.bodies.give_back(len(body))
    if not receipt.accepted:
        raise Problem(
            400,
            "nothing_accepted",
            f"none of {len(receipt.rejected)} records was accepted",
            members={"accepted": 0, "rejected": receipt.rejected},
        )
    return json_answer(msgspec.json.encode(receipt))
