"""The projector: follows the journal and keeps the views, under a lease.

Pages -> records by transaction -> fold -> difference -> one atomic write. What it holds in memory is only what the
store holds too: after a takeover, or any write not known to have committed, everything is dropped and read again.
"""

import gc
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from flowtrail.intake.batches import Gathered, count_records, gather
from flowtrail.intake.cache import Cache
from flowtrail.intake.careful import fold_carefully, write_carefully
from flowtrail.intake.writes import Writes
from flowtrail.model.clock import monotonic_s
from flowtrail.model.errors import LeaseLost, StoreError
from flowtrail.model.ids import random_bytes
from flowtrail.model.pages import Page, split_number
from flowtrail.model.points import reach
from flowtrail.projection.difference import Folded
from flowtrail.projection.state import State
from flowtrail.projection.tally import Tally
from flowtrail.projection.tracked import Tracked
from flowtrail.projection.whole import fold_whole
from flowtrail.storage.interface import Batch, Change, Journal, Lease, Position, ViewWriter

log = logging.getLogger(__name__)

BATCH_RECORDS: Final = 20_000
"""Where a batch is one write, larger ones gain nothing more and make what is new wait."""
HELD_BACK: Final = 8
"""So many times larger batches may be, under pressure, where they are written in parts: several records of a
transaction are then there together, are folded at once and written once."""
HELD_BACK_MOST: Final = 16
"""The same where little is held of transactions before, or where a write is dear: over a network an update costs
several times what is folded for it, so that more records of a transaction at once are always worth their memory."""
HELD_TOGETHER: Final = 400_000
"""Records and executions that may be in memory, before a batch is larger than `HELD_BACK` says."""
IN_PIECES: Final = 200
"""Transactions of a step that were not told whole, from which on that pays: each costs some 20 µs more, while what a
larger batch holds leaves the processor's cache, a quarter of a microsecond a record, and takes memory."""
PRESSED: Final = 3 * BATCH_RECORDS
"""So many at once are pressure. Fewer hardly hold several records of a transaction, where very many are open: held back
as a whole, they would gain nothing, and each would wait for all."""
PROMPT_RECORDS: Final = 5_000
"""So many are then a step of their own, visible before the next begins: five parts of one record a transaction each."""
SCATTERED: Final = 0.5
"""Transactions a record from which on records are of so many that waiting for more of the same gains nothing. Spans
scattered over 2,000 open traces took half as long again on MongoDB when they were written slice by slice."""
BATCH_BYTES: Final = 32 * 1024 * 1024
"""Of pages, compressed: records may be far larger than usual, and a page may tell of refused ones alone."""
READ_PAGES: Final = 8
LEASE_S: Final = 5.0
"""How long readers wait for a takeover when a projector dies without releasing its lease."""
INTERVAL_S: Final = 0.05
"""Between two starts while little arrives: small batches are dear."""
PAUSE_S: Final = 0.5
"""After the store failed."""

Item = tuple[str, bytes, list[Folded], list[int]]


@dataclass(slots=True)
class Progress:
    """What a projector did so far, for those who watch it."""

    records: int = 0
    batches: int = 0
    set_aside: int = 0
    leased: bool = False


