"""The live feed: while somebody listens, one follower a process polls the changes, and listeners share its finds.

Listeners pull. Who is slow falls out of what is shared and reads for himself, at his own pace; so he holds one chunk
and what his socket buffers. Who takes nothing at all is cut, and resumes with the last id he got.
"""

import asyncio
import contextlib
import logging
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final, NamedTuple

import msgspec

from flowtrail.model.clock import monotonic_s
from flowtrail.model.conditions import Condition
from flowtrail.query.live import parse_live
from flowtrail.server.feed import (
    CHUNK,
    Changes,
    Chunk,
    Found,
    Moved,
    format_revision,
    look_up,
    parse_revision,
    read_changes,
    resumable,
)
from flowtrail.server.problems import Problem
from flowtrail.server.reading import ReadPool
from flowtrail.storage.interface import Revision, Store

log = logging.getLogger(__name__)

LOOK_S: Final = 0.05
"""Between two looks for changes: the projector writes no more often."""
PAUSE_S: Final = 1.0
"""After the store failed."""
ROWS: Final = 2_000
"""Changes read at once."""
SHARED: Final = 16
"""Chunks that listeners share."""
SHARED_QUERIES: Final = 8
"""Queries whose finds a chunk keeps; with more, each listener looks for himself."""
REMEMBERED: Final = 10_000
"""Transactions a listener was told of, so that he can be told when they are gone: about 1.5 MiB."""
BEAT_S: Final = 10.0
"""Silence after which a comment with the present revision goes out; FastAPI's own comes after 15 s."""
STALL_S: Final = 30.0
"""How long a listener may take nothing."""


class Event(NamedTuple):
    """`name` None is a sign of life; `data` is JSON."""

    name: str | None
    data: str | None
    id: str


class Feed:
    """What the listeners of one tenant share."""

    def __init__(self, revision: Revision) -> None:
        self.revision = revision
        self.listeners: set[Listener] = set()
        self.chunks: deque[Chunk] = deque(maxlen=SHARED)
        self.next_serial = 0
        self.news = asyncio.Event()
        self.turn = 0
        """Counts how often the log moved."""
        self.follower: asyncio.Task[None] | None = None

    def publish(self, changes: Changes) -> None:
        """Tell the listeners of changes that lead from the present revision on."""
        if changes.revision == self.revision:
            return
        self.revision = changes.revision
        self.chunks.extend(changes.chunks)
        self.next_serial += len(changes.chunks)
        self.wake()

    def wake(self) -> None:
        """Let every listener look."""
        self.news.set()
        self.news = asyncio.Event()

    def begin_anew(self, revision: Revision) -> None:
        """The log moved: nothing leads from what was known to this revision."""
        self.revision = revision
        self.chunks.clear()
        self.turn += 1
        self.wake()

    def at(self, serial: int) -> Chunk | None:
        """The shared chunk of that serial, while it is kept."""
        back = self.next_serial - serial
        return self.chunks[-back] if 0 < back <= len(self.chunks) else None

    def serial_after(self, number: int) -> int | None:
        """The serial of the chunk that goes on after a revision; None when what is kept begins later."""
        if number >= self.revision.number:
            return self.next_serial
        if not self.chunks or self.chunks[0].after > number:
            return None
        behind = sum(chunk.rows[-1][0] > number for chunk in self.chunks)
        return self.next_serial - behind


class LiveHub:
    """Belongs to the event loop."""

    def __init__(self, store: Store, reads: ReadPool, most: int) -> None:
        self.store = store
        self.reads = reads
        self._most = most
        self._feeds: dict[str, Feed] = {}
        self.closed = False
        self.cut = 0

    @property
    def count(self) -> int:
        """How many listen now."""
        return sum(len(feed.listeners) for feed in self._feeds.values())

    async def join(
        self, tenant: str, text: str, last_id: str | None, abort: Callable[[], None]
    ) -> "Listener":
        """A new listener, from where `last_id` ended or from now on; `abort` drops his connection.

        Raises: Refusal (the query), Problem (400 malformed id, 503 too many).
        """
        given = None if last_id is None else parse_revision(last_id)
        condition = await self.reads.run(parse_live, text)
        now = await self.reads.run(self.store.changes.revision)
        resumes = given is not None and await self.reads.run(resumable, self.store, given, now)
        if self.closed or self.count >= self._most:
            raise Problem(503, "too_many_live", "no more live feeds can be opened here now", retry_after_s=5)
        feed = self._feeds.get(tenant)
        if feed is None or feed.follower is None or feed.follower.done():
            feed = self._feeds[tenant] = Feed(now)
            feed.follower = asyncio.create_task(self._follow(tenant, feed))
        start = given if resumes and given is not None else now
        listener = Listener(self, feed, tenant, text, condition, start, abort)
        listener.forgetful, listener.lost = resumes, given is not None and not resumes
        feed.listeners.add(listener)
        return listener

    @staticmethod
    def leave(listener: "Listener") -> None:
        """He has gone."""
        listener.feed.listeners.discard(listener)

    def close(self) -> None:
        """End every feed; who listened will resume at the next server."""
        self.closed = True
        for feed in self._feeds.values():
            feed.wake()

    async def _follow(self, tenant: str, feed: Feed) -> None:
        failing = False
        while feed.listeners and not self.closed:
            self._cut_stalled(feed)
            pause = LOOK_S
            try:
                changes = await self.reads.run(read_changes, self.store, tenant, feed.revision, ROWS)
                feed.publish(changes)
                pause = 0 if changes.more else LOOK_S
                failing = False
            except Moved:
                feed.begin_anew(await self._revision(feed.revision))
            except Exception as error:  # noqa: BLE001 -- the store failed: those who listen stay, and it goes on
                if not failing:
                    log.warning("the live feed pauses: %s", error)
                failing, pause = True, PAUSE_S
            await asyncio.sleep(pause)

    async def _revision(self, otherwise: Revision) -> Revision:
        try:
            return await self.reads.run(self.store.changes.revision)
        except Exception:
            log.warning("the live feed does not know where to begin", exc_info=True)
            return otherwise

    def _cut_stalled(self, feed: Feed) -> None:
        until = monotonic_s() - STALL_S
        for listener in feed.listeners:
            if listener.offered_at is not None and listener.offered_at < until and not listener.cut:
                listener.cut = True
                self.cut += 1
                listener.abort()


