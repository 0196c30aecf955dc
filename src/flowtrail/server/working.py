"""A worker: `python -m flowtrail.server.working`, started by a server that holds the store for it.

Standard input tells its task on the first line, then how the projector is; its end says that the server is gone.
SIGTERM asks to finish what was begun, a second one to hurry.
"""

import logging
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Final

import msgspec

from flowtrail.model.errors import StoreError
from flowtrail.server.assembling import assemble, intake_of, take_apart
from flowtrail.server.http import HttpServer
from flowtrail.server.logs import log_to_standard_error
from flowtrail.server.peers import Peers
from flowtrail.server.publishing import publishing
from flowtrail.server.stopping import Stop
from flowtrail.server.supervisor import wake_through
from flowtrail.server.tuning import tune
from flowtrail.server.workers import PROJECTOR_DOWN, PROJECTOR_UP, Task
from flowtrail.storage import open_store

log = logging.getLogger(__name__)

LONGEST_TASK: Final = 65_536


class ProjectorElsewhere:
    """A projector that another process looks after, as far as one hears of it."""

    def __init__(self, wake_descriptor: int) -> None:
        self._wake_descriptor = wake_descriptor
        self.up = True
        self.restarts = 0

    def start(self) -> None:
        """It runs already."""

    def wake(self) -> None:
        wake_through(self._wake_descriptor)

    def stop(self, drain_s: float) -> None:
        """Not ours."""

    def hear(self, words: bytes) -> None:
        """The newest word counts."""
        if words[-1:] in {PROJECTOR_UP, PROJECTOR_DOWN}:
            self.up = words[-1:] == PROJECTOR_UP


def read_task(descriptor: int) -> tuple[Task, bytes]:
    """The first line, and what came after it already. Raises: EOFError."""
    told = b""
    while b"\n" not in told:
        more = os.read(descriptor, LONGEST_TASK)
        if not more:
            raise EOFError
        told += more
    line, _, rest = told.partition(b"\n")
    return msgspec.json.decode(line, type=Task), rest


def main() -> int:
    """Answer requests until the server is gone or says to stop."""
    try:
        task, rest = read_task(sys.stdin.fileno())
    except EOFError:
        return 0
    settings = task.settings
    log_to_standard_error(settings.log_level)
    stop = Stop()
    with stop.listening():
        try:
            store = open_store(settings.store, create=False, address=task.address, held=True)
        except StoreError as error:
            log.error("%s", error)  # noqa: TRY400 -- said to people, who have no use for the stack
            return 1
        projector = ProjectorElsewhere(task.wake)
        projector.hear(rest)
        intake = intake_of(settings, store, projector.wake)
        intake.start()
        services = assemble(settings, store, task.address, intake=intake, projector=projector)
        services.peers = Peers(Path(task.peers), task.number)
        server = HttpServer(services)
        stop.runs(server)
        threading.Thread(target=_follow, args=(projector, stop), name="server", daemon=True).start()
        tune()
        with publishing(services):
            server.run(sockets=[socket.socket(fileno=task.listener)])
        stop.drain([intake.close], settings.drain_s)
        take_apart(services)
        store.close()
    return 0


def _follow(projector: ProjectorElsewhere, stop: Stop) -> None:
    while words := os.read(sys.stdin.fileno(), LONGEST_TASK):
        projector.hear(words)
    # Nobody holds the store any more, and another server may want the port: no time for manners.
    stop.ask()
    stop.ask()


if __name__ == "__main__":
    raise SystemExit(main())
