"""The way in for every protocol: the raw body of a request goes down to intake, a receipt comes back when it is durable."""

import asyncio

from starlette.requests import Request

from flowtrail.intake.admission import Reader
from flowtrail.intake.receipts import Receipt
from flowtrail.server.bodies import read_body
from flowtrail.server.parameters import NOTHING, Parameter, read_parameters
from flowtrail.server.problems import Problem
from flowtrail.server.services import caller_of, services_of


async def take_in(request: Request, reader: Reader, parameters: tuple[Parameter, ...] = NOTHING) -> Receipt:
    """Have a request's body read by `reader` and written; `parameters` are those that its URL may have.

    Raises: Problem, Refusal and StoreError, for the body as a whole; a receipt may say that nothing was accepted.
    """
    services = services_of(request)
    if request.scope["query_string"]:
        read_parameters(request, parameters)
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
        return await asyncio.wrap_future(
            services.intake.accept(
                caller.tenant,
                body,
                headers.get("content-type"),
                headers.get("content-encoding"),
                principal=caller.principal,
                reader=reader,
            )
        )
    finally:
        services.bodies.give_back(len(body))
