"""The FastAPI app: routes, the gate before them, and errors as problems.

Nothing here is validated by FastAPI: parameters are read by our own table and bodies by intake, so that every
refusal is ours. FastAPI gives routing, dependencies and server-sent events.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.sse import EventSourceResponse
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from flowtrail import __version__
from flowtrail.model.errors import FlowtrailError
from flowtrail.server import page
from flowtrail.server.gate import Gate
from flowtrail.server.openapi import describe
from flowtrail.server.problems import Problem, handle
from flowtrail.server.routes import events, export, lineage, live, operations, reads, records, traces
from flowtrail.server.services import Services

GET = ("GET", "HEAD")


class App(FastAPI):
    """FastAPI with a description of our own making."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = describe()
        return self.openapi_schema


def build_app(services: Services) -> App:
    """The app of one process."""
    app = App(
        title="Flowtrail",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={
            FlowtrailError: handle,
            HTTPException: handle,
            RequestValidationError: _unforeseen,
        },
    )
    app.state.services = services
    app.state.trace_reader = traces.reader_of(services)
    app.state.refusals = {traces.PATH: traces.refused}
    app.add_middleware(Gate, services=services)
    paths = services.metrics.paths
    # First, since routes are tried in order: this one is asked a thousand times as often as any other.
    app.router.routes.append(Route(records.PATH, records.post_records, methods=["POST"]))
    paths[records.post_records] = records.PATH
    for path, post in (
        (events.PATH, events.post_events),
        (lineage.PATH, lineage.post_lineage),
        (lineage.BATCH_PATH, lineage.post_lineage_batch),
        (traces.PATH, traces.post_traces),
    ):
        app.router.routes.append(Route(path, post, methods=["POST"]))
        paths[post] = path
    for read in reads.READS:
        endpoint = reads.endpoint_of(read)
        app.add_api_route(read.path, endpoint, methods=list(GET), response_model=None)
        paths[endpoint] = read.path.replace(":path", "")
    app.add_api_route(live.PATH, live.live, methods=["GET"], response_class=EventSourceResponse)
    paths[live.live] = live.PATH
    services.metrics.untimed.add(live.live)
    app.add_api_route(export.PATH, export.export, methods=["GET"], response_model=None)
    paths[export.export] = export.PATH
    services.metrics.untimed.add(export.export)
    for path, operation in (
        ("/healthz", operations.healthz),
        ("/readyz", operations.readyz),
        ("/metrics", operations.metrics),
        ("/openapi.json", operations.openapi),
        (page.PATH, page.front_page),
    ):
        app.add_api_route(path, operation, methods=list(GET), response_model=None)
        paths[operation] = path
    return app


async def _unforeseen(request: Request, _: Exception) -> Response:
    """FastAPI validates nothing here; should it ever, its own words stay inside."""
    return await handle(request, Problem(400, "invalid_request", "the request could not be read"))
