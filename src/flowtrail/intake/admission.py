"""The way in: bodies of requests are decoded on one thread and committed on another, many of them at once.

accept -> bodies that wait -> decode thread -> `Committer`. Both compute by turns (`turns`). Nothing here touches the
store: while it fails, bodies are turned away before anybody decodes them.
"""

import logging
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple

from flowtrail.intake.committer import ANSWER_S, RETRY_S, Committer, resolve
from flowtrail.intake.receipts import IntakeFull, IntakePaused, Receipt
from flowtrail.intake.redacting import redact
from flowtrail.intake.wire import Decoded, decode_body
from flowtrail.model.clock import Clock, monotonic_s, now_us
from flowtrail.model.errors import FlowtrailError, Refusal
from flowtrail.model.limits import MAX_PAGE_BYTES
from flowtrail.model.points import reach
from flowtrail.model.redaction import Redaction
from flowtrail.storage.interface import Store

log = logging.getLogger(__name__)

MAX_WAITING_BYTES: Final = 64 * 1024 * 1024
"""Of bodies, as sent, that wait to be decoded."""
MAX_WAITING_BODIES: Final = 2_000
"""A second of work if each is small."""

SWITCH_S: Final = 0.0005
"""How long a thread may keep the interpreter while another one wants it. A commit gives it away at every call of the
store and has to get it back from the decoder each time: with Python's 5 ms, acknowledgements take 3 × as long."""

PATIENCE_S: Final = 0.005
"""How long decoding waits while a group is being written, which takes less unless the store is slow; then both go on
side by side."""
TOGETHER_BYTES: Final = MAX_PAGE_BYTES
"""Of bodies that are decoded before what is decoded already may be written."""

Policy = Callable[[str, str, Decoded], None]
"""Given tenant, principal and what was decoded; raises Refusal for what they may not send."""

Reader = Callable[[str, bytes, str | None, str | None, int], Decoded]
"""Reads one protocol: given tenant, body, content type, content encoding and when it arrived (microseconds since the
epoch), gives canonical records and refusals; raises Refusal for the body as a whole. Runs on the decode thread."""


def read_records(
    _: str, body: bytes, content_type: str | None, content_encoding: str | None, received_at: int
) -> Decoded:
    """The reader of our own records."""
    return decode_body(body, content_type, content_encoding, received_at)


class _Body(NamedTuple):
    tenant: str
    principal: str
    body: bytes
    content_type: str | None
    content_encoding: str | None
    received_at: int
    accepted_s: float
    """The same, monotonic."""
    reader: Reader
    future: "Future[Receipt]"


class Intake:
    """What a server puts bodies into. Safe from any thread; `accept` never blocks.

    `on_commit` is called after each durable group and must not block. `policy` may refuse a batch as a whole, `redaction`
    takes out of every record what must not be kept, whoever read it.
    """

    def __init__(
        self,
        store: Store,
        *,
        on_commit: Callable[[], None] | None = None,
        policy: Policy | None = None,
        redaction: Redaction | None = None,
        clock: Clock = now_us,
    ) -> None:
        self.committer = Committer(store.journal, clock=clock, on_commit=on_commit)
        self._policy = policy
        self._redaction = redaction
        self._clock = clock
        self._bodies: SimpleQueue[_Body | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._decode, name="decode", daemon=True)
        self._closing = False
        self.waiting_bodies = 0
        """Accepted, not decoded yet."""
        self.waiting_bytes = 0

    def start(self) -> None:
        """Begin to decode and to commit. Lets this process' threads take turns faster (see `SWITCH_S`)."""
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_S))
        self.committer.start()
        self._thread.start()

    def accept(
        self,
        tenant: str,
        body: bytes,
        content_type: str | None,
        content_encoding: str | None,
        *,
        principal: str = "",
        reader: Reader = read_records,
    ) -> "Future[Receipt]":
        """Take the body of a request as it came; the future gives a receipt once its records are durable.

        A receipt may say that nothing was accepted: then `rejected` tells why, record by record. The future raises:
        Refusal (the body as a whole; IntakeFull when too much waits, or it waited for `ANSWER_S` itself), and what
        `Committer.submit` raises.
        """
        future: Future[Receipt] = Future()
        now, now_s = self._clock(), monotonic_s()
        item = _Body(tenant, principal, body, content_type, content_encoding, now, now_s, reader, future)
        with self._lock:
            refusal = self._refusal()
            if refusal is None:
                self._count(item, 1)
                self._bodies.put(item)
        if refusal is not None:
            self.committer.count_refused(refusal)
            resolve(future, refusal)
        return future

    def close(self, drain_s: float = 5.0) -> None:
        """Take nothing new, finish what was accepted for at most about `drain_s`, and answer everything."""
        began = monotonic_s()
        with self._lock:
            self._closing = True
            self._bodies.put(None)
        if self._thread.is_alive():
            self._thread.join(drain_s)
        self.committer.close(max(drain_s - (monotonic_s() - began), 0))
        with suppress(Empty):
            while True:
                if (item := self._bodies.get_nowait()) is not None:
                    resolve(item.future, IntakePaused("the server is stopping; nothing was written", RETRY_S))

    def _refusal(self) -> FlowtrailError | None:
        if self._closing:
            return IntakePaused("the server is stopping; nothing was written", RETRY_S)
        if self.waiting_bytes >= MAX_WAITING_BYTES or self.waiting_bodies >= MAX_WAITING_BODIES:
            return IntakeFull(f"{self.waiting_bodies} requests", RETRY_S)
        return self.committer.refusal()

    def _decode(self) -> None:
        turns = self.committer.turns
        has_turn, size = False, 0
        while (item := self._bodies.get()) is not None:
            # What waits to be written counts too: bodies may have come compressed.
            if has_turn and max(size + len(item.body), self.committer.queued_bytes) > TOGETHER_BYTES:
                turns.give()
                has_turn = False
            if not has_turn:
                has_turn, size = turns.take(PATIENCE_S), 0
            self._read(item)
            size += len(item.body)
            if has_turn and self._bodies.empty():
                turns.give()
                has_turn = False
        if has_turn:
            turns.give()

    def _read(self, item: _Body) -> None:
        try:
            _check_age(item)
            decoded = item.reader(
                item.tenant, item.body, item.content_type, item.content_encoding, item.received_at
            )
            if self._redaction is not None:
                self._redact(decoded, self._redaction)
            reach("decoded")
            if self._policy is not None:
                self._policy(item.tenant, item.principal, decoded)
        except Refusal as refusal:
            self.committer.count_refused(refusal)
            resolve(item.future, refusal)
        except Exception as error:
            log.exception("a body cannot be decoded")
            resolve(item.future, error)
        else:
            self.committer.submit(item.tenant, decoded, item.future)
        with self._lock:
            self._count(item, -1)

    def _redact(self, decoded: Decoded, rules: Redaction) -> None:
        counts = redact(decoded, rules)
        decoded.redacted = counts.total()
        self.committer.count_redacted(counts)

    def _count(self, item: _Body, sign: int) -> None:
        self.waiting_bodies += sign
        self.waiting_bytes += sign * len(item.body)


def _check_age(item: _Body) -> None:
    """Raises: Refusal for what waited until its sender gives up and sends it again: to read it too would make all that
    follow as late."""
    waited_s = monotonic_s() - item.accepted_s
    if waited_s > ANSWER_S:
        raise IntakeFull(f"requests that came {waited_s:.0f} s ago", RETRY_S)
