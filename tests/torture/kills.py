"""Rounds of load and death: in each, records are sent and somebody is killed while they are under way."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from flowtrail.ledger.check import check
from flowtrail.storage import open_store
from tests.support.kill import Trap
from tests.support.producers import Producer
from tests.support.server import Server, environment
from tests.support.stories import Json, bodies, story
from tests.support.views import differences, expected, seen

INTAKE = ("decoded", "before_append", "appended")
PROJECTING = ("lease_taken", "before_write", "inside_write", "written")
SWITCHING = ("before_switch", "inside_switch", "switched")
VICTIMS = ("server", "projector", "all")
LEASE_S = 1.0
"""Instead of five seconds, so that 200 deaths take minutes; the lease itself is the same."""
PRODUCERS = 3
BODY_RECORDS = 12
PAUSE_S = 0.02
"""Between two bodies of a producer: a round's load then lasts as long as a death may take to come."""
VISIBLE_S = 120.0


@dataclass
class Torture:
    """One store, one server that dies again and again."""

    store: str
    folder: Path
    seed: int
    records: list[Json] = field(default_factory=list)
    deaths: Counter[str] = field(default_factory=Counter)
    unknown: int = 0
    """Attempts of producers that got no answer, or none that says whether it was written."""
    under_load: int = 0
    """Deaths at an instant at which records were still being sent."""

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.trap = Trap(self.folder / "trap")
        self.environment = {"TEST_TRAP": str(self.trap.path), "TEST_LEASE_S": str(LEASE_S)}
        self.server = Server(self.store, self.folder / "server.log", **self.environment)

    def plan(self, deaths: int) -> Iterator[tuple[str, str]]:
        """Every point and every victim in turn, shuffled: ("point", name) or ("instant", victim)."""
        each = [("point", name) for name in (*INTAKE, *PROJECTING)] + [
            ("instant", who) for who in VICTIMS
        ] * 2
        kinds: list[tuple[str, str]] = []
        while len(kinds) < deaths:
            self.random.shuffle(each)
            kinds += each
        yield from kinds[:deaths]

    def round(self, how: str, what: str, transactions: int = 25) -> None:
        """Send a story; one death while it is sent."""
        told = story(self.random.randrange(4_000), transactions)
        self.records += told
        parts: list[list[Json]] = [[] for _ in range(PRODUCERS)]
        for record in told:
            self.random.choice(parts).append(record)
        if how == "point" and what == "lease_taken":
            self.server.kill("all")
        if how == "instant":
            self._wait_for_victim(what)
        if how == "point":
            self.trap.set(what, self.random.randrange(1, 4) if what in INTAKE else 1)
        producers = [Producer(bodies(part, BODY_RECORDS), lambda: self.server.url, PAUSE_S) for part in parts]
        for producer in producers:
            producer.start()
        if how == "instant":
            self._kill_at_an_instant(what, producers)
        else:
            self._wait_for_trap(what)
        for producer in producers:
            while producer.is_alive():
                self.server.ensure()
                producer.join(0.05)
            producer.done()
            self.unknown += producer.unknown
        self.server.ensure()

    def _wait_for_victim(self, whom: str) -> None:
        # The supervisor lets a projector that died wait before it starts another.
        self.server.ensure()
        until = time.monotonic() + 20
        while whom != "server" and not self.server.projectors() and time.monotonic() < until:
            time.sleep(0.01)

    def _kill_at_an_instant(self, whom: str, producers: list[Producer]) -> None:
        time.sleep(self.random.random() * 0.3)
        self.under_load += any(producer.is_alive() for producer in producers)
        if not self.server.kill(whom):
            # It was dying of the round before when it was seen.
            self._wait_for_victim(whom)
            assert self.server.kill(whom), f"nobody to kill: {whom}"
        self.deaths[f"instant {whom}"] += 1

    def _wait_for_trap(self, point: str) -> None:
        # A projector that was killed before waits for the lease, and the supervisor for a while: so may we.
        until = time.monotonic() + 40
        while not self.trap.sprung and time.monotonic() < until:
            if not self.server.alive:
                self.server.start()
            self.trap.wait_sprung(0.05)
        assert self.trap.sprung, f"nobody came by {point}:\n{self.server.said()}"
        self.deaths[f"point {point}"] += 1

    def rebuild(self, point: str | None) -> None:
        """With the server stopped, rebuild; die at that point."""
        self.server.stop()
        if point is not None:
            self.trap.set(point)
        done = subprocess.run(
            [sys.executable, "-m", "flowtrail", "rebuild", "--store", self.store],
            env=environment(**self.environment),
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )
        if point is None:
            assert done.returncode == 0, done.stderr
        else:
            assert self.trap.sprung, f"the rebuild did not come by {point}: {done.stderr}"
            assert done.returncode < 0
            self.deaths[f"point {point}"] += 1
        self.server.start()

    def settle(self) -> None:
        """Everything acknowledged is visible, nothing else is, nothing is counted twice, and the check is green."""
        self.server.ensure()
        self.trap.remove()
        self._wait_visible()
        store = open_store(self.store, create=False)
        try:
            report = check(store)
            assert report.ok, report.lines()
            assert report.notes == [], report.notes
            assert differences(seen(store), expected(self.records)) == []
        finally:
            store.close()
        transactions = {record.get("transaction") or record.get("id") for record in self.records} - {None}
        listed = self.server.get("/v1/transactions", page_size=1, count="exact").json()
        assert (listed["total"], listed["total_is_exact"]) == (len(transactions), True)

    def _wait_visible(self) -> None:
        last = Producer(bodies(story(4_001, 1), 100), lambda: self.server.url)
        self.records += story(4_001, 1)
        last.start()
        last.done()
        until = time.monotonic() + VISIBLE_S
        while True:
            answer = self.server.get("/v1/transactions", after=last.token, page_size=1)
            if answer.status_code == 200:
                return
            assert time.monotonic() < until, f"{answer.text}\n{self.server.said()}"
