"""What operators and machines ask: is it alive, is it ready, how is it doing, what can it do."""

from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from flowtrail import __version__
from flowtrail.model.errors import StoreError
from flowtrail.server.metrics import MEDIA_TYPE, as_text
from flowtrail.server.parameters import NOTHING, read_parameters
from flowtrail.server.problems import Problem
from flowtrail.server.services import Services, json_answer, services_of
from flowtrail.server.watching import watched_process, watched_store

READY_S: Final = 2.0
"""What a probe may wait for the store."""


async def healthz(request: Request) -> Response:
    """The process answers."""
    read_parameters(request, NOTHING)
    return json_answer(msgspec.json.encode({"alive": True, "version": __version__}))


async def readyz(request: Request) -> Response:
    """Records are taken in, views follow, and reads are answered; else 503 with what is not well."""
    read_parameters(request, NOTHING)
    services = services_of(request)
    reasons = [*await _of_store(services), *_of_process(services)]
    if reasons:
        raise Problem(503, "not_ready", "; ".join(reasons), members={"reasons": reasons}, retry_after_s=1)
    return json_answer(msgspec.json.encode({"ready": True}))


def _of_process(services: Services) -> list[str]:
    reasons = []
    if services.stopping:
        reasons.append("the server is stopping")
    if services.projector is not None and not services.projector.up:
        reasons.append("the projector is down: what is written does not become visible")
    intake = services.intake
    if intake is not None and intake.committer.failure is not None:
        reasons.append(f"records are not taken in: {intake.committer.failure}")
    return reasons


async def _of_store(services: Services) -> list[str]:
    try:
        await services.reads.within(READY_S, services.store.changes.revision)
    except StoreError as error:
        return [f"the store cannot be read: {error}"]
    except Problem as problem:
        # What the problem recommends is for whoever asked for much; nothing less can be asked for than this.
        late = f"it did not answer within {READY_S:g} s"
        return [f"the store cannot be read: {late if problem.code == 'read_timeout' else problem.message}"]
    return []


async def metrics(request: Request) -> Response:
    """For Prometheus."""
    read_parameters(request, NOTHING)
    services = services_of(request)

    def render() -> bytes:
        own = [*services.metrics.collect(), *watched_process(services)]
        counted = own if services.peers is None else services.peers.together(own)
        return as_text([*watched_store(services), *counted])

    return Response(await services.reads.run(render), 200, {"Cache-Control": "no-store"}, MEDIA_TYPE)


async def openapi(request: Request) -> Response:
    """This description."""
    read_parameters(request, NOTHING)
    description: dict[str, Any] = request.app.openapi()
    return json_answer(msgspec.json.encode(description))
