"""The projector as a process of its own: `python -m flowtrail.server.projecting [STORE_URL]`.

Without a URL it takes FLOWTRAIL_STORE: a command line can be read by other users. Standard input is a pipe that the
server holds open: it says that pages were committed, or asks to finish what the journal holds; its end says that the
server is gone. SIGTERM asks to finish too, SIGINT to leave after the batch under way.
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Final

from flowtrail.intake.projector import LEASE_S, Projector
from flowtrail.intake.rebuild import renew_views
from flowtrail.ledger.heads import reached
from flowtrail.model.errors import StoreError
from flowtrail.server.settings import inherited_store
from flowtrail.storage import open_store
from flowtrail.storage.interface import Position, Store

log = logging.getLogger(__name__)

WAKE: Final = b"."
DRAIN: Final = b"d"
"""Words on the pipe. A process that is still starting hears them, where a signal would end it."""
LOOK_S: Final = 0.02
"""Between two looks whether the views have caught up, while somebody waits for it."""


def covers(visible: Position, wanted: Position) -> bool:
    """Whether views folded that far show everything up to `wanted`."""
    return all(visible.get(ordinal, 0) >= sequence for ordinal, sequence in wanted.items())


def durable(store: Store) -> Position:
    """How far the journal reaches on disk, of all writers."""
    return reached(store.journal.heads())


class Projecting:
    """A projector with a way to stop it: at once, or once it has caught up. `run` belongs to one thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stop = threading.Event()
        self._drain = threading.Event()
        self._wake = threading.Event()
        self._projector = Projector(store.journal, store.view_writer())

    def run(self) -> None:
        """Project until told to stop; views of an older version are made anew first."""
        threading.Thread(target=self._stop_when_drained, name="drain", daemon=True).start()
        self._renew()
        self._projector.run(self._stop, self._wake)

    def _renew(self) -> None:
        while not self._stop.is_set():
            try:
                if renew_views(self._store, self._stop):
                    return
            except StoreError as error:
                log.warning("the views could not be made anew, it is tried again: %s", error)
            self._stop.wait(LEASE_S / 4)

    def wake(self) -> None:
        """Pages were committed."""
        self._wake.set()

    def drain(self) -> None:
        """Stop once everything that is durable now is visible."""
        self._drain.set()
        self._wake.set()

    def stop(self) -> None:
        """Stop after the batch under way."""
        self._stop.set()
        self._drain.set()
        self._wake.set()

    def _stop_when_drained(self) -> None:
        self._drain.wait()
        wanted: Position | None = None
        while not self._stop.is_set():
            try:
                wanted = durable(self._store) if wanted is None else wanted
                if covers(self._store.changes.visible(), wanted):
                    break
            except StoreError as error:
                log.warning("cannot tell whether the views have caught up: %s", error)
            self._wake.set()
            self._stop.wait(LOOK_S)
        self.stop()


def follow(
    descriptor: int, wake: Callable[[], None], drain: Callable[[], None], gone: Callable[[], None]
) -> None:
    """Read a pipe until its end: `drain` when it is asked for, else `wake`; `gone` when the other side has closed it."""
    while words := os.read(descriptor, 65_536):
        wake()
        if DRAIN in words:
            drain()
    gone()


def main(arguments: list[str]) -> int:
    """Run until the server is gone or asks to stop. Gives 0, or 1 when the store cannot be opened."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s projector: %(message)s")
    try:
        store = open_store(arguments[0] if arguments else inherited_store(), create=False)
    except StoreError as error:
        log.error("%s", error)  # noqa: TRY400 -- said to people, who have no use for the stack
        return 1
    projecting = Projecting(store)

    signal.signal(signal.SIGTERM, lambda *_: projecting.drain())
    signal.signal(signal.SIGINT, lambda *_: projecting.stop())
    threading.Thread(
        target=follow,
        args=(sys.stdin.fileno(), projecting.wake, projecting.drain, projecting.stop),
        name="server",
        daemon=True,
    ).start()
    try:
        projecting.run()
    finally:
        store.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