class Projector:
    """Folds one store's journal into the views behind `writer`. One thread."""

    def __init__(self, journal: Journal, writer: ViewWriter, *, holder: str | None = None) -> None:
        self._journal = journal
        self._writer = writer
        self._holder = holder or random_bytes(8).hex()
        self._lease: Lease | None = None
        self._position: Position = {}
        self._cache = Cache()
        self._writes = Writes(writer, self._stored)
        self._renewed = 0.0
        self._scattered = 0.0
        """Transactions a record, when records were last folded."""
        self._in_pieces = 0
        """Transactions that were then not told whole."""
        self.caught_up = False
        """Whether the last step took all that the journal had when it was read; more may have come since."""
        self.progress = Progress()

    def run(self, stop: threading.Event, wake: threading.Event) -> None:
        """Project until `stop` is set; `wake` cuts the waiting short. Survives a store that fails for a while."""
        while not stop.is_set():
            began = monotonic_s()
            pause = INTERVAL_S
            limit = self._limit
            try:
                folded = self.step()
                if folded >= limit:
                    continue
                # A store whose writes are dear rests as long as it worked, so that more comes together.
                pause = max(pause, min(self._writer.hold_back_s, 2 * (monotonic_s() - began)))
            except LeaseLost:
                log.warning("another projector took over; waiting")
                self.drop()
                pause = LEASE_S / 4
            except StoreError as error:
                log.warning("the store failed, projecting pauses: %s", error)
                self.drop()
                pause = PAUSE_S
            if not self.progress.leased:
                pause = max(pause, LEASE_S / 10)
            rest = pause - (monotonic_s() - began)
            if rest > 0:
                stop.wait(rest)
            wake.wait(INTERVAL_S)
            wake.clear()
        self.close()

    def close(self) -> None:
        """Give the lease up, so that the next projector need not wait for it to run out."""
        if self._lease is not None:
            try:
                self._writer.release(self._lease)
            except StoreError as error:
                log.warning("the lease runs out by itself: %s", error)
        self.drop()
        self._writes.close()

    def drop(self) -> None:
        """Forget the lease and every state held, once nothing is being written under it."""
        self._writes.abandon()
        self._lease = None
        self.progress.leased = False
        self._cache.clear()

    def step(self) -> int:
        """Fold what the journal has, at most about one batch of records, and write it; how many records that were.
        0 once there is nothing more, at least 1 until then: pages may hold refused sequences only, or be unreadable.

        Raises: LeaseLost, StoreError; then `drop` before the next step.
        """
        self.caught_up = False
        if not self.take_lease():
            return 0
        with collector_paused():
            return self._step()

    def _step(self) -> int:
        pages = self._read()
        if not pages:
            self._renew()
            return 0
        return max(sum(map(self._fold_pages, self._slices(pages))), 1)

    def _slices(self, pages: list[Page]) -> Iterator[list[Page]]:
        """What is written as a whole: everything under pressure, else the oldest first."""
        records = [count_records(page) for page in pages]
        if self._writer.hold_back_s == 0 or self._scattered < SCATTERED or sum(records) >= PRESSED:
            yield pages
            return
        first = held = 0
        for index, count in enumerate(records):
            held += count
            if held >= PROMPT_RECORDS:
                yield pages[first : index + 1]
                first, held = index + 1, 0
        if first < len(pages):
            yield pages[first:]

    def _fold_pages(self, pages: list[Page]) -> int:
        gathered = gather(pages)
        self._scattered = sum(map(len, gathered.transactions.values())) / max(gathered.records, 1)
        self._in_pieces = 0
        position = dict(self._position)
        for page in pages:
            ordinal, sequence = split_number(page.number)
            position[ordinal] = sequence
        try:
            self._project(gathered, position)
        except BaseException:
            self.drop()
            raise
        self._cache.trim()
        self._position = position
        self.progress.records += gathered.records
        self.progress.batches += 1
        return gathered.records

    def catch_up(self) -> int:
        """Project until the journal has nothing more; how many records that were."""
        before = self.progress.records
        while self.step():
            pass
        return self.progress.records - before

    # --- the lease ----------------------------------------------------------------------------------------

    def take_lease(self) -> bool:
        """Whether this projector has the lease, which is taken if it is to be had. Raises: StoreError."""
        if self._lease is not None:
            return True
        self._lease = self._writer.acquire(self._holder, LEASE_S)
        if self._lease is None:
            return False
        reach("lease_taken")
        # Only now: what another projector wrote before the takeover is final.
        self._cache.clear()
        self._position = self._writer.position()
        self._renewed = monotonic_s()
        self.progress.leased = True
        return True

    def _renew(self) -> None:
        assert self._lease is not None
        if monotonic_s() - self._renewed > LEASE_S / 3:
            try:
                self._writes.put(Batch(position=self._position), self._lease)
                self._writes.settle()
            except BaseException:
                self.drop()
                raise

    def _stored(self, batch: Batch, locators: Sequence[Any]) -> None:
        self._renewed = monotonic_s()
        self._cache.stored(batch.changes, locators)
        self.progress.set_aside += len(batch.set_aside)

    # --- one batch ----------------------------------------------------------------------------------------

    @property
    def _limit(self) -> int:
        writer = self._writer
        if writer.hold_back_s > 0:
            return BATCH_RECORDS * HELD_BACK_MOST
        if writer.max_changes is not None and self._in_pieces >= IN_PIECES:
            room = HELD_TOGETHER - self._cache.weight
            return min(max(BATCH_RECORDS * HELD_BACK, room), BATCH_RECORDS * HELD_BACK_MOST)
        return BATCH_RECORDS

    def _read(self) -> list[Page]:
        """Pages for one batch: a little at a time, since how many records a page holds is known once it is read."""
        pages: list[Page] = []
        reached = dict(self._position)
        records = size = 0
        while records < self._limit and size < BATCH_BYTES:
            more = self._journal.read(reached, READ_PAGES)
            for page in more:
                ordinal, sequence = split_number(page.number)
                reached[ordinal] = sequence
                records += count_records(page)
                size += len(page.header) + len(page.body)
            pages.extend(more)
            if len(more) < READ_PAGES:
                self.caught_up = True
                break
        return pages

    def _project(self, gathered: Gathered, position: Position) -> None:
        items = [
            (tenant, key, records, pages)
            for tenant, transactions in gathered.transactions.items()
            for key, (records, pages) in transactions.items()
        ]
        *before, heard = gathered.hearing.parts(self._writer.max_changes)
        rest = Batch(
            links=gathered.links,
            definitions=gathered.definitions,
            set_aside=gathered.set_aside,
            heard=heard,
        )
        parts = list(_parts(items, self._writer.max_changes)) or [[]]
        try:
            for scattered in before:
                self._put(Batch(heard=scattered), self._position)
            for index, part in enumerate(parts):
                last = index == len(parts) - 1
                batch = rest if last else Batch()
                # Perhaps while the part before is being written: no transaction is in two parts.
                self._load(part)
                self._fold(part, batch)
                self._put(batch, position if last else self._position)
            self._writes.settle()
        except StoreError:
            raise
        except Exception:
            log.exception("a batch cannot be written; writing its transactions one by one")
            self._writes.abandon()
            self._cache.clear()
            for scattered in before:
                self._write(Batch(heard=scattered))
            write_carefully(items, self._writer, self._journal, self._write)
            rest.changes, rest.cells = [], {}
            self._put(rest, position)
            self._writes.settle()

    def _put(self, batch: Batch, position: Position) -> None:
        """Until the last batch of a step is written its pages are not folded: a crash before that replays them,
        harmlessly."""
        assert self._lease is not None
        batch.position = position
        self._writes.put(batch, self._lease)

    def _write(self, batch: Batch) -> None:
        self._put(batch, self._position)
        self._writes.settle()

    def _fold(self, items: list[Item], batch: Batch) -> None:
        tally = Tally()
        try:
            changes = [
                change
                for tenant, key, records, pages in items
                if (change := self._change(tenant, key, records, pages, tally)) is not None
            ]
        except StoreError:
            raise
        except Exception:
            log.exception("a record cannot be projected; looking for it")
            self._writes.settle()
            self._cache.clear()
            fold_carefully(items, self._writer, self._journal, batch)
        else:
            batch.changes.extend(changes)
            batch.cells = tally.cells()

    def _change(
        self, tenant: str, key: bytes, records: list[Folded], pages: list[int], tally: Tally
    ) -> Change | None:
        tracked = self._cache.get(tenant, key)
        if tracked is None:
            told = fold_whole(tenant, records, tally)
            if told is not None:
                # It has ended, so nobody holds it.
                header, facts, piece, terms = told
                return Change(tenant, key, None, None, header, facts, piece, (), terms, pages)
            tracked = self._cache.put(tenant, key, Tracked(tenant))
        self._in_pieces += 1
        difference = tracked.fold(records, tally)
        if difference is None:
            self._cache.unchanged(tenant, key, tracked)
            return None
        assert tracked.header is not None
        return Change(
            tenant,
            key,
            tracked.locator,
            difference.before,
            tracked.header,
            difference.facts,
            difference.piece,
            difference.terms_gone,
            difference.terms_new,
            pages,
        )

    def _load(self, items: list[Item]) -> None:
        """Bring what the store holds of these transactions into the cache."""
        missing: dict[str, list[bytes]] = {}
        for tenant, key, _, _ in items:
            if self._cache.get(tenant, key) is None:
                missing.setdefault(tenant, []).append(key)
        for tenant, keys in missing.items():
            for key, loaded in self._writer.load(tenant, keys).items():
                state = State.load(loaded.facts, loaded.pieces)
                self._cache.put(tenant, key, Tracked(tenant, state, loaded.locator))


@contextmanager
def collector_paused() -> Iterator[None]:
    """Let what a batch makes grow old at once: nothing of it is in a cycle, and looking for cycles among the states
    that are held, again and again while their number grows, is a third of all work."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _parts(items: list[Item], limit: int | None) -> Iterator[list[Item]]:
    if limit is None or len(items) <= limit:
        yield items
        return
    rest = iter(items)
    while part := list(islice(rest, limit)):
        yield part
