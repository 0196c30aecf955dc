"""How a server stops: SIGTERM or Ctrl-C once, and it finishes what it has begun; twice, and it hurries."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from flowtrail.server.http import HttpServer

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Hurried(BaseException):
    """A second signal came while somebody waited. Never leaves this module."""


class Stop:
    """Knows how often a stop was asked for. Belongs to the main thread."""

    def __init__(self) -> None:
        self.asked = 0
        self._server: HttpServer | None = None
        self._draining = False

    @property
    def hurries(self) -> bool:
        """Whether nothing should be waited for."""
        return self.asked > 1

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Answer to signals."""
        before = {number: signal.signal(number, self._came) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def runs(self, server: HttpServer) -> None:
        """From now on a stop concerns this server."""
        self._server = server
        server.should_exit = self.asked > 0

    def ask(self) -> None:
        """Ask once more; from any thread."""
        self.asked += 1
        if self._server is not None:
            self._server.should_exit = True
            self._server.force_exit = self.hurries

    def drain(self, steps: Sequence[Callable[[float], None]], patience_s: float) -> None:
        """Call the steps in turn with how long each may wait; a step that a signal hurries is called again with 0."""
        for step in steps:
            try:
                self._draining = True
                step(0 if self.hurries else patience_s)
            except Hurried:
                self._draining = False
                step(0)
            finally:
                self._draining = False

    def _came(self, number: int, frame: FrameType | None) -> None:
        self.ask()
        if self._draining and self.asked == 2:
            raise Hurried
