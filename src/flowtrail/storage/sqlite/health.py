"""What the embedded store says of itself: cheap questions to SQLite, never the chain (that is `ledger.check`)."""

import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from flowtrail.model.clock import monotonic_s
from flowtrail.model.errors import StoreError
from flowtrail.storage.health import Health
from flowtrail.storage.sqlite.connection import size_of
from flowtrail.storage.sqlite.lock import find_holder
from flowtrail.storage.sqlite.pool import ReadPool

LOOK_S: Final = 2.0
"""How long each file is looked through; a store of any size is answered for within seconds."""
LOW_SPACE_BYTES: Final = 256 * 1024 * 1024
"""A checkpoint, a batch and some pages: below, the next of them may fail."""
_STEPS: Final = 100_000


def health_of(directory: Path, pools: Sequence[ReadPool]) -> Health:
    """Problems, warnings and facts of the store in a directory."""
    problems: list[str] = []
    facts: dict[str, str | int] = {"store": f"sqlite:{directory}", "sqlite": sqlite3.sqlite_version}
    for pool in pools:
        name = pool.path.name
        facts[f"{name} bytes"] = sum(size_of(pool.path.with_name(name + end)) for end in ("", "-wal"))
        try:
            said = _quick_check(pool)
        except StoreError as error:
            problems.append(str(error))
            continue
        if said is None:
            facts[f"{name} looked through"] = "in part"
        problems.extend(f"{pool.path}: {line}" for line in said or ())
    free = shutil.disk_usage(directory).free
    facts["free bytes"] = free
    warnings = []
    if free < LOW_SPACE_BYTES:
        warnings.append(f"only {free // 1024 // 1024} MiB are free at {directory}")
    holder = find_holder(directory)
    if holder is not None:
        facts["held by"] = holder.address or f"process {holder.pid}"
    return Health(problems, facts, warnings)


def _quick_check(pool: ReadPool) -> list[str] | None:
    """What SQLite finds wrong; None when its time was over before it was through."""
    with pool.snapshot() as snapshot:
        connection = snapshot.connection
        until = monotonic_s() + LOOK_S
        connection.set_progress_handler(lambda: monotonic_s() > until, _STEPS)
        try:
            rows = connection.execute("PRAGMA quick_check(10)").fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            return None
        finally:
            connection.set_progress_handler(None, 0)
        return [line for (line,) in rows if line != "ok"]
