"""What the delivery thread does: gather a parcel, send it until its fate is known, count, and tell the server.

outbox or spill ── source ──► Parcel ──► Transport ──► server
                                ▲                        │
                                └── verdict ◄── judge ◄──┘
"""

from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from flowtrail import __version__
from flowtrail.model.clock import monotonic_s
from flowtrail.model.ids import random_bytes
from flowtrail.sdk.counts import Tally
from flowtrail.sdk.notices import is_heard, leave_list_of_threads, logger, warn_once
from flowtrail.sdk.orders import Orders, Parked
from flowtrail.sdk.outbox import Outbox
from flowtrail.sdk.packing import pack
from flowtrail.sdk.parcels import Bounds, Parcel, Queued, report_of
from flowtrail.sdk.settings import MIB, Settings
from flowtrail.sdk.spill import Spill
from flowtrail.sdk.spilled import Spilled
from flowtrail.sdk.transport import HttpTransport, Unreachable
from flowtrail.sdk.verdicts import Later, Settled, Uncompressed, Verdict, judge

INTERNAL: Final = "internal"

_FIRST_WAIT_S: Final = 0.25
_LONGEST_WAIT_S: Final = 30.0
"""Between two tries at a server that does not answer; each is drawn from the upper half of what is due."""
_REPORT_S: Final = 60.0
"""Between two reports of a session of which something was sent."""
_REPORT_LOSS_S: Final = 5.0
"""Between two reports when something was given up since."""
_SHORT_S: Final = 0.005
"""Between two looks while somebody waits for a flush."""
_LONGEST_ANSWER_BYTES: Final = 1024 * 1024
_REFUSAL_BYTES: Final = 512
"""What an answer may hold for each record: the longest honest one refuses them all, and says why."""
_PARTS: Final = 32
"""How many parcels' worth of bytes the memory has: one parcel is encoded, joined, packed and answered at a time."""


class Source(Protocol):
    """Where parcels come from."""

    def next(self, report: Callable[[], dict[str, Any] | None]) -> Parcel | None:
        """What waits, up to a parcel's size, and the report if there is one; None: nothing waits."""
        ...

    def has_more(self) -> bool:
        """Whether something waits that nobody rings for."""
        ...


