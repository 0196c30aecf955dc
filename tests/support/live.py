"""A listener to the live feed who resumes wherever he is let in, and forgets nothing he was told."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import httpx2
import msgspec


class LiveReader(threading.Thread):
    """Keeps the last item of each transaction; after a lost connection it resumes at the next of `urls`."""

    def __init__(self, urls: Sequence[str], query: str = "") -> None:
        super().__init__(daemon=True)
        self._urls, self._query = itertools.cycle(urls), query
        self._last: str | None = None
        self._stopping = threading.Event()
        self.connected = threading.Event()
        self.items: dict[str, dict[str, Any]] = {}
        self.events: Counter[str] = Counter()
        self.connections = 0

    def run(self) -> None:
        while not self._stopping.is_set():
            headers = {"Last-Event-ID": self._last} if self._last else {}
            try:
                with httpx2.stream(
                    "GET",
                    f"{next(self._urls)}/v1/live",
                    params={"q": self._query},
                    headers=headers,
                    timeout=20,
                ) as answer:
                    if answer.status_code == 200:
                        self._listen(answer.iter_lines())
            except httpx2.HTTPError:
                pass
            time.sleep(0.05)

    def _listen(self, lines: Iterator[str]) -> None:
        self.connections += 1
        event: dict[str, str] = {}
        for line in lines:
            if line:
                name, _, value = line.partition(":")
                event[name] = value.removeprefix(" ")
                continue
            self._last = event.get("id", self._last)
            self.connected.set()
            if "event" in event:
                self._told(event["event"], msgspec.json.decode(event["data"]))
            event = {}
            if self._stopping.is_set():
                return

    def _told(self, name: str, data: dict[str, Any]) -> None:
        self.events[name] += 1
        if name == "match":
            self.items[data["id"]] = data
        elif name == "gone":
            self.items.pop(data["id"], None)

    def stop(self) -> None:
        """Let go."""
        self._stopping.set()