class Listener:
    """One connection."""

    def __init__(
        self,
        hub: LiveHub,
        feed: Feed,
        tenant: str,
        text: str,
        condition: Condition,
        start: Revision,
        abort: Callable[[], None],
    ) -> None:
        self._hub = hub
        self.feed = feed
        self._tenant, self._text, self._condition = tenant, text, condition
        self._at = start
        self._turn = feed.turn
        self._serial: int | None = None
        self._own: list[Chunk] = []
        self._told: OrderedDict[bytes, bool] = OrderedDict()
        self.abort = abort
        self.lost = False
        """Whether what he named is not to be had: he is told so first."""
        self.forgetful = False
        """Whether he may hold transactions that are not remembered here: then all that do not match are gone."""
        self.offered_at: float | None = None
        """Since when an event waits for him to take it."""
        self._spoken_at = 0.0
        self.cut = False

    async def events(self) -> AsyncIterator[Event]:
        """What he is told, until the server stops."""
        events = [self._reset() if self.lost else self._beat()]
        while not self._hub.closed:
            for event in events:
                self.offered_at = self._spoken_at = monotonic_s()
                yield event
            self.offered_at = None
            events = await self._more()
            if not events and monotonic_s() - self._spoken_at > BEAT_S:
                events = [self._beat()]

    async def _more(self) -> list[Event]:
        try:
            chunk, shared = await self._next()
            if chunk is None:
                return []
            found = await self._find(chunk, shared=shared)
        except Moved:
            return [self._reset()]
        except Exception as error:  # noqa: BLE001 -- the store failed; the connection stays, and goes on when it is back
            log.debug("a live feed waits: %s", error)
            await asyncio.sleep(PAUSE_S)
            return []
        events = list(self._events(found, chunk.complete))
        if shared:
            assert self._serial is not None
            self._serial += 1
        else:
            self._own.pop(0)
        self._reach(chunk.complete)
        return events

    async def _next(self) -> tuple[Chunk | None, bool]:
        """What he has not seen yet, and whether others share it; None when there is nothing now. Raises: Moved."""
        feed = self.feed
        # The log may have moved between the look at its revision and the entrance here.
        if self._turn != feed.turn or self._at.generation != feed.revision.generation:
            raise Moved
        if self._own:
            return self._own[0], False
        if self._serial is None or (self._serial < feed.next_serial and feed.at(self._serial) is None):
            self._serial = feed.serial_after(self._at.number)
        if self._serial is None:
            await self._read()
            return (self._own[0], False) if self._own else (None, False)
        chunk = feed.at(self._serial)
        if chunk is not None:
            return chunk, True
        self._reach(feed.revision.number)
        # Nobody wakes who begins to wait when the server stops.
        if not self._hub.closed:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(feed.news.wait(), BEAT_S)
        return None, False

    async def _read(self) -> None:
        """For himself, what is no longer shared."""
        changes = await self._hub.reads.run(read_changes, self._hub.store, self._tenant, self._at, CHUNK)
        self._own = changes.chunks
        if not self._own:
            self._at = changes.revision

    async def _find(self, chunk: Chunk, *, shared: bool) -> list[Found]:
        task = chunk.found.get(self._text)
        if task is None:
            call = self._hub.reads.run(look_up, self._hub.store, self._tenant, self._condition, chunk.rows)
            if not shared or len(chunk.found) >= SHARED_QUERIES:
                return await call
            task = chunk.found[self._text] = asyncio.create_task(call)
        try:
            return await asyncio.shield(task)
        except Exception:
            chunk.found.pop(self._text, None)
            raise

    def _events(self, found: list[Found], complete: int) -> Iterator[Event]:
        told = [
            (entry.number, name, data)
            for entry in found
            if entry.number > self._at.number
            for name, data in self._tell(entry)
        ]
        for index, (number, name, data) in enumerate(told):
            if number <= complete and (index + 1 == len(told) or told[index + 1][0] != number):
                self._reach(number)
            yield Event(name, data, format_revision(self._at))

    def _tell(self, entry: Found) -> Iterator[tuple[str, str]]:
        if entry.item is not None:
            self._remember(entry.transaction, matched=True)
            yield "match", entry.item
            return
        if self._told.get(entry.transaction, self.forgetful):
            self._remember(entry.transaction, matched=False)
            yield "gone", f'{{"id":"{entry.transaction.hex()}"}}'

    def _remember(self, transaction: bytes, *, matched: bool) -> None:
        self._told[transaction] = matched
        self._told.move_to_end(transaction)
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
            self.forgetful = True

    def _reach(self, number: int) -> None:
        if number > self._at.number:
            self._at = Revision(self._at.generation, self.feed.revision.epoch, number)

    def _beat(self) -> Event:
        return Event(None, None, format_revision(self._at))

    def _reset(self) -> Event:
        self._at, self._turn, self._serial, self._own = self.feed.revision, self.feed.turn, None, []
        self._told.clear()
        self.forgetful = False
        data = msgspec.json.encode({"revision": format_revision(self._at)}).decode()
        return Event("reset", data, format_revision(self._at))