class Courier:
    """One life of the thread. `report` gives what has been produced and dropped so far."""

    def __init__(
        self,
        settings: Settings,
        orders: Orders,
        outbox: Outbox,
        tally: Tally,
        spill: Spill | None,
        producer: str,
        count: Callable[[], tuple[int, dict[str, int]]],
    ) -> None:
        self._settings, self._orders, self._tally, self._count = settings, orders, tally, count
        self._outbox, self._spill = outbox, spill
        self._inlet: Outbox | Spill = outbox if spill is None else spill
        self._parcel_bytes = settings.memory_mib * MIB // _PARTS
        answer_bytes = min(2 * self._parcel_bytes, _LONGEST_ANSWER_BYTES)
        bounds = Bounds(self._parcel_bytes, answer_bytes // _REFUSAL_BYTES)
        queued = Queued(outbox, tally, producer, bounds)
        self._source: Source = queued
        if spill is not None:
            self._source = Spilled(spill, queued, tally, producer, bounds)
        self.transport = HttpTransport(settings.url, answer_bytes, self._tend)
        self.parcels: deque[Parcel] = deque()
        self._packs = not settings.on_loopback
        self.failures = 0
        """Requests in a row that settled nothing."""
        self.cuts = 0
        """Requests in a row that were cut short for a fork."""
        self._resting: tuple[float, bool] | None = None
        self._send_at = 0.0
        self._reported = (0, 0)
        self._reported_at = monotonic_s()

    def run(self) -> bool:
        """Until it is told to end, or to make way for a fork; whether it is the latter, and `run` is to be called
        again."""
        while not self._orders.is_halted:
            if self._orders.forks:
                return True
            try:
                self._tend()
                if not self._step():
                    break
            except Parked:
                return True
            except Exception:  # noqa: BLE001 -- one error nobody foresaw must not end delivery
                if is_heard():
                    logger().debug("delivery stumbled", exc_info=True)
                    leave_list_of_threads()
                self._recover()
        if self._spill is not None:
            self._spill.sync()
        if isinstance(self._source, Spilled):
            self._source.left.close()
        self.transport.close()
        return False

    def abandon(self) -> None:
        """After a fork, in the child: the connection, and what is sent for others, are the parent's."""
        self.transport.close(abandon=True)
        if isinstance(self._source, Spilled):
            self._source.left.close()

    def _step(self) -> bool:
        """One thing to do; whether there is more."""
        if self._resting is not None:
            return self._rest(*self._resting)
        if not self.parcels:
            # Asked first: what is put, or due, before the end is seen is still looked for after it.
            is_closing = self._orders.is_closing
            self._gather()
            parcel = self._source.next(self._due_report)
            self._send_at = monotonic_s() + self._settings.batch_s
            if parcel is None:
                # Neither a flush nor a session that is being finished waits for a record.
                if not is_closing and (self._orders.is_hurried or self._source.has_more()):
                    self._outbox.wait(_SHORT_S)
                return not is_closing
            self.parcels.append(parcel)
        return self._attempt(self.parcels[0])

    def _gather(self) -> None:
        """Wait for a record, and then for others to go with it."""
        orders, inlet = self._orders, self._inlet
        if self._source.has_more():
            return
        if not orders.is_hurried:
            inlet.wake_at_once()
            if not inlet.waiting:
                self._wait(max(self._report_in_s(), _SHORT_S))
                self._send_at = monotonic_s() + self._settings.batch_s
        inlet.wake_at(self._parcel_bytes)
        while not orders.is_hurried and inlet.waiting and inlet.bytes_held <= self._parcel_bytes:
            left = self._send_at - monotonic_s()
            if left <= 0:
                break
            self._wait(left)
        inlet.wake_at(None)

    def _attempt(self, parcel: Parcel) -> bool:
        """Send a parcel once; whether to go on."""
        body, headers = self._packed(parcel)
        timeout_s = self._settings.timeout_s
        if self._orders.is_closing:
            timeout_s = min(timeout_s, self._orders.exit_at - monotonic_s())
        self._tally.requests += 1
        try:
            answer = self.transport.post(body, headers, timeout_s)
        except Unreachable as error:
            if self._orders.forks:
                self.cuts += 1
                raise Parked from None
            return self._later(str(error), None)
        self.cuts = 0
        return self._apply(judge(answer, len(parcel.lines), compressed="Content-Encoding" in headers), parcel)

    def _apply(self, verdict: Verdict, parcel: Parcel) -> bool:
        if isinstance(verdict, Later):
            if verdict.in_halves:
                self._divide(parcel)
            return self._later(verdict.why, verdict.wait_s)
        self.failures = 0
        if isinstance(verdict, Uncompressed):
            self._packs = False
        elif isinstance(verdict, Settled):
            self._settle(parcel, verdict.rejected)
        elif len(parcel.lines) == 1:
            self._settle(parcel, {0: verdict.code})
        else:
            self._divide(parcel)
        return True

    def _divide(self, parcel: Parcel) -> None:
        with self._tally.lock:
            if not self._tally.sealed:
                self.parcels.popleft()
                self.parcels.extendleft(reversed(parcel.halves()))

    def _settle(self, parcel: Parcel, rejected: dict[int, str]) -> None:
        tally = self._tally
        codes = [code for place, code in rejected.items() if place not in parcel.reports]
        accepted = len(parcel.lines) - len(parcel.reports) - len(codes)
        with tally.lock:
            if tally.sealed:
                return
            self.parcels.popleft()
            if parcel.adopted:
                tally.adopted["rejected"] += len(codes)
                tally.adopted["accepted"] += accepted
            else:
                tally.settle(accepted, codes)
            if parcel.advance is not None:
                parcel.advance(len(parcel.lines))
        if codes and not self._orders.is_halted:
            text = "%s refused a record: %s. Refused records are counted by code, and not sent again"
            warn_once(f"refused: {self._settings.url}", text, self._settings.url, codes[0])
            leave_list_of_threads()

    def _later(self, why: str, asked_s: float | None) -> bool:
        """Wait before the next try; whether there is to be one."""
        self._tally.failures += 1
        self.failures += 1
        self._warn(why)
        wait_s = self._backoff_s() if asked_s is None else asked_s + _jitter() / 4
        return self._rest(monotonic_s() + wait_s, asked_s is not None)

    def _rest(self, until: float, is_asked: bool) -> bool:
        """Until then nothing is sent; whether anything is to be sent at all."""
        orders = self._orders
        if not orders.is_closing and not orders.is_halted:
            self._resting = (until, is_asked)
        elif not is_asked or until >= orders.exit_at:
            return False
        flushing = orders.flushing
        while (left := until - monotonic_s()) > 0 and not orders.is_halted:
            # Who waits for a flush, or for the end, gets one try at once, unless the server asked for patience.
            if not is_asked and (orders.is_closing or orders.flushing > flushing):
                break
            if orders.is_closing and until >= orders.exit_at:
                return False
            flushing = min(flushing, orders.flushing)
            self._wait(left)
        self._resting = None
        return True

    def _warn(self, why: str) -> None:
        if not self._orders.is_halted:
            warn_once(
                f"unheard: {self._settings.url}",
                "%s does not take records: %s. They wait, and what is given up is counted",
                self._settings.url,
                why,
            )
            leave_list_of_threads()

    def _backoff_s(self) -> float:
        longest: float = min(_FIRST_WAIT_S * 2 ** min(self.failures - 1, 20), _LONGEST_WAIT_S)
        return longest * (1 + _jitter()) / 2

    def _wait(self, seconds: float) -> None:
        """Until somebody rings, or so long, or until something else is due. Raises: Parked."""
        if self._spill is not None:
            seconds = min(seconds, max(self._spill.duty_s(), _SHORT_S))
        self._outbox.wait(seconds)
        if self._orders.forks:
            raise Parked
        self._tend()

    def _tend(self) -> None:
        if self._spill is not None:
            self._spill.tend()

    def _packed(self, parcel: Parcel) -> tuple[bytes, dict[str, str]]:
        headers = {"Content-Type": "application/x-ndjson", "User-Agent": f"flowtrail/{__version__}"}
        if self._settings.api_key is not None:
            headers["Authorization"] = f"Bearer {self._settings.api_key}"
        body = b"\n".join(parcel.lines)
        if self._packs:
            body, coding = pack(body)
            if coding is not None:
                headers["Content-Encoding"] = coding
        return body, headers

    def _due_report(self) -> dict[str, Any] | None:
        """A report, if one is due: at the end, when something was given up, and now and then."""
        if self._orders.is_closing:
            if self._outbox.waiting or self._state() == self._reported:
                return None
        elif self._report_in_s() > 0:
            return None
        produced, dropped = self._count()
        self._reported, self._reported_at = self._state(), monotonic_s()
        return report_of(produced, self._tally, dropped)

    def _state(self) -> tuple[int, int]:
        """What a report would tell: how many were sent, and how many were lost."""
        lost = self._outbox.dropped_full + self._outbox.dropped_oldest + sum(self._tally.dropped.values())
        return self._tally.sequence - self._tally.reports, lost

    def _report_in_s(self) -> float:
        """How long until a report is due."""
        state = self._state()
        if state == self._reported:
            return _REPORT_S
        age = monotonic_s() - self._reported_at
        return (_REPORT_S if state[1] == self._reported[1] else _REPORT_LOSS_S) - age

    def _recover(self) -> None:
        """After an error nobody foresaw: what was lost by it is counted, and the rest goes on after a while."""
        with self._tally.lock:
            lost = self._tally.in_hand - sum(parcel.records for parcel in self.parcels)
            if lost > 0:
                self._tally.drop(INTERNAL, lost)
        self.failures += 1
        if not self._orders.is_halted:
            self._outbox.wait(self._backoff_s())


def _jitter() -> float:
    """At random from 0 to 1."""
    return int.from_bytes(random_bytes(2), "big") / 65_536
