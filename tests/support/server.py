"""A server as users run it, in processes that can be killed one by one and started again at the same address."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil

ROOT = Path(__file__).parents[2]
SITE = Path(__file__).parent / "site"
START_S = 150.0
PROJECTOR = "flowtrail.server.projecting"
WORKER = "flowtrail.server.working"


def environment(**more: str) -> dict[str, str]:
    """The environment of a process that traps and mutants reach."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FLOWTRAIL_")}
    return kept | {"PYTHONPATH": os.pathsep.join(map(str, (SITE, ROOT / "src", ROOT)))} | more


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """`flowtrail serve` on one store and one port. `log` collects what all its processes say."""

    def __init__(self, store: str, log: Path, *options: str, **more: str) -> None:
        self.store, self.log = store, log
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = environment(**more)
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready; again while the store is still held by one that is dying."""
        until = time.monotonic() + START_S
        while True:
            self._spawn()
            if self._ready(until):
                return
            if time.monotonic() > until:
                raise AssertionError(f"the server did not start:\n{self.said()}")
            time.sleep(0.05)

    def _spawn(self) -> None:
        words = ["-m", "flowtrail", "serve", "--store", self.store, "--port", str(self.port), *self._options]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *words],
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )

    def _ready(self, until: float) -> bool:
        while self.alive and time.monotonic() < until:
            with contextlib.suppress(httpx2.HTTPError):
                # A worker that a killed server left may still answer for a moment.
                if httpx2.get(f"{self.url}/readyz", timeout=2).status_code == 200 and self.alive:
                    return True
            time.sleep(0.02)
        return False

    @property
    def alive(self) -> bool:
        """Whether the server process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The server process."""
        assert self._process is not None
        return self._process.pid

    def children(self, module: str) -> list[psutil.Process]:
        """The processes it started to run that module."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return [
                child
                for child in psutil.Process(self.pid).children(recursive=True)
                if module in " ".join(_words(child))
            ]
        return []

    def projectors(self) -> list[psutil.Process]:
        """The processes that project for it, usually one."""
        return self.children(PROJECTOR)

    def kill(self, whom: str = "all") -> int:
        """kill -9 "server", "projector" or "all" of it, its workers too; how many processes that killed."""
        victims = self.projectors() if whom != "server" else []
        if whom == "all":
            victims += self.children(WORKER)
        killed = 0
        if whom != "projector" and self._process is not None:
            killed += self.alive
            self._process.kill()
            self._process.wait()
        for victim in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.kill()
                killed += 1
        # They are nobody's children now; until they are gone, they hold the store and the port.
        psutil.wait_procs(victims, timeout=START_S)
        return killed

    def ensure(self) -> None:
        """Start it unless it runs."""
        if not self.alive:
            self.start()

    def stop(self) -> None:
        """SIGTERM, and wait until it is gone."""
        if self.alive and self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
                raise AssertionError(f"the server does not stop:\n{self.said()}") from None

    def get(self, path: str, *, after: str | None = None, **parameters: Any) -> httpx2.Response:
        """One GET; with `after`, once what the token names is visible."""
        headers = {"Flowtrail-After": after} if after else {}
        return httpx2.get(self.url + path, params=parameters, headers=headers, timeout=60)

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-3_000:] if self.log.exists() else ""


def _words(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return list(process.cmdline())
    return []


@contextlib.contextmanager
def running(store: str, log: Path, *options: str, **more: str) -> Iterator[Server]:
    """A server that runs until the block is left; then it is stopped, or killed where the test failed."""
    server = Server(store, log, *options, **more)
    try:
        server.start()
        yield server
        server.stop()
    finally:
        server.kill()
