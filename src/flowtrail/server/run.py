"""Running a server: `serve` for a process that does nothing else, and `serving` (see `embedded`) inside another.

Bind, open and hold the store, project, take in, answer; and back in the opposite order, each step with its patience.
"""

import logging
import socket
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from flowtrail.model.errors import FlowtrailError, Refusal, StoreError, StoreHeld
from flowtrail.server.assembling import assemble, intake_of, take_apart
from flowtrail.server.embedded import held_store, serving
from flowtrail.server.http import HttpServer
from flowtrail.server.listening import BACKLOG, CannotListen, address_of, bind
from flowtrail.server.logs import log_to_standard_error
from flowtrail.server.peers import Peers
from flowtrail.server.publishing import publishing
from flowtrail.server.services import Services
from flowtrail.server.settings import Settings, read_settings
from flowtrail.server.stopping import Stop
from flowtrail.server.supervisor import ProjectorProcess, supervised
from flowtrail.server.tuning import tune
from flowtrail.server.workers import Workers, tasks
from flowtrail.storage import open_store
from flowtrail.storage.interface import Store
from flowtrail.storage.urls import shown

log = logging.getLogger(__name__)

__all__ = ["serve", "serving"]

FAILED: Final = 1
USAGE: Final = 2


def serve(**given: Any) -> int:
    """Serve until told to stop; the process' exit code. `given` are settings by name, None for those not given.

    0 after a stop, 1 when the store or the port cannot be had, 2 when a setting cannot be meant.
    """
    try:
        settings = read_settings(**given)
        _check_workers(settings)
    except Refusal as refusal:
        field = refusal.field or ""
        return _say(refusal.message if field in refusal.message else f"{field}: {refusal.message}", USAGE)
    log_to_standard_error(settings.log_level)
    stop = Stop()
    with stop.listening():
        try:
            return _run(settings, stop)
        except Refusal as refusal:
            came = str(refusal.received or "")
            came = "" if came in refusal.message else f"{came}: "
            return _say(came + refusal.message, USAGE)
        except FlowtrailError as error:
            return _say(str(error), FAILED)


def _run(settings: Settings, stop: Stop) -> int:
    listener, store = _claim(settings)
    address = address_of(listener)
    projector = supervised(store, settings.store)
    intake = intake_of(settings, store, projector.wake)
    services = assemble(settings, store, address, intake=intake, projector=projector)
    with ExitStack() as stack:
        stack.callback(store.close)
        stack.callback(take_apart, services)
        workers = _workers(services, listener, stack)
        server = HttpServer(
            services, on_started=lambda: _announce(settings, address), on_stopping=workers.terminate
        )
        stop.runs(server)
        stack.callback(stop.drain, [intake.close, workers.stop, projector.stop], settings.drain_s)
        projector.start()
        intake.start()
        workers.start()
        tune()
        with publishing(services):
            server.run(sockets=[listener])
    return 0


def _workers(services: Services, listener: socket.socket, stack: ExitStack) -> Workers:
    """The workers that are wished for, not started yet; none when none are."""
    if not services.settings.intake_workers:
        return Workers([])
    projector = services.projector
    assert isinstance(projector, ProjectorProcess)
    directory = stack.enter_context(TemporaryDirectory(prefix="flowtrail-", ignore_cleanup_errors=True))
    services.peers = Peers(Path(directory), 0)
    # Whoever of them comes up first may accept.
    listener.listen(BACKLOG)
    workers = Workers(tasks(services.settings, services.address, listener, projector, directory))
    projector.on_change = workers.tell
    return workers


def _claim(settings: Settings) -> tuple[socket.socket, Store]:
    """The port and the store. Raises: CannotListen, StoreHeld and other store errors, Refusal (the URL)."""
    try:
        listener = bind(settings.host, settings.port)
    except CannotListen:
        # Who starts the same server twice wants to hear where the first one is, not that a port is taken.
        _check_free(settings.store)
        raise
    try:
        return listener, held_store(settings.store, address_of(listener))
    except BaseException:
        listener.close()
        raise


def _check_free(store_url: str) -> None:
    try:
        store = open_store(store_url, create=False)
    except FlowtrailError:
        return
    try:
        store.hold()
    except StoreHeld:
        raise
    except StoreError as error:
        log.debug("whether the store is free is not known: %s", error)
    finally:
        store.close()


def _check_workers(settings: Settings) -> None:
    if settings.intake_workers and settings.store.startswith("memory:"):
        raise Refusal(
            "invalid_setting",
            "a store in memory belongs to one process",
            "intake_workers",
            settings.intake_workers,
            "0 with memory:",
        )


def _announce(settings: Settings, address: str) -> None:
    print(f"Flowtrail listens on {address} (store {shown(settings.store)}); Ctrl-C stops it", flush=True)  # noqa: T201


def _say(message: str, code: int) -> int:
    print(f"flowtrail: {message}", file=sys.stderr)  # noqa: T201
    return code
