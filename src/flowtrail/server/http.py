"""uvicorn, as this server runs it."""

import contextlib
import math
import socket
from collections.abc import Callable, Iterator
from typing import Final

import uvicorn

from flowtrail.server.app import build_app
from flowtrail.server.connection import Connection
from flowtrail.server.listening import BACKLOG
from flowtrail.server.services import Services

KEEP_ALIVE_S: Final = 75
"""Longer than clients keep idle connections: who closes first finds no request on its way."""


class HttpServer(uvicorn.Server):
    """Serves until `should_exit`; `force_exit` does not wait for requests under way."""

    def __init__(
        self,
        services: Services,
        *,
        on_started: Callable[[], None] = lambda: None,
        on_stopping: Callable[[], None] = lambda: None,
    ) -> None:
        settings = services.settings
        super().__init__(
            uvicorn.Config(
                build_app(services),
                loop="auto",
                http=Connection,
                ws="none",
                interface="asgi3",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                headers=[("X-Content-Type-Options", "nosniff")],
                workers=1,
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=math.ceil(settings.drain_s),
            )
        )
        self._services = services
        self._on_started, self._on_stopping = on_started, on_stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._services.stopping = True
        self._services.hub.close()
        self._on_stopping()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Signals are the business of whoever runs this: see `stopping`.
        yield
