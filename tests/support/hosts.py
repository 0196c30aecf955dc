"""Host applications as processes of their own, run with Flowtrail and without it: whatever else shows must be equal.

A program calls `work(number)` for every object, which records it where Flowtrail is there and does nothing where it is
not, and prints what it likes.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LONGEST_S = 40.0

PRELUDE = """
import os, sys, time

def work(number):
    pass

if os.environ.get("TEST_TOLD"):
    import atexit, json, threading

    marked = []

    def peak_kib():
        if sys.platform != "linux":
            return 0
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))

    def tell():
        # Runs after everything of ours, whose hook was registered later.
        delay_s = time.monotonic() - marked[-1] if marked else None
        tasks = lambda: len(os.listdir("/proc/self/task")) if sys.platform == "linux" else 1
        # A thread that has ended may take the system a moment more.
        until = time.monotonic() + 2
        while tasks() > threading.active_count() and time.monotonic() < until:
            time.sleep(0.001)
        # Daemon threads go on putting meanwhile: what is produced lies between the two.
        before, counts, after = next(puts), producer.sink.counts(), next(puts) - 1
        told = {
            "puts": [before, after],
            "produced": counts.produced,
            "accepted": counts.accepted,
            "rejected": counts.rejected,
            "dropped": counts.dropped,
            "pending": counts.pending,
            "producer": counts.producer,
            "tasks": tasks(),
            "threads": threading.active_count(),
            "delay_s": delay_s,
            "peak_kib": peak_kib(),
        }
        with open(f"{os.environ['TEST_TOLD']}/{os.getpid()}", "w") as file:
            json.dump(told, file)

    if os.environ.get("TEST_TELLS", "1") == "1":
        atexit.register(tell)

    import flowtrail

    flowtrail.init(flow=os.environ["TEST_FLOW"])

    # Counted once more, by somebody else: what a fork, a thread or a signal handler puts, too.
    # A block that is entered puts itself, mostly without any call that could be counted: then its entering is.
    import itertools
    from flowtrail.sdk.blocks import Block
    from flowtrail.sdk.producer import producer

    puts = itertools.count()
    taking, entering = producer.put, Block.__enter__
    within = threading.local()

    def put(item):
        next(puts)
        if item is getattr(within, "block", None):
            within.block = None
        taking(item)

    def enter(block):
        # A signal handler may enter another one meanwhile.
        outer, within.block = getattr(within, "block", None), block
        entering(block)
        if within.block is block:
            next(puts)
        within.block = outer
        return block

    def begin_to_count():
        global puts
        puts = itertools.count()

    producer.put, Block.__enter__ = put, enter
    os.register_at_fork(after_in_child=begin_to_count)
    # Hooks run last in, first out: ours has all the time between this one and `tell`.
    atexit.register(lambda: marked.append(time.monotonic()))

    def work(number):
        with flowtrail.transaction("order", str(number)) as order:
            with order.block("map") as block:
                block.detail(number=number)
"""


@dataclass(slots=True)
class Ran:
    """What became of a host."""

    code: int
    output: bytes
    errors: bytes
    seconds: float
    told: list[dict[str, Any]] = field(default_factory=list)
    """What its processes said of themselves at their end, but for those that ended without one."""
    files: list[str] = field(default_factory=list)
    """What lies in its folder afterwards."""

    @property
    def shown(self) -> tuple[int, bytes, bytes, list[str]]:
        """What somebody sees who does not know that we are there."""
        return self.code, self.output, self.errors, self.files


def is_counted_right(told: dict[str, Any], daemons: int = 0) -> bool:
    """Whether what was produced is what was put; each of the daemon threads may be between the two just now."""
    before, after = told["puts"]
    return before - daemons <= told["produced"] <= after + daemons


def run(program: str, *, url: str | None = None, flow: str = "f", **environment: str) -> Ran:
    """Run a program; without a `url`, without us."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FLOWTRAIL_")}
    kept |= {
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "src", ROOT))),
        "PYTHONHASHSEED": "0",
        **environment,
    }
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "host.py"
        script.write_text(PRELUDE + textwrap.dedent(program), encoding="utf-8")
        told = Path(folder) / "told"
        told.mkdir()
        if url is not None:
            kept |= {"TEST_TOLD": str(told), "TEST_FLOW": flow, "FLOWTRAIL_URL": url}
        begun = time.monotonic()
        host = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", str(script)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=kept,
            cwd=folder,
            start_new_session=True,
        )
        try:
            output, errors = host.communicate(timeout=LONGEST_S)
        except subprocess.TimeoutExpired:
            # With its children, who hold the same pipes.
            os.killpg(host.pid, signal.SIGABRT)
            output, errors = host.communicate(timeout=LONGEST_S)
            raise AssertionError(f"the host hangs:\n{output.decode()}\n{errors.decode()}") from None
        seconds = time.monotonic() - begun
        said = [json.loads(path.read_text()) for path in sorted(told.iterdir())]
        # Where things lie in memory, and the numbers of processes, differ from run to run.
        errors = re.sub(rb"0x[0-9a-f]+|pid=\d+", b"(one)", errors.replace(folder.encode(), b""))
        left = sorted(path.name for path in Path(folder).iterdir())
        return Ran(host.returncode, output, errors, seconds, said, left)
