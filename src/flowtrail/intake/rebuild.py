"""Making views anew beside the old ones, and switching when they have caught up."""

from collections.abc import Callable

from flowtrail.intake.projector import LEASE_S, Progress, Projector
from flowtrail.model.clock import monotonic_s, sleep_s
from flowtrail.model.errors import StoreHeld
from flowtrail.model.points import reach
from flowtrail.storage.interface import Store


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
    finally:
        projector.close()
    reach("before_switch")
    writer.finish_rebuild(fresh)
    reach("switched")
    return projector.progress


def _wait_for_lease(projector: Projector) -> None:
    """A projector that was killed holds its lease until it runs out; one that lives goes on renewing it."""
    until = monotonic_s() + 2 * LEASE_S
    while not projector.take_lease():
        if monotonic_s() > until:
            raise StoreHeld("another projector writes these views; stop its server first")
        sleep_s(LEASE_S / 20)
