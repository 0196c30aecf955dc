"""Making views anew beside the old ones, and switching when they have caught up."""

import logging
import threading
from collections.abc import Callable

from flowtrail.intake.projector import LEASE_S, Progress, Projector
from flowtrail.model.clock import monotonic_s, sleep_s
from flowtrail.model.errors import StoreHeld
from flowtrail.model.ids import random_bytes
from flowtrail.model.points import reach
from flowtrail.projection.version import PROJECTION_VERSION
from flowtrail.storage.interface import Store, ViewWriter

log = logging.getLogger(__name__)


def rebuild(store: Store, on_progress: Callable[[Progress], None] | None = None) -> Progress:
    """Fold the whole journal into new views and switch readers to them; what was folded.

    Readers go on with the old views meanwhile. `on_progress` is told after each batch.
    Raises: StoreHeld (a server projects into this store), StoreFull, StoreUnavailable; then the old views stay.
    """
    store.hold()
    writer = store.view_writer()
    fresh = writer.begin_rebuild()
    projector = Projector(store.journal, fresh)
    try:
        _wait_for_lease(projector)
        while projector.step():
            if on_progress is not None:
                on_progress(projector.progress)
            if projector.caught_up:
                break
        _switch(writer, fresh)
    finally:
        projector.close()
    return projector.progress


def renew_views(store: Store, stop: threading.Event) -> bool:
    """Make views of an older projection version anew, for a process that is about to project; whether there is
    nothing more to do. False: it was stopped, or another process has the lease and may be at it.

    Readers go on with the old views meanwhile. Raises: StoreError; then the old views stay.
    """
    writer = store.view_writer()
    if not _is_older(store):
        return True
    holder = random_bytes(8).hex()
    lease = writer.acquire(holder, LEASE_S)
    if lease is None:
        return False
    if not _is_older(store):  # whoever had the lease before has done it
        writer.release(lease)
        return True
    log.warning("the views were made by an older version; making them anew, they can be read meanwhile")
    fresh = writer.begin_rebuild()
    projector = Projector(store.journal, fresh, holder=holder)
    try:
        while projector.step():
            if stop.is_set():
                return False
            if projector.caught_up:
                break  # what came since is for whoever projects then: where something always comes, there is no end
        _switch(writer, fresh)
    finally:
        projector.close()
    log.warning("the views are made anew: %d records", projector.progress.records)
    return True


def _is_older(store: Store) -> bool:
    return store.views_version()[0] < PROJECTION_VERSION


def _switch(writer: ViewWriter, fresh: ViewWriter) -> None:
    """While the lease is held: nobody else projects into the old views."""
    reach("before_switch")
    writer.finish_rebuild(fresh)
    reach("switched")


def _wait_for_lease(projector: Projector) -> None:
    """A projector that was killed holds its lease until it runs out; one that lives goes on renewing it."""
    until = monotonic_s() + 2 * LEASE_S
    while not projector.take_lease():
        if monotonic_s() > until:
            raise StoreHeld("another projector writes these views; stop its server first")
        sleep_s(LEASE_S / 20)
