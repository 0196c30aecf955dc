"""The moment a question is asked at, with what is normal then; computed only for questions that depend on it."""

import threading
from typing import Final
from weakref import WeakKeyDictionary

from flowtrail.insight.normal import Place, normal_silence
from flowtrail.model.clock import monotonic_s
from flowtrail.model.conditions import AllOf, AnyOf, Condition, IsStuck, Moment, Not
from flowtrail.projection.cells import start_of
from flowtrail.storage.interface import Store

KEPT_S: Final = 10.0
"""What is normal moves with the days; asking anew for every page would cost more than the page."""

_kept: WeakKeyDictionary[Store, dict[str, tuple[float, int, dict[Place, int]]]] = WeakKeyDictionary()
"""By tenant: when it was computed, for which day, and what is normal then."""
_lock = threading.Lock()


def moment_of(store: Store, tenant: str, condition: Condition, now: int) -> Moment:
    """The moment for this condition; its patience is at most `KEPT_S` old."""
    return Moment(now, _patience(store, tenant, now)) if _asks_patience(condition) else Moment(now)


def _asks_patience(condition: Condition) -> bool:
    match condition:
        case AllOf(parts) | AnyOf(parts):
            return any(map(_asks_patience, parts))
        case Not(part):
            return _asks_patience(part)
        case _:
            return isinstance(condition, IsStuck)


def _patience(store: Store, tenant: str, now: int) -> dict[Place, int]:
    # All of a day have the same; a walk that was begun days ago has its own.
    day = start_of("day", now)
    with _lock:
        held = _kept.setdefault(store, {}).get(tenant)
    if held is not None and held[1] == day and monotonic_s() - held[0] < KEPT_S:
        return held[2]
    patience = normal_silence(store.cells, tenant, now)
    with _lock:
        _kept.setdefault(store, {})[tenant] = (monotonic_s(), day, patience)
    return patience
