"""More processes that answer requests: each listens on the same socket and has a writer of its own in the journal."""

import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

import msgspec

from flowtrail.server.settings import Settings
from flowtrail.server.supervisor import MODULE, ChildProcess, ProjectorProcess

PROJECTOR_UP: Final = b"+"
PROJECTOR_DOWN: Final = b"-"


class Task(msgspec.Struct):
    """What a worker is told on the first line of its standard input. No command line: it may hold passwords."""

    settings: Settings
    address: str
    listener: int
    """Descriptor of the socket that all processes accept from."""
    wake: int
    """Descriptor of the projector's pipe."""
    peers: str
    """Directory in which processes tell each other what they counted."""
    number: int
    """Among them."""


class WorkerProcess(ChildProcess):
    """One worker. Its standard input stays open for as long as this process lives: its end ends the worker."""

    name = "intake worker"

    def __init__(self, task: Task) -> None:
        super().__init__()
        self._task = task

    def tell(self, word: bytes) -> None:
        """Say how the projector is. Never blocks for long: a worker reads at once."""
        process = self._process
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError, ValueError):
                process.stdin.write(word)
                process.stdin.flush()

    def stop(self, drain_s: float) -> None:
        """Let it finish what it has begun for at most so long."""
        self.end(drain_s, signal.SIGTERM)
        process = self._process
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()

    def _begin(self) -> "subprocess.Popen[bytes]":
        before = self._process
        if before is not None and before.stdin is not None:
            with contextlib.suppress(OSError):
                before.stdin.close()
        process = subprocess.Popen(
            [sys.executable, *MODULE, "flowtrail.server.working"],
            stdin=subprocess.PIPE,
            pass_fds=(self._task.listener, self._task.wake),
            start_new_session=True,
        )
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(self._task) + b"\n")
        process.stdin.flush()
        return process


def tasks(
    settings: Settings, address: str, listener: socket.socket, projector: ProjectorProcess, peers: str
) -> list[Task]:
    """One for each worker that is wished for; the first process is number 0 among them."""
    descriptors = listener.fileno(), projector.wake_descriptor
    return [
        Task(settings, address, *descriptors, peers, number)
        for number in range(1, settings.intake_workers + 1)
    ]


class Workers:
    """All workers of a server."""

    def __init__(self, assigned: Sequence[Task]) -> None:
        self._workers = [WorkerProcess(task) for task in assigned]

    def start(self) -> None:
        """Start them."""
        for worker in self._workers:
            worker.start()

    def tell(self, projector_up: bool) -> None:
        """Say how the projector is."""
        for worker in self._workers:
            worker.tell(PROJECTOR_UP if projector_up else PROJECTOR_DOWN)

    def terminate(self) -> None:
        """Ask all to finish; waits for none."""
        for worker in self._workers:
            worker.terminate()

    def stop(self, drain_s: float) -> None:
        """End all."""
        self.terminate()
        for worker in self._workers:
            worker.stop(drain_s)
