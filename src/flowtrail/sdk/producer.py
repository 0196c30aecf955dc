"""The one producer of this process: where what is said goes, and what is said of everything.

A single object whose attributes are replaced, so that the host's threads reach the outbox with one look-up.
"""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from flowtrail.sdk.counts import Counts
from flowtrail.sdk.delivery import open_sink
from flowtrail.sdk.notices import warn_once
from flowtrail.sdk.outbox import ALWAYS, Item, Outbox, Sink
from flowtrail.sdk.redacting import only_named
from flowtrail.sdk.settings import Settings

UNHEARD: Final = "closed"


class Unheard:
    """The sink before `init` and after `shutdown`: takes everything, keeps nothing, and says so once. What it lets
    go is counted beside what had become of records before."""

    def __init__(self, why: str) -> None:
        self._why = why
        self._before = Counts()
        self._let_go = 0

    def after(self, counts: Counts) -> None:
        """What had become of records before this one took them."""
        self._before = counts

    def counts(self) -> Counts:
        """What became of every record."""
        if not self._let_go:
            return self._before
        dropped = Counter(self._before.dropped) + Counter({UNHEARD: self._let_go})
        return replace(self._before, dropped=dict(dropped))

    def put(self, item: Item) -> None:
        """Let it go."""
        item.taken = True
        self._let_go += 1
        warn_once(f"unheard: {self._why}", "%s; nothing is recorded", self._why)

    def grow(self, item: Item, size: int) -> None:
        """Nothing is held, so nothing grows."""

    def flush(self, timeout_s: float) -> bool:
        """Nothing waits."""
        return True


class NoOutbox:
    """In place of an outbox where the sink is something else: nothing fits below its bar, so each block is handed to
    the sink itself."""

    __slots__ = ("bar", "level", "put_slowly", "queue")

    def __init__(self, put: Callable[[Item], None]) -> None:
        self.level, self.bar, self.put_slowly = 0, ALWAYS, put
        self.queue: deque[Item] = deque()


class Producer:
    """What `init` decided. `finish` is what becomes of a record before it leaves: redaction, on the delivery thread.

    `outbox` is what blocks put themselves into without a call, where the sink is nothing but one (`Sink.direct`).
    Two seams are for whoever stands in for delivery, as the test kit does: `open_sink` makes what `init` listens with
    where it is given no sink, and `on_handover` is told the id of each transaction that was handed over."""

    __slots__ = (
        "finish",
        "flow",
        "on_handover",
        "open_sink",
        "outbox",
        "put",
        "sink",
        "version",
        "worker",
    )

    on_handover: Callable[[str], None]
    open_sink: Callable[[Settings], Sink]
    outbox: Outbox | NoOutbox
    put: Callable[[Item], None]
    sink: Sink
    flow: str
    version: str | None
    worker: str | None
    finish: Callable[[dict[str, Any], str, frozenset[str], int], dict[str, Any]]

    def __init__(self) -> None:
        self.flow, self.version, self.worker = "", None, None
        self.finish = only_named
        self.open_sink, self.on_handover = open_sink, _unwatched
        self.listen(Unheard("flowtrail.init() was not called"))

    def listen(self, sink: Sink) -> Sink:
        """From now on put into this sink. Returns the one before."""
        before = getattr(self, "sink", sink)
        self.sink, self.put = sink, sink.put
        outbox = getattr(sink, "direct", None)
        self.outbox = outbox if type(outbox) is Outbox else NoOutbox(sink.put)
        return before


def _unwatched(id: str) -> None:
    """Nobody asked."""


producer: Final = Producer()
