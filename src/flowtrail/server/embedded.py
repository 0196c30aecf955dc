"""A server inside another program: the command line on a store, and tests."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from flowtrail.model.errors import StoreError
from flowtrail.server.assembling import assemble, intake_of, take_apart
from flowtrail.server.http import HttpServer
from flowtrail.server.listening import address_of, bind
from flowtrail.server.services import Services
from flowtrail.server.settings import Settings, inherited_redaction
from flowtrail.server.supervisor import supervised
from flowtrail.storage import open_store
from flowtrail.storage.interface import Store

START_S: Final = 30.0
"""For a server inside another program to come up."""


@contextmanager
def serving(store_url: str, *, writing: bool, port: int = 0, **given: Any) -> Iterator[str]:
    """A server on loopback inside this program, for as long as the context lasts; yields its URL when it answers.

    `writing` holds the store, takes records in and projects them; else the store must be there, is only read, and
    stays free for others. `given` are further settings. Raises: StoreError, StoreHeld, CannotListen, Refusal.
    """
    # Whichever way records come into a store, what must not be kept stays out; reading needs no rules.
    redaction = inherited_redaction() if writing else {}
    settings = Settings(store=store_url, port=port, **{**redaction, **given})
    listener = bind(settings.host, port)
    address = address_of(listener)
    with ExitStack() as stack:
        stack.callback(listener.close)
        store = held_store(store_url, address) if writing else open_store(store_url, create=False)
        stack.callback(store.close)
        projector = intake = None
        if writing:
            projector = supervised(store, store_url)
            intake = intake_of(settings, store, projector.wake)
            stack.callback(projector.stop, settings.drain_s)
            projector.start()
            stack.callback(intake.close, settings.drain_s)
            intake.start()
        services = assemble(settings, store, address, intake=intake, projector=projector)
        stack.callback(take_apart, services)
        stack.enter_context(answering(services, listener))
        yield address


@contextmanager
def answering(services: Services, listener: socket.socket) -> Iterator[HttpServer]:
    """A thread that answers requests; when the context ends, those under way are finished."""
    started = threading.Event()
    server = HttpServer(services, on_started=started.set)
    thread = threading.Thread(target=server.run, args=([listener],), name="http", daemon=True)
    thread.start()
    try:
        while not started.wait(0.1):
            if not thread.is_alive():
                raise StoreError("the server inside this program did not start; the log says why")
        yield server
    finally:
        server.should_exit = True
        thread.join(services.settings.drain_s + START_S)


def held_store(store_url: str, address: str) -> Store:
    """The store, held for this process. Raises: StoreHeld and other store errors, Refusal (the URL)."""
    store = open_store(store_url, address=address)
    try:
        store.hold()
    except BaseException:
        store.close()
        raise
    return store
