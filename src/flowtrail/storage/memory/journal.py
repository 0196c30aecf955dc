"""The journal in memory: pages by number, writers by ordinal. Durable nowhere, and it says so."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from threading import RLock

import msgspec

from flowtrail.model.errors import PageConflict
from flowtrail.model.pages import Page, Writer, page_number, split_number
from flowtrail.storage.interface import Head, Position


class MemoryJournal:
    """Pages as they came, under one lock."""

    durability = "none"

    def __init__(self, lock: RLock) -> None:
        self._lock = lock
        self._writers: dict[tuple[str, str], Writer] = {}
        self._pages: dict[int, Page] = {}
        self._numbers: dict[int, list[int]] = {}

    def register(self, tenant: str, name: str) -> Writer:
        with self._lock:
            held = self._writers.get((tenant, name))
            if held is None:
                held = self._writers[tenant, name] = Writer(len(self._writers) + 1, tenant, name)
                self._numbers[held.ordinal] = []
            return held

    def append(self, pages: Sequence[Page]) -> None:
        with self._lock:
            fresh: dict[int, Page] = {}
            for page in pages:
                held = fresh.get(page.number) or self._pages.get(page.number)
                if held is None:
                    fresh[page.number] = page
                elif held.hash != page.hash:
                    raise PageConflict(f"another page stands at {split_number(page.number)}")
            self._pages.update(fresh)
            for number in fresh:
                numbers = self._numbers.setdefault(split_number(number)[0], [])
                numbers.insert(bisect_left(numbers, number), number)

    def heads(self) -> list[Head]:
        with self._lock:
            return [self._head(writer) for writer in self.writers()]

    def _head(self, writer: Writer) -> Head:
        numbers = self._numbers[writer.ordinal]
        if not numbers:
            return Head(writer, 0, b"")
        return Head(writer, split_number(numbers[-1])[1], self._pages[numbers[-1]].hash)

    def read(self, after: Position, limit: int) -> list[Page]:
        with self._lock:
            found: list[Page] = []
            for writer in self.writers():
                ordinal = writer.ordinal
                numbers = self._beyond(ordinal, after.get(ordinal, 0) + 1, limit - len(found))
                found.extend(self._pages[number] for number in numbers)
            return found

    def _beyond(self, ordinal: int, first: int, limit: int) -> list[int]:
        """The writer's numbers from sequence `first` on, without a gap."""
        numbers = self._numbers.get(ordinal, [])
        start = bisect_right(numbers, page_number(ordinal, first) - 1)
        found: list[int] = []
        for expected, number in enumerate(
            numbers[start : start + max(limit, 0)], page_number(ordinal, first)
        ):
            if number != expected:
                break
            found.append(number)
        return found

    def page(self, number: int) -> Page | None:
        with self._lock:
            return self._pages.get(number)

    def iter_pages(self, ordinal: int, first: int = 1) -> Iterator[Page]:
        with self._lock:
            numbers = self._numbers.get(ordinal, [])
            start = bisect_left(numbers, page_number(ordinal, first))
            pages = [self._pages[number] for number in numbers[start:]]
        return iter(pages)

    def writers(self) -> list[Writer]:
        with self._lock:
            return sorted(self._writers.values(), key=lambda writer: writer.ordinal)

    def replace_secret(self, number: int, secret: bytes, body: bytes) -> None:
        with self._lock:
            self._pages[number] = msgspec.structs.replace(self._pages[number], secret=secret, body=body)

    def size_bytes(self) -> int:
        with self._lock:
            return sum(len(page.header) + len(page.body) + 100 for page in self._pages.values())
