"""Group commit: whatever is queued becomes pages, and is answered once they are durable.

Batches -> queue -> one commit thread: pages, append, answers. While one append syncs, the next group gathers; nobody
waits for a group to fill. When the store fails, the identical pages are sent again until it takes them, and new
batches are turned away meanwhile: these pages are the probe by which intake comes back by itself. A second thread
sees to it that everyone gets an answer in time, also while an append hangs.
"""

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from typing import Final

from flowtrail.intake.attempts import LONGEST_PAUSE_S, Attempts, Stopped
from flowtrail.intake.paging import Chain, Submission, build_pages, open_chain, submission_of
from flowtrail.intake.receipts import Counts, IntakeFull, IntakePaused, Receipt
from flowtrail.intake.turns import Turns
from flowtrail.intake.wire import Decoded
from flowtrail.model.clock import Clock, monotonic_s, now_us
from flowtrail.model.errors import FlowtrailError, PageConflict, Refusal, StoreError, StoreFull
from flowtrail.model.ids import random_bytes
from flowtrail.model.pages import Page
from flowtrail.model.points import reach
from flowtrail.model.tokens import format_token
from flowtrail.storage.interface import Journal

log = logging.getLogger(__name__)

MAX_QUEUE_RECORDS: Final = 100_000
"""A second or two of work; more would only make answers late."""
MAX_QUEUE_BYTES: Final = 64 * 1024 * 1024
GROUP_RECORDS: Final = 16_000
GROUP_BYTES: Final = 8 * 1024 * 1024
"""A group takes no further batch beyond these: larger ones sync no faster and answer later."""
APPEND_PAGES: Final = 16
"""Pages in one append: at most 16 MiB, whatever a batch holds."""
ANSWER_S: Final = 8.0
"""After so long a batch is answered with "unknown", whatever the store does: clients give up at 10 s."""
QUICK_S: Final = 0.002
"""An append that takes less is not worth decoding beside: its thread would have to get the interpreter back from the
decoder at every call of the store. What takes longer is waiting, and others compute meanwhile."""
WATCH_S: Final = 0.25
RETRY_S: Final = 1.0
"""What clients are told to wait where it is not the store that fails."""


