"""Host applications with a spill that die by kill -9 while they record, and an heir that sends what they left."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.support.faults import until
from tests.support.hosts import PRELUDE, ROOT
from tests.support.proxy import Door
from tests.support.served import Served

THREADS = 3
RANGE = 1_000_000
"""Numbers that one thread of one life may use."""

WORKER = """
import threading

def job(first):
    for number in range(first, first + 1_000_000):
        work(number)
        # Told once it is recorded; what is told is in the pipe, whatever becomes of us.
        os.write(1, b"%d\\n" % number)
        time.sleep(0.0005)

first = int(os.environ["TEST_FIRST"])
threads = [threading.Thread(target=job, args=(first + 1_000_000 * each,)) for each in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
HEIR = """
work(int(os.environ["TEST_FIRST"]))
os.write(1, os.environ["TEST_FIRST"].encode() + b"\\n")
sys.stdin.read()
"""


@dataclass
class KilledHosts:
    """One spill directory, one server behind a door, and lives that end too early."""

    server: Served
    door: Door
    spill: Path
    seed: int
    recorded: set[int] = field(default_factory=set)
    """What a host was told is recorded."""
    under_way: int = 0
    """How many may have been recorded at a death without anybody having been told."""
    deaths: int = 0
    without_server: int = 0

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.life = 0

    def live_and_die(self) -> None:
        """One host, killed at some instant; the server may be out of reach meanwhile."""
        is_reachable = self.deaths % 2 == 0
        (self.door.open if is_reachable else self.door.shut)()
        self.without_server += not is_reachable
        with self._host(WORKER) as host:
            lines = _Lines(host)
            if self.random.random() < 0.9:
                lines.wait_for_one()
            time.sleep(self.random.random() * 0.25)
            host.send_signal(signal.SIGKILL)
            host.wait(30)
            told = lines.all()
        self.recorded |= told
        self.under_way += THREADS
        self.deaths += 1

    def inherit(self) -> None:
        """One host more, which lives until everything has arrived."""
        self.door.open()
        with self._host(HEIR) as host:
            lines = _Lines(host)
            lines.wait_for_one()
            until(lambda: len(self._arrived()) >= len(self.recorded) + 1 and not self._left(), 120)
            host.stdin.close()
            assert host.wait(30) == 0
            self.recorded |= lines.all()

    def settle(self) -> None:
        """Everything recorded has arrived, once, and no session misses a number."""
        self.inherit()
        arrived = self._arrived()
        assert self.recorded <= arrived
        assert len(arrived) <= len(self.recorded) + self.under_way
        listed = self.server.get("/v1/transactions", count="exact", page_size="1").json()
        assert listed["total"] == len(arrived)
        token, rows = None, []
        while True:
            more = {"page_token": token} if token else {}
            page = self.server.get("/v1/producers", page_size="1000", **more).json()
            rows += page["producers"]
            if (token := page["next_page_token"]) is None:
                break
        assert [row for row in rows if row["missing"] or row["rejected"]] == []
        assert list(self.spill.iterdir()) == []

    def _left(self) -> list[Path]:
        """Files of sessions that nobody has sent yet: one session is the heir's own."""
        locks = list(self.spill.glob("*.lock"))
        return locks if len(locks) > 1 else []

    def _arrived(self) -> set[int]:
        found: set[int] = set()
        token = None
        while True:
            more = {"page_token": token} if token else {}
            page = self.server.get("/v1/transactions", page_size="1000", count="none", **more).json()
            found |= {int(each["object_id"]) for each in page["transactions"] if each["object_id"]}
            if (token := page["next_page_token"]) is None:
                return found

    @contextlib.contextmanager
    def _host(self, program: str) -> Iterator["subprocess.Popen[bytes]"]:
        self.life += 1
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FLOWTRAIL_")}
        kept |= {
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "src", ROOT))),
            "FLOWTRAIL_URL": f"http://127.0.0.1:{self.door.port}",
            "FLOWTRAIL_SPILL_DIR": str(self.spill),
            "TEST_TOLD": str(self.spill.parent),
            "TEST_TELLS": "0",
            "TEST_FLOW": "shop-to-erp",
            "TEST_FIRST": str(self.life * THREADS * RANGE),
        }
        host = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=kept,
        )
        try:
            yield host
        finally:
            host.kill()
            host.wait(30)
            for stream in (host.stdin, host.stdout):
                with contextlib.suppress(OSError):
                    stream.close()


class _Lines:
    """What a host told, read as it comes: a full pipe would stop it."""

    def __init__(self, host: "subprocess.Popen[bytes]") -> None:
        self._host = host
        self._text = bytearray()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while more := os.read(self._host.stdout.fileno(), 65_536):
            self._text += more

    def wait_for_one(self) -> None:
        until(lambda: b"\n" in self._text or self._host.poll() is not None, 60)
        assert b"\n" in self._text, "the host recorded nothing"

    def all(self) -> set[int]:
        self._reader.join(30)
        return {int(line) for line in bytes(self._text).split(b"\n")[:-1]}
