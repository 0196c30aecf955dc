"""`flowtrail serve` as a process of its own, as users run it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx2
import psutil

from tests.support.faults import until

START_S = 30.0


@dataclass(slots=True)
class ServerProcess:
    """A running `flowtrail serve`."""

    process: "subprocess.Popen[str]"
    url: str = ""
    said: list[str] = field(default_factory=list)
    """Lines of both its outputs."""

    def client(self) -> httpx2.Client:
        """A new client; close it."""
        return httpx2.Client(base_url=self.url, timeout=30)

    def children(self, module: str) -> list[psutil.Process]:
        """Its child processes that run a module."""
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if any(module in word for word in child.cmdline()) and child.status() != psutil.STATUS_ZOMBIE:
                    found.append(child)
        return found

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Its exit code after a signal."""
        self.process.send_signal(number)
        return self.process.wait(30)

    def ready(self) -> None:
        """Wait until it says so."""
        until(lambda: httpx2.get(self.url + "/readyz").status_code == 200)


@contextlib.contextmanager
def server_process(store: str, *options: str, **environment: str) -> Iterator[ServerProcess]:
    """A server on `store` at a free port; killed at the end if the test has not stopped it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "flowtrail", "serve", "--store", store, "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=clean_environment() | environment,
    )
    running = ServerProcess(process)
    reader = threading.Thread(target=_listen, args=(running,), daemon=True)
    reader.start()
    try:
        until(lambda: running.url or process.poll() is not None, START_S)
        assert running.url, "".join(running.said)
        yield running
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        reader.join(10)
        assert process.stdout is not None
        process.stdout.close()


def run_serve(*options: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """`flowtrail serve` that is expected to leave by itself."""
    return subprocess.run(
        [sys.executable, "-m", "flowtrail", "serve", *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=clean_environment() | environment,
    )


def clean_environment() -> dict[str, str]:
    """The environment without settings of this machine."""
    return {name: value for name, value in os.environ.items() if not name.startswith("FLOWTRAIL_")}


def _listen(running: ServerProcess) -> None:
    assert running.process.stdout is not None
    with contextlib.suppress(ValueError):
        for line in running.process.stdout:
            running.said.append(line)
            found = re.search(r"listens on (http://\S+)", line)
            if found:
                running.url = found[1]
