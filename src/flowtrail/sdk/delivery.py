"""The one thread beside the host's: takes what waits, sends it, and counts what became of it.

    outbox or spill ── Queued, Spilled ──► Parcel ── Delivery ── Transport ──► server
                                                       ▲                         │
                                                       └── verdict ◄── judge ────┘

It is started by the first record of a process and never joined: `close`, at the end of the process, waits for it no
longer than it is allowed to. After a fork the child begins anew, with a session of its own and nothing in hand.
"""

import _thread
import logging
from collections import deque
from contextlib import suppress
from typing import Any, Final

from flowtrail.model.clock import monotonic_s, sleep_s
from flowtrail.model.ids import random_bytes
from flowtrail.sdk.counts import Counts, Tally
from flowtrail.sdk.lifetime import block_signals, watch_child, watch_over
from flowtrail.sdk.outbox import Outbox, Sink
from flowtrail.sdk.parcels import Parcel, Queued, new_session, report_of
from flowtrail.sdk.settings import DROP_OLDEST, MIB, Settings, host_name

log = logging.getLogger("flowtrail")

FULL: Final = "memory_full"
OLDEST: Final = "oldest"
CLOSED: Final = "closed"
EXIT: Final = "exit"
INTERNAL: Final = "internal"

_FIRST_WAIT_S: Final = 0.25
_LONGEST_WAIT_S: Final = 30.0
"""Between two tries at a server that does not answer; each is drawn from the upper half of what is due."""
_REPORT_S: Final = 60.0
"""Between two reports of a session of which something was sent."""
_REPORT_LOSS_S: Final = 5.0
"""Between two reports when something was given up since."""
_LAST_MOMENT_S: Final = 0.1
"""Of the time for an exit: what a thread gets whose connection was cut."""
_START_AGAIN_S: Final = 1.0
"""Between two tries to start a thread where none is to be had."""
_SHORT_S: Final = 0.005
"""Between two looks of somebody who waits."""


