"""What the host's threads put into, and the one thread behind it.

It is started by the first record of a process and never joined: `close`, at the end of the process, waits for it no
longer than it is allowed to. After a fork the child begins anew, with a session of its own and nothing in hand.
"""

import _thread
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from flowtrail.model.clock import monotonic_s, sleep_s
from flowtrail.model.errors import Refusal
from flowtrail.sdk.counts import Counts, Tally
from flowtrail.sdk.lifetime import block_signals, watch_child, watch_over
from flowtrail.sdk.orders import Orders
from flowtrail.sdk.outbox import Outbox, Sink
from flowtrail.sdk.parcels import new_session
from flowtrail.sdk.settings import DROP_OLDEST, MIB, Settings, host_name

if TYPE_CHECKING:
    from flowtrail.sdk.courier import Courier
    from flowtrail.sdk.spill import Spill

FULL: Final = "memory_full"
OLDEST: Final = "oldest"
CLOSED: Final = "closed"
EXIT: Final = "exit"

_LAST_MOMENT_S: Final = 0.1
"""Of the time for an exit: what a thread gets whose connection was cut; as much again is left to a busy machine."""
_START_AGAIN_S: Final = 1.0
"""Between two tries to start a thread where none is to be had."""
_PARK_S: Final = 0.02
"""How long a fork waits for a request to end, and then once more for the thread to be gone."""
_MOST_CUTS: Final = 3
_RETURNS_AT_ONCE: Final = sys.version_info < (3, 13)
"""Later versions look for threads after all hooks: there it returns with the next record, flush, or end."""
_LOOK_EVERY_S: Final = 0.005
"""While a flush waits: no lock, which a thread that ended badly would never give back."""


