"""Parcels of what lies in files: this session's own, and those that processes before this one left behind."""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from flowtrail.model.clock import monotonic_s
from flowtrail.sdk.counts import Tally
from flowtrail.sdk.notices import leave_list_of_threads, warn_once
from flowtrail.sdk.parcels import Bounds, Parcel, Queued, Stamp, encode
from flowtrail.sdk.segments import Segment, open_segment, read_frame
from flowtrail.sdk.sessions import lock_session, release_session, sessions_in
from flowtrail.sdk.spill import Spill

_LOOK_EVERY_S: Final = 30.0
"""For sessions that nobody holds."""
_TORN_S: Final = 5.0
"""After so long a frame that is not whole never will be: whoever wrote it is gone."""

Report = Callable[[], dict[str, Any] | None]


class Spilled:
    """What `Queued` is for memory. Memory and files take turns, and of files own records and adopted ones."""

    def __init__(self, spill: Spill, queued: Queued, tally: Tally, producer: str, bounds: Bounds) -> None:
        self._spill, self._queued, self._tally = spill, queued, tally
        self._stamp = Stamp(producer)
        self._bounds = bounds
        self._torn: tuple[Segment | None, int, float] = (None, 0, 0.0)
        self.left = LeftBehind(spill.directory, spill.target, spill.name, bounds)
        self._is_our_turn = True
        self._is_memorys_turn = False

    def next(self, report: Report) -> Parcel | None:
        """What waits, up to a parcel's size."""
        if (said := report()) is not None:
            self._spill.report(encode(said))
        # What found no room in a file is what a crash would cost; but where it came first at every turn, a host that goes
        # on saying things would never get room in files again.
        self._is_memorys_turn = not self._is_memorys_turn
        if self._is_memorys_turn and (parcel := self._queued.next(_no_report)) is not None:
            return parcel
        self._is_our_turn = not self._is_our_turn
        first, second = (self._own, self.left.next) if self._is_our_turn else (self.left.next, self._own)
        return first() or second() or self._queued.next(_no_report)

    def has_more(self) -> bool:
        """Whether there are records that nobody rings for."""
        return self.left.is_busy

    def _own(self) -> Parcel | None:
        while self._spill.sealed and self._spill.sealed[0].is_done:
            self._spill.sealed.popleft().remove()
        for segment in (*self._spill.sealed, self._spill.current):
            lines, reports = _read(segment, self._stamp, self._bounds, skips=self._is_torn(segment))
            if lines:
                records = len(lines) - len(reports)
                with self._tally.lock:
                    self._spill.read += records
                    self._tally.taken += records
                    self._tally.in_hand += records
                return Parcel(lines, reports, advance=segment.settle)
        return None

    def _is_torn(self, segment: Segment) -> bool:
        """Whether the next frame will never be whole."""
        if segment.read_at >= segment.at:
            return False
        known, at, since = self._torn
        if known is not segment or at != segment.read_at:
            self._torn = (segment, segment.read_at, monotonic_s())
            return False
        return monotonic_s() - since > _TORN_S


class LeftBehind:
    """Sessions whose processes are gone, one after the other."""

    def __init__(self, directory: Path, target: str, own: str, bounds: Bounds) -> None:
        self._directory, self._target, self._own = directory, target, own
        self._bounds = bounds
        self._looked_at = -_LOOK_EVERY_S
        self._names: deque[str] = deque()
        self._session: tuple[str, int] | None = None
        self._paths: deque[Path] = deque()
        self._open: list[Segment] = []

    def next(self) -> Parcel | None:
        """The next lines of such a session."""
        while self._session is not None or self._look():
            self._open = [segment for segment in self._open if not self._finish(segment)]
            if self._open and self._open[-1].read_at < self._open[-1].at:
                segment = self._open[-1]
            elif self._paths:
                if (opened := self._begin(self._paths.popleft())) is None:
                    continue
                segment = opened
                self._open.append(segment)
            elif self._open:
                return None  # under way
            else:
                self._leave(keep=False)
                continue
            lines, reports = _read(segment, Stamp(segment.producer), self._bounds, skips=True)
            if lines:
                return Parcel(lines, reports, adopted=True, advance=segment.settle)
        return None

    @property
    def is_busy(self) -> bool:
        """Whether there is a session to finish."""
        return self._session is not None

    def close(self) -> None:
        """Leave the rest to somebody else."""
        for segment in self._open:
            segment.close()
        self._open.clear()
        if self._session is not None:
            self._leave(keep=True)

    def _begin(self, path: Path) -> Segment | None:
        why: Exception | str = "it is no file of ours"
        try:
            if (segment := open_segment(path)) is not None:
                return segment
            # A process that died while it made it; whatever else it may be is not ours to remove.
            with path.open("rb") as file:
                if not file.read(8).strip(b"\0"):
                    path.unlink()
                    return None
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            why = error
        warn_once("spill file", "%s cannot be read: %s. It stays where it is, and is not sent", path, why)
        leave_list_of_threads()
        return None

    def _finish(self, segment: Segment) -> bool:
        if segment.is_done:
            segment.remove()
            return True
        return False

    def _look(self) -> bool:
        """Whether there is a session to adopt. Each is tried once a look: one of which a file can be neither read nor
        removed would otherwise be begun again for ever."""
        if not self._names and monotonic_s() - self._looked_at >= _LOOK_EVERY_S:
            self._looked_at = monotonic_s()
            self._names.extend(name for name in self._sessions() if name != self._own)
        while self._names:
            name = self._names.popleft()
            with suppress(OSError):
                self._session = (name, lock_session(self._directory, name))
                # Listed anew: who held it until now may have written, or sent, since the look.
                self._paths = deque(self._sessions().get(name, ()))
                return True
        return False

    def _sessions(self) -> dict[str, list[Path]]:
        with suppress(OSError):
            return sessions_in(self._directory, self._target)
        return {}

    def _leave(self, *, keep: bool) -> None:
        assert self._session is not None
        name, fd = self._session
        self._session = None
        release_session(self._directory, name, fd, keep=keep)


def _read(
    segment: Segment, stamp: Stamp, bounds: Bounds, *, skips: bool
) -> tuple[list[bytes], frozenset[int]]:
    lines: list[bytes] = []
    reports: list[int] = []
    size = 0
    while size < bounds.most_bytes and len(lines) < bounds.most_records:
        frame = read_frame(segment, skips=skips)
        if frame is None:
            if skips:
                segment.read_at = segment.at
            break
        if frame.is_report:
            reports.append(len(lines))
        lines.append(stamp.on(frame.body, frame.seq))
        size += len(lines[-1])
    return lines, frozenset(reports)


def _no_report() -> None:
    return None
