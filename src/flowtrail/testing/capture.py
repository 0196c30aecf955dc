"""In place of delivery: keeps what the application records, and reads it as a server does."""

from collections import deque
from threading import RLock
from typing import Any

import msgspec

from flowtrail.intake.suspects import read_exact
from flowtrail.model.errors import Refusal
from flowtrail.model.records import AnyRecord, BlockRecord, EndRecord, LinkRecord, TransactionRecord
from flowtrail.projection.executions import arrival_at
from flowtrail.projection.state import State
from flowtrail.sdk.outbox import Item
from flowtrail.testing.seen import Seen

PRODUCER = "test/0"


class Refused(msgspec.Struct, frozen=True):
    """A record that a server would refuse, and why."""

    record: dict[str, Any]
    why: str


class Capture:
    """Implements `flowtrail.sdk.outbox.Sink` in memory.

    What runs is not read before somebody asks, so that a block's start and end are one record, as they mostly are
    when they leave a process. Safe from any thread.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._waiting: deque[Item] = deque()
        self._begin()

    def _begin(self) -> None:
        self._records: list[dict[str, Any]] = []
        self._states: dict[bytes, State] = {}
        self._links: dict[tuple[bytes, bytes, str], LinkRecord] = {}
        self._met: dict[tuple[bytes, bytes], int] = {}
        self.refused: list[Refused] = []

    # ------------------------------------------------------------------------------------- as a sink

    def put(self, item: Item) -> None:
        """Keep one item."""
        self._waiting.append(item)

    def grow(self, item: Item, size: int) -> None:
        """A test has memory enough."""

    def flush(self, timeout_s: float) -> bool:
        """Everything has arrived at once."""
        return True

    # ------------------------------------------------------------------------------------- read

    @property
    def records(self) -> list[dict[str, Any]]:
        """Every record so far, as it would have been sent."""
        self._read()
        return list(self._records)

    @property
    def transactions(self) -> list[Seen]:
        """Every transaction that was recorded, in the order they opened."""
        with self._lock:
            self._read()
            found = [self._seen(each) for each in self._states]
        return sorted(found, key=lambda seen: seen.opened_us)

    def take(self, *records: dict[str, Any]) -> None:
        """Take records as if the application had made them, such as those of a `Journey`."""
        with self._lock:
            self._read()
            for record in records:
                self._take(dict(record))

    def clear(self) -> None:
        """Forget everything recorded so far."""
        with self._lock:
            self._waiting.clear()
            self._begin()

    def _read(self) -> None:
        with self._lock:
            while self._waiting:
                item = self._waiting.popleft()
                item.taken = True
                self._take(msgspec.to_builtins(item.record()))

    def _take(self, record: dict[str, Any]) -> None:
        record.setdefault("producer", PRODUCER)
        record.setdefault("seq", len(self._records) + 1)
        self._records.append(record)
        try:
            self._fold(read_exact(msgspec.json.encode(record)))
        except Refusal as refusal:
            self.refused.append(Refused(record, refusal.message))
        except Exception as error:  # noqa: BLE001 -- what cannot be encoded would not have left the process
            self.refused.append(Refused(record, f"it cannot be encoded: {error!r}"))

    def _fold(self, record: AnyRecord) -> None:
        if isinstance(record, TransactionRecord):
            self._state(record.id).add_transaction(record)
        elif isinstance(record, BlockRecord):
            self._met.setdefault((record.transaction, record.id), len(self._met))
            self._state(record.transaction).add_block(record)
        elif isinstance(record, EndRecord):
            self._state(record.transaction).add_end(record)
        elif isinstance(record, LinkRecord):
            self._links[record.parent, record.child, record.relation] = record

    def _state(self, id: bytes) -> State:
        return self._states.setdefault(id, State())

    def _seen(self, id: bytes) -> Seen:
        def order(record: BlockRecord) -> tuple[int, int]:
            # Where instants are equal, as under a clock that stands still: what was told first.
            return (arrival_at(record) if record.started_at is None else record.started_at), self._met[
                id, record.id
            ]

        return Seen(id, self._states[id], order, self._relatives(id))

    def _relatives(self, id: bytes) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {"parents": [], "children": []}
        for link in self._links.values():
            for mine, other, side in (
                (link.child, link.parent, "parents"),
                (link.parent, link.child, "children"),
            ):
                if mine == id:
                    known = self._states.get(other)
                    shown = None if known is None else Seen(other, known).found
                    found[side].append({"id": other.hex(), "relation": link.relation, "transaction": shown})
        return found
