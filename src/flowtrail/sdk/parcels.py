"""From items to what travels: records as lines, some of which make a parcel.

A parcel is sent as it is until its fate is known; its bytes never change, so that sending it twice is harmless.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from flowtrail.model.clock import now_us
from flowtrail.model.ids import random_bytes
from flowtrail.model.limits import MAX_RECORD_BYTES
from flowtrail.sdk.counts import Tally
from flowtrail.sdk.outbox import Item, Outbox

_AT_ONCE_BYTES: Final = 64 * 1024
"""Of items that are taken from the queue together, before they are encoded."""

MOST_BYTES: Final = MAX_RECORD_BYTES - 1_024
"""Of a record before its stamp: a producer's 200 characters and a number."""

UNENCODABLE: Final = "unencodable"
TOO_LARGE: Final = "record_too_large"

encode: Final = msgspec.json.Encoder().encode


class Bounds(NamedTuple):
    """Of one parcel, beyond which it begins to be full."""

    most_bytes: int
    most_records: int


class Parcel(NamedTuple):
    """Lines in their order. `reports` are the places of those that nobody put."""

    lines: list[bytes]
    reports: frozenset[int] = frozenset()
    adopted: bool = False
    """Whether another process left them, whose counts are not ours."""
    advance: Callable[[int], None] | None = None
    """Told how many lines are settled, from the front on."""

    @property
    def records(self) -> int:
        """Lines that count in this session."""
        return 0 if self.adopted else len(self.lines) - len(self.reports)

    def halves(self) -> "tuple[Parcel, Parcel]":
        """The same, in two."""
        middle = len(self.lines) // 2
        first = frozenset(place for place in self.reports if place < middle)
        second = frozenset(place - middle for place in self.reports - first)
        return self._replace(lines=self.lines[:middle], reports=first), self._replace(
            lines=self.lines[middle:], reports=second
        )


def new_session(name: str) -> str:
    """A producer that was never there before."""
    return f"{name.strip('/') or 'producer'}/{random_bytes(8).hex()}"


def encode_item(item: Item) -> bytes | str:
    """The record as JSON, without its stamp; or why it cannot be sent."""
    try:
        body = encode(item.record())
    except Exception:  # noqa: BLE001 -- whatever a record is made of must not end the thread
        return UNENCODABLE
    return TOO_LARGE if len(body) > MOST_BYTES else body


class Stamp:
    """Writes a producer's name and the record's number into it."""

    def __init__(self, producer: str) -> None:
        self._head = b'{"producer":' + encode(producer) + b',"seq":'

    def on(self, body: bytes, seq: int) -> bytes:
        """A line."""
        return b"%b%d,%b" % (self._head, seq, body[1:])


def report_of(produced: int, tally: Tally, dropped: dict[str, int]) -> dict[str, Any]:
    """What a session says of itself; its own number is among those it counts."""
    return {
        "kind": "report",
        "at": now_us(),
        "produced": produced + tally.reports + 1,
        "sent": tally.sequence + 1,
        "dropped": dropped,
    }


class Queued:
    """Parcels of what waits in memory."""

    def __init__(self, outbox: Outbox, tally: Tally, producer: str, bounds: Bounds) -> None:
        self._outbox, self._tally, self._bounds = outbox, tally, bounds
        self._stamp = Stamp(producer)

    def next(self, report: Callable[[], dict[str, Any] | None]) -> Parcel | None:
        """What waits, up to a parcel's size; with a report behind it if there is one."""
        lines: list[bytes] = []
        size = 0
        bounds = self._bounds
        while size < bounds.most_bytes and (room := bounds.most_records - len(lines)) > 0:
            if not (items := self._take(room)):
                break
            for item in items:
                if (line := self._line_of(item)) is not None:
                    lines.append(line)
                    size += len(line)
        said = report()
        if said is None:
            return Parcel(lines) if lines else None
        self._tally.reports += 1
        lines.append(self._stamp.on(encode(said), self._tally.number()))
        return Parcel(lines, frozenset([len(lines) - 1]))

    def has_more(self) -> bool:
        """Whoever puts rings."""
        return False

    def _take(self, most: int) -> list[Item]:
        items: list[Item] = []
        tally = self._tally
        size = 0
        with tally.lock:
            while not tally.sealed and size < _AT_ONCE_BYTES and len(items) < most:
                if (item := self._outbox.take()) is None:
                    break
                items.append(item)
                size += item.cost
            tally.in_hand += len(items)
            tally.taken += len(items)
        return items

    def _line_of(self, item: Item) -> bytes | None:
        body = encode_item(item)
        if isinstance(body, str):
            with self._tally.lock:
                self._tally.drop(body)
            return None
        return self._stamp.on(body, self._tally.number())
