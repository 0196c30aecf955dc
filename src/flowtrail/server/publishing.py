"""Tells the other processes of a server, once a second, what this one counted."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flowtrail.server.peers import PUBLISH_S
from flowtrail.server.services import Services
from flowtrail.server.watching import watched_process

log = logging.getLogger(__name__)


@contextmanager
def publishing(services: Services) -> Iterator[None]:
    """While the context lasts; nothing where no others are."""
    if services.peers is None:
        yield
        return
    stop = threading.Event()
    thread = threading.Thread(target=_publish, args=(services, stop), name="publish", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _publish(services: Services, stop: threading.Event) -> None:
    assert services.peers is not None
    while not stop.is_set():
        try:
            services.peers.publish([*services.metrics.collect(), *watched_process(services)])
        except OSError as error:
            log.warning("other processes do not hear what this one counts: %s", error)
        stop.wait(PUBLISH_S)
