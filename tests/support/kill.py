"""Traps: a process that comes by a named point is killed there, as by kill -9.

A trap is a file that names a point and how often it may still be passed; who springs it removes it, so that the
process that is started next goes free.
"""

import contextlib
import itertools
import os
import signal
import time
from pathlib import Path

from flowtrail.model.points import POINTS, watch


class Trap:
    """The test's side."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._serials = itertools.count()

    def set(self, point: str, after: int = 1) -> None:
        """Kill whoever comes by `point` for the `after`th time."""
        assert point in POINTS
        new = self.path.with_suffix(".new")
        new.write_text(f"{point} {after} {next(self._serials)}")
        new.rename(self.path)

    @property
    def sprung(self) -> bool:
        """Whether somebody was killed since it was set."""
        return not self.path.exists()

    def wait_sprung(self, patience_s: float) -> bool:
        """Whether somebody is killed within so long."""
        until = time.monotonic() + patience_s
        while not self.sprung and time.monotonic() < until:
            time.sleep(0.01)
        return self.sprung

    def remove(self) -> None:
        """Set it off harmlessly."""
        self.path.unlink(missing_ok=True)


def arm(path: str) -> None:
    """The process' side: look at the trap whenever a point is reached."""
    passed: dict[str, int] = {}

    def reached(name: str) -> None:
        try:
            wanted = Path(path).read_text(encoding="utf-8")
        except FileNotFoundError:
            return
        point, after, _ = wanted.split()
        if point != name:
            return
        passed[wanted] = passed.get(wanted, 0) + 1
        if passed[wanted] >= int(after):
            with contextlib.suppress(FileNotFoundError):
                Path(path).unlink()
                os.kill(os.getpid(), signal.SIGKILL)

    watch(reached)
