"""Puts the parts of one process together."""

from collections.abc import Callable
from typing import Final

from flowtrail.intake.admission import Intake
from flowtrail.model.clock import now_us
from flowtrail.server.auth import Door
from flowtrail.server.bodies import BodyMemory
from flowtrail.server.exporting import Exports
from flowtrail.server.live import LiveHub
from flowtrail.server.metrics import Metrics
from flowtrail.server.reading import ReadPool
from flowtrail.server.services import Services
from flowtrail.server.settings import Settings
from flowtrail.server.supervisor import Supervised
from flowtrail.server.waiting import Waiting
from flowtrail.storage.interface import Store

LIVE_THREADS: Final = 2
"""The feed reads with threads of its own: many listeners must not keep other reads waiting."""
MEBIBYTE: Final = 1024 * 1024


def intake_of(settings: Settings, store: Store, on_commit: Callable[[], None] | None) -> Intake:
    """What takes records in, not started yet."""
    return Intake(store, on_commit=on_commit, redaction=settings.rules())


def assemble(
    settings: Settings, store: Store, address: str, *, intake: Intake | None, projector: Supervised | None
) -> Services:
    """A process' means, from parts that run already."""
    reads = ReadPool(settings.read_threads, settings.read_timeout_s)
    following = ReadPool(LIVE_THREADS, settings.read_timeout_s, settings.live_connections)
    return Services(
        settings=settings,
        store=store,
        address=address,
        started_at=now_us(),
        metrics=Metrics(),
        reads=reads,
        waiting=Waiting(store, reads, settings.after_timeout_s),
        hub=LiveHub(store, following, settings.live_connections),
        bodies=BodyMemory(settings.body_memory_mib * MEBIBYTE),
        door=Door(settings),
        exports=Exports(reads, settings.read_threads),
        intake=intake,
        projector=projector,
    )


def take_apart(services: Services) -> None:
    """Give the threads back; requests are over."""
    services.reads.close()
    services.hub.reads.close()
