"""What the host's threads put records into: a bounded queue whose lock is the interpreter's own.

    host threads ── put ──► queue ── delivery thread ──► the server

`put` may be called by any thread, a signal handler or `__del__` at any instant, also while this same thread is inside
`put`, so it takes no lock of ours. What must happen as one stands in straight lines of code without a call: CPython
hands the interpreter to another thread, and runs signal handlers, only where a call or a loop goes on. Everything
that is rare (waking, starting, a full queue) stands in a function of its own, behind one comparison. A block that is
entered has the lines of `put` in itself, since a call is a twentieth of what it costs.

Bytes are counted by two numbers that only grow: `level`, what was ever put, and `_released`, what ever left.
"""

import _thread
import math
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec


class Item(Protocol):
    """What is put: one record of the accounting."""

    cost: int
    """Bytes it holds in memory, about. Once put, only `Sink.grow` may change it. A plain attribute, no property."""
    taken: Any
    """Set when it leaves the queue, on its way or given up, and by `record`: whoever has more to say puts it again,
    with this unset."""

    def record(self) -> dict[str, Any] | msgspec.Struct:
        """The record as sent, without `producer` and `seq`. Called once per put; never raises. On the delivery
        thread, or within `put` where there is a spill. Sets `taken` before it looks at anything else."""
        ...


TOLD: Final = 2
"""In `taken`, of an item whose record was made: what comes later is news. True says that it is in hand, or given up."""


class Sink(Protocol):
    """Where items go: the outbox, or what a test captures with. Every method MUST be callable from any thread and
    MUST not raise.

    One that does nothing else with what is put than an `Outbox` MAY name it as `direct`: then blocks put themselves
    there, by the lines of `Outbox.put`."""

    def put(self, item: Item) -> None:
        """Take one item. MUST NOT block; safe from signal handlers and `__del__`."""
        ...

    def grow(self, item: Item, size: int) -> None:
        """An item that was put holds `size` bytes more, unless it is taken already. MUST NOT block."""
        ...

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything put before is settled: accepted, rejected, or given up. Whether it is."""
        ...


NEVER: Final = math.inf
ALWAYS: Final = -1


class Outbox:
    """The bounded queue between host and delivery thread. `start` is called once, at the first put, and whenever it
    returned False before; it must not block."""

    __slots__ = (
        "_bell",
        "_closed",
        "_drops_oldest",
        "_full_at",
        "_limit",
        "_released",
        "_start",
        "_started",
        "_wake_at",
        "bar",
        "dropped_closed",
        "dropped_full",
        "dropped_oldest",
        "level",
        "queue",
        "trims",
    )

    def __init__(self, limit_bytes: int, start: Callable[[], bool], *, drops_oldest: bool = False) -> None:
        self._limit = limit_bytes
        self._start = start
        self._drops_oldest = drops_oldest
        self.reset()

    def reset(self) -> None:
        """Forget everything, and start anew at the next put: after a fork, whose parent keeps what was here."""
        for item in getattr(self, "queue", ()):
            # The parent tells of it; what is said here from now on is put here.
            item.taken = TOLD
        self.queue: deque[Item] = deque()
        self.level = self._released = 0
        self._full_at: float = self._limit
        self._wake_at: float = ALWAYS
        self.bar: float = ALWAYS
        self._closed = False
        self._bell = _thread.allocate_lock()
        self._bell.acquire()
        self._started = _thread.allocate_lock()
        self.dropped_full = self.dropped_oldest = self.dropped_closed = self.trims = 0

    def put(self, item: Item) -> None:
        """Take an item, or give it or an older one up: never blocks, never raises."""
        level = self.level + item.cost
        if level > self.bar:
            self.put_slowly(item)
            return
        self.level = level
        self.queue.append(item)

    def grow(self, item: Item, size: int) -> None:
        """Count that an item holds more than when it was put. Beyond the limit by that, the queue takes nothing."""
        if not item.taken:
            item.cost += size
            self.level += size

    def put_slowly(self, item: Item) -> None:
        """Take an item that lifts the level above the bar, whatever the reason for the bar is."""
        level = self.level + item.cost
        if self._closed:
            self.dropped_closed += 1
            item.taken = True
            return
        if level > self._full_at and not (self._drops_oldest and self._makes_room(item)):
            self.dropped_full += 1
            item.taken = True
        else:
            self.level += item.cost
            self.queue.append(item)
        if self.level > self._wake_at:
            # The bell is rung after the bar is moved: a thread that fell asleep in between looks again.
            self._wake_at = NEVER
            self.bar = self._full_at
            self.ring()

    def _makes_room(self, item: Item) -> bool:
        """Whether the oldest items made room for one."""
        if item.cost > self._limit:
            return False
        while self.level + item.cost > self._full_at:
            # Counted first: only after the call others have their turn, and then it is gone from the queue.
            self.trims += 1
            self.dropped_oldest += 1
            try:
                oldest = self.queue.popleft()
            except IndexError:
                self.dropped_oldest -= 1
                return False
            oldest.taken = True
            self._release(oldest.cost)
        return True

    def _release(self, size: int) -> None:
        self._released += size
        self._full_at = self._released + self._limit
        self._lower_bar()

    def _lower_bar(self) -> None:
        if self._closed:
            # Below every level, so that each put takes the slow road.
            self._full_at = ALWAYS
        self.bar = self._wake_at if self._wake_at < self._full_at else self._full_at  # noqa: FURB136 -- a call

    def ring(self) -> None:
        """Wake the delivery thread, or start it."""
        if self._started.acquire(blocking=False):
            if not self._start():
                self.not_started()
            return
        try:
            self._bell.release()
        except RuntimeError:
            return  # it rings already

    # What follows is for the delivery thread, and for whoever ends it.

    def not_started(self) -> None:
        """There is no thread: the next put tries to start one."""
        self._wake_at = self.bar = ALWAYS
        self._started.release()

    @property
    def started(self) -> bool:
        """Whether there is, or was, a thread."""
        return self._started.locked()

    @property
    def waiting(self) -> int:
        """Items in the queue."""
        return len(self.queue)

    @property
    def bytes_held(self) -> int:
        """What the queue holds, about."""
        return self.level - self._released

    def wake_at(self, size: int | None) -> None:
        """From now on a put rings as soon as the queue holds more than `size` bytes; None: none does. What was put
        before may not have rung."""
        self._wake_at = NEVER if size is None else self._released + size
        self._lower_bar()

    def wake_at_once(self) -> None:
        """From now on the next put rings."""
        self._wake_at = ALWAYS
        self._lower_bar()

    def wait(self, timeout_s: float) -> None:
        """Until somebody rings, or so long, or an hour."""
        self._bell.acquire(timeout=min(max(timeout_s, 0), _LONGEST_WAIT_S))

    def take(self) -> Item | None:
        """The oldest item, which counts no longer as held; None where there is none."""
        if not self.queue and not self._closed:
            # An item that stands here twice and grew was counted once and released twice: this is where that ends.
            self._released = self.level
            self._full_at = self._released + self._limit
            return None
        try:
            item = self.queue.popleft()
        except IndexError:
            return None
        # In one line: what grows after this is counted by whoever puts it again.
        item.taken, size = True, item.cost
        self._release(size)
        return item

    def close(self) -> None:
        """From now on give up whatever is put."""
        self._closed = True
        self._wake_at = NEVER
        self._lower_bar()


_LONGEST_WAIT_S: Final = 3_600.0
"""Within what every platform's locks can wait."""
