"""Keeps a projector going: as a process of its own, or as a thread where the store lives in this process.

The process gets a pipe as its standard input: a byte wakes it after a commit, and the pipe's end tells it that the
server is gone. When it dies it is started again, later and later while it keeps dying.
"""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final, Protocol

from flowtrail.model.clock import monotonic_s
from flowtrail.server.projecting import DRAIN, WAKE, Projecting
from flowtrail.server.settings import child_environment
from flowtrail.storage.interface import Store

log = logging.getLogger(__name__)

MODULE: Final = ("-P", "-m")
"""How a process of ours is started: Python would look for modules in the present directory first, where a file of the
user's that is called `flowtrail.py` or `queue.py` would be taken for ours or Python's."""
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 10.0
STEADY_S: Final = 30.0
"""A projector that ran for so long did not die of how it was started."""
TERMINATION_S: Final = 2.0
"""For a projector that was told to stop at once: one batch takes less."""


class Supervised(Protocol):
    """A projector that somebody looks after."""

    restarts: int

    @property
    def up(self) -> bool:
        """Whether it is running."""

    def start(self) -> None:
        """Begin to project."""

    def wake(self) -> None:
        """Pages were committed. Never blocks, from any thread."""

    def stop(self, drain_s: float) -> None:
        """Let it catch up with the journal for at most so long, then end it."""


class ProjectorThread:
    """For stores that live in this process."""

    def __init__(self, store: Store) -> None:
        self._projecting = Projecting(store)
        self._thread = threading.Thread(target=self._projecting.run, name="projector", daemon=True)
        self.restarts = 0

    @property
    def up(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._projecting.wake()

    def stop(self, drain_s: float) -> None:
        if drain_s > 0:
            self._projecting.drain()
            self._thread.join(drain_s)
        self._projecting.stop()
        self._thread.join(TERMINATION_S)


def _nothing(_up: bool) -> None:
    pass


class ChildProcess(ABC):
    """A process that is started again when it dies, later and later while it keeps dying."""

    name = "child"

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._asked = False
        self._spawning = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher = threading.Thread(target=self._watch, name=f"{self.name}-watch", daemon=True)
        self.restarts = 0
        self.on_change: Callable[[bool], None] = _nothing
        """Told whether it runs, when that changes."""

    @property
    def up(self) -> bool:
        process = self._process
        return process is not None and process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process' id while it runs."""
        process = self._process
        return process.pid if process is not None and self.up else None

    def start(self) -> None:
        self._spawn()
        self._watcher.start()

    def terminate(self) -> None:
        """Ask it to finish and end; it is not started again. Asked once more it would hurry."""
        self._stopping.set()
        with self._spawning:
            process, asked = self._process, self._asked
            self._asked = True
        if process is not None and not asked:
            process.terminate()

    def end(self, drain_s: float, hurry: signal.Signals) -> None:
        """Let it finish for at most so long, then tell it to hurry, then kill it."""
        if drain_s > 0:
            self.terminate()
        self._stopping.set()
        with self._spawning:
            process = self._process
        if process is not None and not (drain_s > 0 and _ended(process, drain_s)):
            process.send_signal(hurry)
            if not _ended(process, TERMINATION_S):
                log.warning("the %s does not stop; it is killed, which harms nothing", self.name)
                process.kill()
                process.wait()
        if self._watcher.is_alive():
            self._watcher.join(TERMINATION_S)

    @abstractmethod
    def _begin(self) -> "subprocess.Popen[bytes]":
        """Start the process."""

    def _spawn(self) -> None:
        with self._spawning:
            if not self._stopping.is_set():
                self._process = self._begin()

    def _watch(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._stopping.is_set():
            began = monotonic_s()
            assert self._process is not None
            code = self._process.wait()
            if self._stopping.is_set():
                return
            pause_s = FIRST_PAUSE_S if monotonic_s() - began > STEADY_S else min(pause_s * 2, LONGEST_PAUSE_S)
            log.error("the %s ended with %s; it starts again in %.1f s", self.name, code, pause_s)
            self.on_change(False)
            if self._stopping.wait(pause_s):
                return
            self.restarts += 1
            try:
                self._spawn()
                self.on_change(True)
            except OSError:
                log.exception("the %s cannot be started", self.name)


class ProjectorProcess(ChildProcess):
    """For stores that other processes can open."""

    name = "projector"

    def __init__(self, store_url: str) -> None:
        super().__init__()
        self._environment = child_environment(store_url)
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)
        self._closed = False

    @property
    def wake_descriptor(self) -> int:
        """The pipe's writing end, for other processes that commit pages too."""
        return self._write_end

    def wake(self) -> None:
        wake_through(self._write_end)

    def terminate(self) -> None:
        self._stopping.set()
        try:
            os.write(self._write_end, DRAIN)
        except BlockingIOError:
            super().terminate()

    def stop(self, drain_s: float) -> None:
        self.end(drain_s, signal.SIGINT)
        if not self._closed:
            self._closed = True
            os.close(self._write_end)
            os.close(self._read_end)

    def _begin(self) -> "subprocess.Popen[bytes]":
        # A session of its own: Ctrl-C in the terminal is for the server, which then tells the projector.
        return subprocess.Popen(
            [sys.executable, *MODULE, "flowtrail.server.projecting"],
            env=self._environment,
            stdin=self._read_end,
            start_new_session=True,
        )


def wake_through(descriptor: int) -> None:
    """Write a byte to a projector's pipe. A full one means that it will wake up anyway."""
    with contextlib.suppress(BlockingIOError, BrokenPipeError):
        os.write(descriptor, WAKE)


def _ended(process: "subprocess.Popen[bytes]", patience_s: float) -> bool:
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def supervised(store: Store, store_url: str) -> Supervised:
    """A projector for that store, not started yet."""
    return ProjectorThread(store) if store_url.startswith("memory:") else ProjectorProcess(store_url)
