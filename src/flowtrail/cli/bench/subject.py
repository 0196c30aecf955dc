"""The server that is measured: a process of its own, from the installed command, on a fresh store."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from flowtrail.cli.failures import Failure
from flowtrail.model.clock import monotonic_s, sleep_s

_START_S = 30.0


@dataclass(frozen=True, slots=True)
class Subject:
    """A running server, its store and its processes."""

    url: str
    store: str
    pid: int
    client: httpx2.Client
    """Made before any clock runs: making one reads the certificates of the whole world, 50 ms."""

    def get(self, path: str, after: str | None = None, **parameters: Any) -> httpx2.Response:
        """One GET; with `after`, once the token's records are visible."""
        headers = {"Flowtrail-After": after} if after else {}
        return self.client.get(path, params=parameters, headers=headers)

    @contextmanager
    def projector_resting(self) -> Iterator[None]:
        """Stops the projector's process meanwhile, so that intake is measured alone."""
        resting = [pid for pid in _descendants(self.pid) if "flowtrail.server.projecting" in _command(pid)]
        for pid in resting:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in resting:
                os.kill(pid, signal.SIGCONT)

    def memory_bytes(self) -> int:
        """Proportional resident size of the server and everything it started."""
        return sum(_pss(pid) for pid in [self.pid, *_descendants(self.pid)])


@contextmanager
def running(store: str, *options: str) -> Iterator[Subject]:
    """A server on `store`, stopped at the end. Raises: Failure when it does not come up."""
    words = [sys.executable, "-P", "-m", "flowtrail", "serve", "--store", store, "--port", "0", *options]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT)
        try:
            url = _address(process, log)
            with httpx2.Client(base_url=url, timeout=600, trust_env=False) as client:
                yield Subject(url, store, process.pid, client)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _address(process: "subprocess.Popen[bytes]", log: Any) -> str:
    until = monotonic_s() + _START_S
    while monotonic_s() < until and process.poll() is None:
        log.seek(0)
        for word in log.read().split():
            if word.startswith("http://"):
                url = str(word.rstrip(".,"))
                try:
                    if httpx2.get(url + "/readyz", timeout=5, trust_env=False).status_code == 200:
                        return url
                except httpx2.HTTPError:
                    pass
        sleep_s(0.05)
    log.seek(0)
    raise Failure(f"the server did not start: {log.read()[-2000:]}")


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                continue
            if parent == pid:
                child = int(entry.name)
                found += [child, *_descendants(child)]
    return found


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def _pss(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def directory_bytes(directory: str, prefix: str) -> int:
    """What the files of that prefix take, write-ahead logs included."""
    return sum(entry.stat().st_size for entry in os.scandir(directory) if entry.name.startswith(prefix))
