"""What requests are answered with: made once by `run`, found by every route."""

from dataclasses import dataclass
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response

from flowtrail.intake.admission import Intake
from flowtrail.server.auth import Caller, Door
from flowtrail.server.bodies import BodyMemory
from flowtrail.server.exporting import Exports
from flowtrail.server.live import LiveHub
from flowtrail.server.metrics import Metrics
from flowtrail.server.peers import Peers
from flowtrail.server.reading import ReadPool
from flowtrail.server.settings import Settings
from flowtrail.server.supervisor import Supervised
from flowtrail.server.waiting import Waiting
from flowtrail.storage.interface import Store

CALLER = "flowtrail.caller"


@dataclass(slots=True)
class Services:
    """One process' means. `intake` is None where nothing is taken in, `projector` where nobody projects here."""

    settings: Settings
    store: Store
    address: str
    started_at: int
    metrics: Metrics
    reads: ReadPool
    waiting: Waiting
    hub: LiveHub
    bodies: BodyMemory
    door: Door
    exports: Exports
    intake: Intake | None = None
    projector: Supervised | None = None
    peers: Peers | None = None
    """Where several processes answer for one server."""
    stopping: bool = False


def services_of(request: Request) -> Services:
    """The means of the process that answers this request."""
    return cast("Services", request.app.state.services)


def caller_of(request: Request) -> Caller:
    """Who asks; the gate has looked."""
    return cast("Caller", request.scope[CALLER])


def json_answer(body: bytes, status: int = 200, headers: dict[str, Any] | None = None) -> Response:
    """Encoded JSON as an answer that no cache keeps."""
    return Response(body, status, {"Cache-Control": "no-store", **(headers or {})}, "application/json")
