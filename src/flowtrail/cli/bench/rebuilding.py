"""How fast views are made anew from the journal."""

from flowtrail.intake.rebuild import rebuild
from flowtrail.model.clock import monotonic_s
from flowtrail.storage import open_store


def ratio(url: str, reference: float) -> float:
    """Records a second of a rebuild, as a multiple of the reference. No server may hold the store."""
    store = open_store(url, create=False)
    try:
        began = monotonic_s()
        done = rebuild(store)
        return round(done.records / (monotonic_s() - began) / reference, 3)
    finally:
        store.close()
