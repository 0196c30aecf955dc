"""Running a server: `serve` for a process that does nothing else, `serving` inside another program.

Bind, open and hold the store, project, take in, answer; and back in the opposite order, each step with its patience.
"""

import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from flowtrail.intake.admission import Intake
from flowtrail.model.errors import FlowtrailError, Refusal, StoreError, StoreHeld
from flowtrail.server.assembling import assemble, take_apart
from flowtrail.server.http import HttpServer
from flowtrail.server.listening import CannotListen, address_of, bind
from flowtrail.server.logs import log_to_standard_error
from flowtrail.server.settings import Settings, read_settings
from flowtrail.server.stopping import Stop
from flowtrail.server.supervisor import ProjectorProcess, supervised
from flowtrail.server.tuning import tune
from flowtrail.server.workers import Workers
from flowtrail.storage import open_store
from flowtrail.storage.interface import Store

log = logging.getLogger(__name__)

FAILED: Final = 1
USAGE: Final = 2
START_S: Final = 30.0
"""For a server inside another program to come up."""


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
            return _say(refusal.message, USAGE)
        except FlowtrailError as error:
            return _say(str(error), FAILED)


def _run(settings: Settings, stop: Stop) -> int:
    listener, store = _claim(settings)
    address = address_of(listener)
    projector = supervised(store, settings.store)
    intake = Intake(store, on_commit=projector.wake)
    services = assemble(settings, store, address, intake=intake, projector=projector)
    workers = None
    if settings.intake_workers:
        assert isinstance(projector, ProjectorProcess)
        workers = Workers(settings, address, listener, projector)
        projector.on_change = workers.tell
    server = HttpServer(
        services,
        on_started=lambda: _announce(settings, address),
        on_stopping=workers.terminate if workers else lambda: None,
    )
    stop.runs(server)
    drains: list[Callable[[float], None]] = [intake.close, projector.stop]
    try:
        projector.start()
        intake.start()
        if workers:
            listener.listen()
            workers.start()
            drains.insert(1, workers.stop)
        tune()
        server.run(sockets=[listener])
    finally:
        stop.drain(drains, settings.drain_s)
        take_apart(services)
        store.close()
    return 0


def _claim(settings: Settings) -> tuple[socket.socket, Store]:
    """The port and the store. Raises: CannotListen, StoreHeld and other store errors, Refusal (the URL)."""
    try:
        listener = bind(settings.host, settings.port)
    except CannotListen:
        # Who starts the same server twice wants to hear where the first one is, not that a port is taken.
        _check_free(settings.store)
        raise
    try:
        return listener, _held(settings.store, address_of(listener))
    except BaseException:
        listener.close()
        raise


def _held(store_url: str, address: str) -> Store:
    store = open_store(store_url, address=address)
    try:
        store.hold()
    except BaseException:
        store.close()
        raise
    return store


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


def shown(store_url: str) -> str:
    """A store's URL without what must not be seen."""
    scheme, separator, rest = store_url.partition("://")
    user, at, place = rest.rpartition("@")
    return f"{scheme}://…@{place}" if separator and at and user else store_url


@contextmanager
def serving(store_url: str, *, writing: bool, port: int = 0, **given: Any) -> Iterator[str]:
    """A server on loopback inside this program, for as long as the context lasts; yields its URL when it answers.

    `writing` holds the store, takes records in and projects them; else the store must be there, is only read, and
    stays free for others. `given` are further settings. Raises: StoreError, StoreHeld, CannotListen, Refusal.
    """
    settings = Settings(store=store_url, port=port, **given)
    listener = bind(settings.host, port)
    address = address_of(listener)
    with ExitStack() as stack:
        stack.callback(listener.close)
        store = _held(store_url, address) if writing else open_store(store_url, create=False)
        stack.callback(store.close)
        projector = intake = None
        if writing:
            projector = supervised(store, store_url)
            intake = Intake(store, on_commit=projector.wake)
            stack.callback(projector.stop, settings.drain_s)
            projector.start()
            stack.callback(intake.close, settings.drain_s)
            intake.start()
        services = assemble(settings, store, address, intake=intake, projector=projector)
        stack.callback(take_apart, services)
        stack.enter_context(_threaded(HttpServer, services, listener))
        yield address


@contextmanager
def _threaded(make: Callable[..., HttpServer], services: Any, listener: socket.socket) -> Iterator[None]:
    started = threading.Event()
    server = make(services, on_started=started.set)
    thread = threading.Thread(target=server.run, args=([listener],), name="http", daemon=True)
    thread.start()
    try:
        while not started.wait(0.1):
            if not thread.is_alive():
                raise StoreError("the server inside this program did not start; the log says why")
        yield
    finally:
        server.should_exit = True
        thread.join(services.settings.drain_s + START_S)
