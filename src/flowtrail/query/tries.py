"""Whether a tenant's transactions are ever tried again in place."""

import threading
from typing import Final
from weakref import WeakKeyDictionary

from flowtrail.insight.ranges import ALL_TIME
from flowtrail.model.clock import monotonic_s
from flowtrail.projection.cells import EVENTS, RETRIES
from flowtrail.storage.interface import Store

KEPT_S: Final = 10.0
"""That it happened stays true; that it did not is asked again."""

_kept: WeakKeyDictionary[Store, dict[str, float]] = WeakKeyDictionary()
_lock = threading.Lock()


def ever_tried_again(store: Store, tenant: str) -> bool:
    """Whether an attempt may have ended that is not its transaction's outcome any more."""
    with _lock:
        until = _kept.setdefault(store, {}).get(tenant)
    if until is not None and monotonic_s() < until:
        return False
    found = any(
        cell.get(RETRIES, 0) > 0
        for key, cell in store.cells.cells(tenant, EVENTS, "year", *ALL_TIME)
        if not key.group[2]
    )
    if not found:
        with _lock:
            _kept.setdefault(store, {})[tenant] = monotonic_s() + KEPT_S
    return found