class Delivery:
    """A bounded outbox with a thread of its own, or a spill. Implements `outbox.Sink`."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.tally = Tally()
        # Two thirds wait; the rest is for what is encoded, packed and under way, and for the answer.
        self.outbox = Outbox(
            settings.memory_mib * MIB * 2 // 3, self._start, drops_oldest=settings.overload == DROP_OLDEST
        )
        self._make_courier = load(settings)
        self.producer = new_session(settings.producer or host_name())
        self.put, self.grow = self.outbox.put, self.outbox.grow
        self.direct: Outbox | None = self.outbox
        self.spill: Spill | None = None
        if settings.spill_dir is not None:
            self.spill = _spill_of(self.outbox, self.tally, self.producer, settings)
            self.put, self.grow = self.spill.put, self.spill.grow
            self.direct = None
            self.spill.prepare()
        self._begin()
        watch_over(self)

    def _begin(self) -> None:
        self._orders = Orders()
        self._courier: Courier | None = None
        self._ended = _thread.allocate_lock()
        self._start_again_at = 0.0
        self._is_closed = False
        self._is_parked = False
        self._task = ""
        """What shows, on Linux, whether the thread is still there for the system."""

    def counts(self) -> Counts:
        """What became of every record so far; sums up exactly at any instant."""
        tally, outbox, spill = self.tally, self.outbox, self.spill
        while True:
            moves = outbox.trims
            with tally.lock:
                beside = {
                    FULL: outbox.dropped_full,
                    OLDEST: outbox.dropped_oldest,
                    CLOSED: outbox.dropped_closed,
                }
                dropped = {reason: number for reason, number in (tally.dropped | beside).items() if number}
                counts = Counts(
                    accepted=tally.accepted,
                    rejected=dict(tally.rejected),
                    dropped=dropped,
                    pending=(outbox if spill is None else spill).waiting + tally.in_hand,
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
            target = tally.taken + outbox.dropped_oldest + (self.spill or outbox).waiting
            self._orders.flushing += 1
        try:
            while True:
                with tally.lock:
                    if tally.taken + outbox.dropped_oldest - tally.in_hand >= target:
                        return True
                left = until - monotonic_s()
                if left <= 0 or self._is_closed:
                    return False
                outbox.ring()
                sleep_s(min(left, _LOOK_EVERY_S))
        finally:
            with tally.lock:
                self._orders.flushing -= 1

    def close(self, timeout_s: float | None = None) -> None:
        """Deliver what waits for at most so long (default: what the settings allow an exit), then stop. What is left
        stays in the spill, or is counted as given up, like whatever is put later."""
        self.begin_to_close(timeout_s)
        orders = self._orders
        if self._is_closed:
            return
        with suppress(KeyboardInterrupt, SystemExit):  # somebody is in a hurry, and the process ends as it is
            if self.outbox.started:
                self._wait_for_end(orders.exit_at - monotonic_s())
                orders.is_halted = True
                if self._courier is not None:
                    self._courier.transport.cut()
                self.outbox.ring()
                self._wait_for_end(_LAST_MOMENT_S)
            elif (self.spill or self.outbox).waiting:
                # No thread was to be had, as in an interpreter that is about to end: then it is this one's work.
                self._work()
        self._seal()

    def retire(self) -> None:
        """Deliver what waits in the time of an exit, and then give everything back: another one is put into now, and
        nobody waits for this one or asks it again."""
        _retired.add(self)
        self.begin_to_close()
        if not (self.outbox.started or (self.spill or self.outbox).waiting):
            self._seal()

    def begin_to_close(self, timeout_s: float | None = None) -> None:
        """The time of `close` begins; nobody waits yet."""
        orders = self._orders
        if self._is_parked:
            self.outbox.ring()
        with self.tally.lock:
            if orders.is_closing:
                return
            allowed = self.settings.exit_s if timeout_s is None else timeout_s
            orders.exit_at = monotonic_s() + max(allowed - 2 * _LAST_MOMENT_S, 0)
            orders.is_closing = True
        if self.outbox.started:
            self.outbox.ring()

    def _wait_for_end(self, timeout_s: float) -> None:
        if self._ended.acquire(timeout=max(timeout_s, 0)):
            self._ended.release()

    def _seal(self) -> None:
        self.outbox.close()
        tally, spill = self.tally, self.spill
        _retired.discard(self)
        with tally.lock:
            if self._is_closed:
                return
            self._is_closed = True
            while self.outbox.take() is not None:
                tally.taken += 1
                tally.in_hand += 1
            if self._courier is not None and spill is not None:
                # What came from a file is still there.
                back = sum(parcel.records for parcel in self._courier.parcels if parcel.advance is not None)
                tally.in_hand -= back
                spill.read -= back
            tally.seal(EXIT)
            if spill is not None:
                spill.close()

    def before_fork(self) -> None:
        """Have the thread gone while the process is forked, if it can be soon: a child would find what the thread was
        in the middle of, and Python warns of forks beside threads, in the host's output."""
        courier = self._courier
        if courier is not None and not courier.failures:
            # What waits is sent rather now: nobody knows how soon the thread is back.
            self.flush(_PARK_S)
        with self.tally.lock:
            self._orders.forks += 1
        if not self._ended.locked():
            return
        self.outbox.ring()
        # A request gets this long to come to its end; then it is cut, and made again after the fork.
        if self._is_gone_within(_PARK_S):
            return
        courier = self._courier
        # Where forks follow each other faster than the server answers, the thread stays.
        if courier is not None and courier.cuts < _MOST_CUTS:
            courier.transport.cut()
            self._is_gone_within(_PARK_S)

    def _is_gone_within(self, seconds: float) -> bool:
        until = monotonic_s() + seconds
        while not self._is_parked or os.access(self._task, os.F_OK):
            if monotonic_s() > until:
                return False
            sleep_s(seconds / 100)
        return True

    def after_fork_in_parent(self) -> None:
        """Go on."""
        with self.tally.lock:
            self._orders.forks = max(self._orders.forks - 1, 0)
            if self._orders.forks or not self._is_parked:
                return
        self.outbox.not_started()
        if _RETURNS_AT_ONCE:
            self.outbox.ring()

    def after_fork_in_child(self) -> None:
        """Leave everything to the parent, and begin anew with the first record."""
        if self._courier is not None:
            self._courier.abandon()
        self.producer = new_session(self.settings.producer or host_name())
        self.tally.reset()
        self.outbox.reset()
        if self.spill is not None:
            self.spill.abandon()
            self.spill.reset(self.producer)
        self._begin()

    def _start(self) -> bool:
        if self._orders.is_closing or monotonic_s() < self._start_again_at:
            return False
        was_parked, self._is_parked = self._is_parked, False
        try:
            self._ended.acquire(blocking=False)
            _thread.start_new_thread(self._run, ())
        except Exception:  # noqa: BLE001 -- no thread to be had, in any of the words Python has for it
            self._is_parked = was_parked
            self._ended.release()
            self._start_again_at = monotonic_s() + _START_AGAIN_S
            return False
        watch_child()
        return True

    def _run(self) -> None:
        ended = self._ended
        is_parked = False
        try:
            block_signals()
            self._task = f"/proc/self/task/{_thread.get_native_id()}"
            is_parked = self._work()
            if not is_parked and self in _retired:
                self._seal()
        except BaseException:  # noqa: BLE001, S110 -- the process ends; nothing may be printed into it
            pass
        finally:
            if not is_parked:
                ended.release()

    def _work(self) -> bool:
        """Whether the thread makes way for a fork; else everything is done."""
        if self._courier is None:
            self._courier = self._make_courier(
                self.settings,
                self._orders,
                self.outbox,
                self.tally,
                self.spill,
                self.producer,
                lambda: ((counts := self.counts()).produced, counts.dropped),
            )
        while self._courier.run():
            with self.tally.lock:
                if self._orders.forks:
                    self._is_parked = True
                    return True
        return False


def load(settings: Settings) -> "type[Courier]":
    """Import now whatever the thread may ever need. A host that forks while a thread of ours imports would leave its
    child with a module that is half there, and whose lock nobody gives back."""
    import encodings.idna  # what resolving a name imports by itself
    import logging

    from flowtrail.sdk.courier import Courier
    from flowtrail.sdk.packing import prepare_to_pack

    _ = encodings, logging
    if not settings.on_loopback:
        prepare_to_pack()
    if settings.url.startswith("https:"):
        import ssl

        _ = ssl
    return Courier


def _spill_of(outbox: Outbox, tally: Tally, producer: str, settings: Settings) -> "Spill":
    from flowtrail.sdk.spill import Spill  # loads what only a spill needs

    return Spill(outbox, tally, producer, settings)


def open_sink(settings: Settings) -> Delivery:
    """What `init` puts into; nothing is started before the first record. Raises: Refusal."""
    if settings.spill_dir is not None:
        from flowtrail.sdk.sessions import can_spill

        if not can_spill():
            raise Refusal("invalid_setting", "this platform has no locks for a spill", "spill_dir")
    return Delivery(settings)


_: type[Sink] = Delivery

_retired: Final[set[Delivery]] = set()
"""Kept until they have given back what they hold: locks and files of a spill are no objects that Python would close."""