class Delivery:
    """What the host's threads put into, and the thread behind it. Implements `outbox.Sink`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        limit = settings.memory_mib * MIB
        # Three quarters wait; the rest is for what is encoded, packed and under way, and for the answer.
        self._parcel_bytes = limit // 32
        self.tally = Tally()
        self.outbox = Outbox(limit * 3 // 4, self._start, drops_oldest=settings.overload == DROP_OLDEST)
        self.put = self.outbox.put
        self.grow = self.outbox.grow
        self._begin()
        watch_over(self)

    def _begin(self) -> None:
        self.producer = new_session(self.settings.producer or host_name())
        self._transport: Any = None
        self._parcels: deque[Parcel] = deque()
        self._packing = not self.settings.on_loopback
        self._ended = _thread.allocate_lock()
        self._start_again_at = 0.0
        self._closing = self._halted = self._closed = False
        self._exit_at = 0.0
        self._flushing = 0
        self._failures = 0
        self._warned = False
        self._send_at = 0.0
        self._asked_at = 0.0
        self._reported_at = monotonic_s()
        self._reported = (0, 0)

    # ------------------------------------------------------------------------------ the host's side

    def counts(self) -> Counts:
        """What became of every record so far; sums up exactly at any instant."""
        tally, outbox = self.tally, self.outbox
        while True:
            moves = outbox.trims
            with tally.lock:
                dropped = dict(tally.dropped)
                for reason, number in (
                    (FULL, outbox.dropped_full),
                    (OLDEST, outbox.dropped_oldest),
                    (CLOSED, outbox.dropped_closed),
                ):
                    if number:
                        dropped[reason] = dropped.get(reason, 0) + number
                counts = Counts(
                    accepted=tally.accepted,
                    rejected=dict(tally.rejected),
                    dropped=dropped,
                    pending=outbox.waiting + tally.in_hand,
                    bytes_held=outbox.bytes_held,
                    adopted=dict(tally.adopted),
                    requests=tally.requests,
                    failures=tally.failures,
                    producer=self.producer,
                )
            if moves == outbox.trims:
                return counts

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything put before is settled, for at most so long; whether it is."""
        tally, outbox = self.tally, self.outbox
        until = monotonic_s() + timeout_s
        with tally.lock:
            target = tally.taken + outbox.dropped_oldest + outbox.waiting
            self._flushing += 1
        try:
            while True:
                with tally.lock:
                    if tally.taken + outbox.dropped_oldest - tally.in_hand >= target:
                        return True
                left = until - monotonic_s()
                if left <= 0 or self._closed:
                    return False
                outbox.ring()
                # Not waited for by a lock: one that a killed thread held would never be given back.
                sleep_s(min(left, _SHORT_S))
        finally:
            with tally.lock:
                self._flushing -= 1

    def close(self, timeout_s: float | None = None) -> None:
        """Deliver what waits for at most so long (default: what the settings allow an exit), then stop; what is
        left is counted as given up. Whatever is put later is, too."""
        with self.tally.lock:
            if self._closed or self._closing:
                return
            allowed = self.settings.exit_s if timeout_s is None else timeout_s
            self._exit_at = monotonic_s() + max(allowed - _LAST_MOMENT_S, 0)
            self._closing = True
        with suppress(KeyboardInterrupt):  # somebody is in a hurry
            if self.outbox.started:
                self.outbox.ring()
                self._wait_for_end(self._exit_at - monotonic_s())
                self._halted = True
                if self._transport is not None:
                    self._transport.cut()
                self.outbox.ring()
                self._wait_for_end(_LAST_MOMENT_S)
        self._seal()

    def _wait_for_end(self, timeout_s: float) -> None:
        if self._ended.acquire(timeout=max(timeout_s, 0)):
            self._ended.release()

    def _seal(self) -> None:
        self.outbox.close()
        with self.tally.lock:
            self._closed = True
            while (item := self.outbox.take()) is not None:
                item.taken = True
                self.tally.taken += 1
                self.tally.in_hand += 1
            self.tally.seal(EXIT)

    def after_fork_in_child(self) -> None:
        """Leave everything to the parent, and begin anew with the first record."""
        if self._transport is not None:
            self._transport.close(abandon=True)
        self.tally = Tally()
        self.outbox.reset()
        self._begin()

    def _start(self) -> bool:
        if self._closing or monotonic_s() < self._start_again_at:
            return False
        try:
            self._ended.acquire(blocking=False)
            _thread.start_new_thread(self._run, ())
        except Exception:  # noqa: BLE001 -- no thread to be had, in any of the words Python has for it
            self._ended.release()
            self._start_again_at = monotonic_s() + _START_AGAIN_S
            return False
        watch_child()
        return True

    # ------------------------------------------------------------------------------ the thread's side

    def _run(self) -> None:
        ended = self._ended
        try:
            block_signals()
            self._prepare()
            while not self._halted:
                try:
                    if not self._step():
                        break
                except Exception:
                    log.debug("Flowtrail: delivery stumbled", exc_info=True)
                    self._recover()
        except BaseException:  # noqa: BLE001, S110 -- the process ends; nothing may be printed into it
            pass
        finally:
            with suppress(BaseException):
                self._transport.close()
            ended.release()

    def _prepare(self) -> None:
        # 20 ms of imports that the host's threads do not pay.
        from flowtrail.sdk.transport import HttpTransport

        self._transport = HttpTransport(self.settings.url)
        self._source = Queued(self.outbox, self.tally, self.producer, self._parcel_bytes)

    def _step(self) -> bool:
        """One thing to do; whether there is more."""
        if not self._parcels:
            # Asked first: what is put, or due, before the end is seen is still looked for after it.
            closing = self._closing
            self._gather()
            parcel = self._source.next(self._due_report)
            self._send_at = monotonic_s() + self.settings.batch_s
            if parcel is None:
                if not closing and self._hurried():
                    self.outbox.wait(_SHORT_S)
                return not closing
            self._parcels.append(parcel)
        return self._attempt()

    def _hurried(self) -> bool:
        return self._closing or self._flushing > 0

    def _gather(self) -> None:
        """Wait for a record, and then for others to go with it."""
        outbox = self.outbox
        if not self._hurried():
            outbox.wake_at_once()
            if not outbox.waiting:
                outbox.wait(max(self._report_in_s(), _SHORT_S))
                self._send_at = monotonic_s() + self.settings.batch_s
        outbox.wake_at(self._parcel_bytes)
        while not self._hurried() and 0 < outbox.bytes_held <= self._parcel_bytes:
            left = self._send_at - monotonic_s()
            if left <= 0:
                break
            outbox.wait(left)
        outbox.wake_at(None)

    def _attempt(self) -> bool:
        """Send the first parcel once; whether to go on."""
        from flowtrail.sdk.transport import Unreachable
        from flowtrail.sdk.verdicts import Later, Settled, Uncompressed, judge

        parcel = self._parcels[0]
        body, headers = self._packed(parcel)
        timeout_s = self.settings.timeout_s
        if self._closing:
            timeout_s = min(timeout_s, self._exit_at - monotonic_s())
        self.tally.requests += 1
        try:
            answer = self._transport.post(body, headers, timeout_s)
        except Unreachable as error:
            return self._later(str(error), None)
        verdict = judge(answer, len(parcel.lines), compressed="Content-Encoding" in headers)
        if isinstance(verdict, Later):
            return self._later(verdict.why, verdict.wait_s)
        if isinstance(verdict, Uncompressed):
            self._packing = False
        elif isinstance(verdict, Settled):
            self._settle(verdict.rejected)
        elif len(parcel.lines) == 1:
            self._settle({0: verdict.code})
        else:
            self._parcels.popleft()
            self._parcels.extendleft(reversed(parcel.halves()))
        self._failures = 0
        return True

    def _settle(self, rejected: dict[int, str]) -> None:
        tally = self.tally
        with tally.lock:
            if tally.sealed:
                return
            parcel = self._parcels.popleft()
            codes = [code for place, code in rejected.items() if place not in parcel.reports]
            accepted = len(parcel.lines) - len(parcel.reports) - len(codes)
            if parcel.adopted:
                tally.adopted["rejected"] += len(codes)
                tally.adopted["accepted"] += accepted
            else:
                tally.settle(accepted, codes)
            if parcel.advance is not None:
                parcel.advance(len(parcel.lines))

    def _later(self, why: str, asked_s: float | None) -> bool:
        """Wait before the next try; whether there is to be one."""
        self.tally.failures += 1
        self._failures += 1
        if not self._warned and not self._halted:
            self._warned = True
            log.warning(
                "Flowtrail: %s does not take records (%s); they wait in memory, and are counted when it is full",
                self.settings.url,
                why,
            )
        now = monotonic_s()
        if self._closing and (asked_s is None or now + asked_s >= self._exit_at):
            return False
        wait_s = self._backoff_s() if asked_s is None else asked_s + self._jitter() * min(asked_s, 1.0) / 4
        until = now + wait_s
        flushing = self._flushing
        while (left := until - monotonic_s()) > 0 and not self._halted:
            if asked_s is None and (self._closing or self._flushing > flushing):
                break
            if self._closing and until >= self._exit_at:
                return False
            self.outbox.wait(left)
        return True

    def _backoff_s(self) -> float:
        longest: float = min(_FIRST_WAIT_S * 2 ** min(self._failures - 1, 20), _LONGEST_WAIT_S)
        return longest * (1 + self._jitter()) / 2

    @staticmethod
    def _jitter() -> float:
        return int.from_bytes(random_bytes(2), "big") / 65_536

    def _packed(self, parcel: Parcel) -> tuple[bytes, dict[str, str]]:
        from flowtrail.sdk.packing import pack

        headers = {"Content-Type": "application/x-ndjson"}
        if self.settings.api_key is not None:
            headers["Authorization"] = f"Bearer {self.settings.api_key}"
        body = b"\n".join(parcel.lines)
        if self._packing:
            body, coding = pack(body)
            if coding is not None:
                headers["Content-Encoding"] = coding
        return body, headers

    def _due_report(self) -> dict[str, Any] | None:
        """A report, if one is due: at the end, when something was given up, and now and then."""
        if self._closing:
            if self.outbox.waiting or not self._untold():
                return None
        elif self._report_in_s() > 0:
            return None
        counts = self.counts()
        self._reported, self._reported_at = self._state(), monotonic_s()
        return report_of(counts.produced, self.tally, counts.dropped)

    def _state(self) -> tuple[int, int]:
        """What a report would tell: how many were sent, and how many were lost."""
        lost = self.outbox.dropped_full + self.outbox.dropped_oldest + sum(self.tally.dropped.values())
        return self.tally.sequence - self.tally.reports, lost

    def _untold(self) -> bool:
        return self._state() != self._reported

    def _report_in_s(self) -> float:
        """How long until a report is due."""
        sent, lost = self._state()
        if (sent, lost) == self._reported:
            return _REPORT_S
        age = monotonic_s() - self._reported_at
        return (_REPORT_S if lost == self._reported[1] else _REPORT_LOSS_S) - age

    def _recover(self) -> None:
        """After an error nobody foresaw: what was lost by it is counted, and the rest goes on after a while."""
        with self.tally.lock:
            lost = self.tally.in_hand - sum(parcel.records for parcel in self._parcels)
            if lost > 0:
                self.tally.drop(INTERNAL, lost)
        self._failures += 1
        self.outbox.wait(self._backoff_s())


def open_sink(settings: Settings) -> Delivery:
    """What `init` puts into; nothing is started before the first record."""
    return Delivery(settings)


_: type[Sink] = Delivery