class Committer:
    """Puts batches into one journal, as one writer of each tenant whose records come. Safe from any thread.

    `on_commit` is called after each durable group, on the commit thread; it must not block.
    """

    def __init__(
        self, journal: Journal, *, clock: Clock = now_us, on_commit: Callable[[], None] | None = None
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._on_commit = on_commit
        self._chains: dict[str, Chain] = {}
        self._changed = threading.Condition()
        self._queue: deque[Submission] = deque()
        self._group: list[Submission] = []
        """Taken from the queue, not durable yet."""
        self._closing = False
        self._closed = threading.Event()
        self._attempts = Attempts(self._store_failed)
        self._append_s = 0.0
        """How long the last append took."""
        self.turns = Turns()
        """For whoever prepares batches: see there."""
        self._threads = [
            threading.Thread(target=self._run, name="commit", daemon=True),
            threading.Thread(target=self._watch, name="commit-watch", daemon=True),
        ]
        self.writer_name = _new_name()
        """The name of this run's writers."""
        self.counts = Counts()
        self.queued_records = 0
        """Records that wait or are being written: what intake holds in memory."""
        self.queued_bytes = 0

    def start(self) -> None:
        """Begin to commit. A tenant's writer is registered when its first records come."""
        for thread in self._threads:
            thread.start()

    @property
    def failure(self) -> StoreError | None:
        """Why the store does not take writes at present; None while it does."""
        return self._attempts.failure

    def submit(
        self, tenant: str, decoded: Decoded, future: "Future[Receipt] | None" = None
    ) -> "Future[Receipt]":
        """Queue a batch; the future (`future`, if given) is answered within about `ANSWER_S`.

        It gives a receipt once every record is durable, or raises: IntakeFull, IntakePaused, StoreFull (refused,
        nothing was written), StoreUnavailable (unknown). Sending the same batch again is safe after each of them.
        Rejected sequences are made durable as records are; a batch that has neither is answered at once.
        """
        batch = submission_of(tenant, decoded, Future() if future is None else future, monotonic_s())
        with self._changed:
            self.counts.rejected.update(item.code for item in decoded.rejected)
            refusal = self.refusal() if decoded.encoded or batch.refused else None
            if refusal is None and (decoded.encoded or batch.refused):
                self._queue.append(batch)
                self._count(batch, 1)
                self._changed.notify_all()
                return batch.future
        if refusal is None:
            self._answer(
                batch, Receipt(0, decoded.rejected, self._journal.durability, None, decoded.redacted)
            )
        else:
            self._answer(batch, refusal)
        return batch.future

    def refusal(self) -> FlowtrailError | None:
        """What a batch that came now would be refused with; None when it would be queued."""
        failure = self._attempts.failure
        if self._closing:
            return IntakePaused("the server is stopping; nothing was written", RETRY_S)
        if isinstance(failure, StoreFull):
            return StoreFull(str(failure))
        if failure is not None:
            return IntakePaused(
                f"the store does not take writes, nothing was written: {failure}", LONGEST_PAUSE_S
            )
        if self.queued_records >= MAX_QUEUE_RECORDS:
            return IntakeFull(f"{self.queued_records} records", RETRY_S)
        if self.queued_bytes >= MAX_QUEUE_BYTES:
            return IntakeFull(f"{self.queued_bytes} bytes", RETRY_S)
        return None

    def count_refused(self, error: FlowtrailError) -> None:
        """Count a batch that was refused before it came here, so that all refusals are counted in one place."""
        with self._changed:
            self.counts.refused[code_of(error)] += 1

    def count_redacted(self, counts: Counter[str]) -> None:
        """Count what was taken out of records, by why."""
        with self._changed:
            self.counts.redacted.update(counts)

    def close(self, drain_s: float = 5.0) -> None:
        """Take nothing new, write what is queued for at most `drain_s`, and answer the rest with "unknown"."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        commit, watch = self._threads
        if commit.is_alive():
            commit.join(drain_s)
        self._attempts.stop()
        self._closed.set()
        for thread in (commit, watch):
            if thread.is_alive():
                thread.join(1)  # what hangs in the store is left behind
        for batch in self._waiting():
            self._answer(
                batch, IntakePaused("the server stopped before the store answered: unknown", RETRY_S)
            )

    # --- the commit thread --------------------------------------------------------------------------------

    def _run(self) -> None:
        while self._wait():
            with ExitStack() as turn:
                turn.enter_context(self.turns.taken())
                group = self._take()
                try:
                    self._commit(group, turn)
                except Stopped:
                    return
                except Exception as error:
                    log.exception("a group of batches cannot be written; its writer is given up")
                    self._rename()
                    self._attempts.forget()
                    for batch in group:
                        self._answer(batch, error)
            with self._changed:
                self._group = []
                for batch in group:
                    self._count(batch, -1)

    def _wait(self) -> bool:
        """Wait for something in the queue; False when there will be no more."""
        with self._changed:
            while not self._queue and not self._closing:
                self._changed.wait()
            return bool(self._queue)

    def _take(self) -> list[Submission]:
        """The next group: all that is queued, up to a bound."""
        with self._changed:
            records = size = 0
            while self._queue and records < GROUP_RECORDS and size < GROUP_BYTES:
                batch = self._queue.popleft()
                self._group.append(batch)
                records += len(batch.decoded.encoded)
                size += batch.size_bytes
            return list(self._group)

    def _commit(self, group: list[Submission], turn: ExitStack) -> None:
        """Make a group durable, however long that takes, and answer it; `turn` is given back while a slow store is
        waited for. Raises: Stopped."""
        conflicts = 0
        while True:
            try:
                tokens = self._write(group, turn)
                break
            except PageConflict as conflict:
                log.critical(
                    "another page stands where writer %s was writing: %s. The journal was altered, or the name "
                    "used twice; `flowtrail check` tells. Going on under a new name.",
                    self.writer_name,
                    conflict,
                )
                self.counts.conflicts += 1
                self._rename()
                conflicts += 1
                if conflicts > 1:
                    self._attempts.pause(conflict, LONGEST_PAUSE_S)
        self._tell()
        for batch in group:
            accepted = len(batch.decoded.encoded)
            token = tokens.get(batch.tenant) if accepted else None
            decoded = batch.decoded
            receipt = Receipt(accepted, decoded.rejected, self._journal.durability, token, decoded.redacted)
            self._answer(batch, receipt)

    def _write(self, group: list[Submission], turn: ExitStack) -> dict[str, str]:
        """Bring a group into the journal; by tenant, the token that covers it. Raises: PageConflict, Stopped."""
        chains = {batch.tenant: self._chain(batch.tenant) for batch in group}
        received_at = self._clock()
        built: dict[str, list[Page]] = {}
        for tenant, chain in chains.items():
            # Whoever was told "unknown" sends again; what never left for the store need not be there twice.
            batches = [batch for batch in group if batch.tenant == tenant and not batch.answered]
            built[tenant] = build_pages(chain, batches, received_at)
        pages = [page for own in built.values() for page in own]
        if self._append_s > QUICK_S:
            turn.close()
        for start in range(0, len(pages), APPEND_PAGES):
            self._append(pages[start : start + APPEND_PAGES])
        tokens = {}
        for tenant, chain in chains.items():
            if built[tenant]:
                chain.advance(built[tenant][-1])
            tokens[tenant] = format_token({chain.writer.ordinal: chain.sequence})
        return tokens

    def _append(self, pages: list[Page]) -> None:
        reach("before_append")
        began = monotonic_s()
        self._attempts.until_done(partial(self._journal.append, pages))
        self._append_s = monotonic_s() - began
        reach("appended")
        self.counts.commits += 1
        for page in pages:
            self.counts.page(page)

    def _chain(self, tenant: str) -> Chain:
        chain = self._chains.get(tenant)
        if chain is None:
            chain = self._attempts.until_done(partial(open_chain, self._journal, tenant, self.writer_name))
            self._chains[tenant] = chain
        return chain

    def _rename(self) -> None:
        self.writer_name = _new_name()
        self._chains.clear()

    def _tell(self) -> None:
        if self._on_commit is not None:
            try:
                self._on_commit()
            except Exception:
                log.exception("what follows a commit failed; the commit stands")

    # --- answers ------------------------------------------------------------------------------------------

    def _answer(self, batch: Submission, answer: Receipt | BaseException) -> None:
        """Answer a batch, unless that has been done: the commit thread, the watching one and `close` may meet."""
        with self._changed:
            if batch.answered:
                return
            batch.answered = True
            if isinstance(answer, Receipt):
                self.counts.accepted += answer.accepted
                self.counts.latency_s.add(monotonic_s() - batch.queued_s)
            else:
                self.counts.refused[code_of(answer)] += 1
        resolve(batch.future, answer)

    def _store_failed(self, error: StoreError) -> None:
        self.counts.failures += 1
        if isinstance(error, StoreFull):
            # Space does not come back within seconds: better they know now.
            for batch in self._waiting():
                self._answer(batch, StoreFull(str(error)))
        self._drop_answered()

    def _watch(self) -> None:
        while not self._closed.wait(WATCH_S):
            self._attempts.notice_stall()
            overdue = monotonic_s() - ANSWER_S
            for batch in self._waiting():
                if batch.queued_s < overdue:
                    why = self._attempts.failure or "it is too slow for what comes in"
                    self._answer(
                        batch,
                        IntakePaused(f"the store did not answer in time: unknown; {why}", LONGEST_PAUSE_S),
                    )
            self._drop_answered()

    def _waiting(self) -> list[Submission]:
        with self._changed:
            return [batch for batch in (*self._group, *self._queue) if not batch.answered]

    def _drop_answered(self) -> None:
        """Let go of what was answered while it was still queued: it was not written, and will not be."""
        with self._changed:
            for batch in self._queue:
                if batch.answered:
                    self._count(batch, -1)
            self._queue = deque(batch for batch in self._queue if not batch.answered)

    def _count(self, batch: Submission, sign: int) -> None:
        self.queued_records += sign * len(batch.decoded.encoded)
        self.queued_bytes += sign * batch.size_bytes


def resolve(future: "Future[Receipt]", answer: Receipt | BaseException) -> None:
    """Answer a future whose owner may have given up on it."""
    if not future.set_running_or_notify_cancel():
        return
    if isinstance(answer, Receipt):
        future.set_result(answer)
    else:
        future.set_exception(answer)


def code_of(error: BaseException) -> str:
    """The code under which an error is counted: the one that its answer carries."""
    if isinstance(error, Refusal):
        return error.code
    if isinstance(error, StoreFull):
        return "store_full"
    return "store_unavailable" if isinstance(error, StoreError) else "internal"


def _new_name() -> str:
    return random_bytes(8).hex()
