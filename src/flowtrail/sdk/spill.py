"""Every record in a file before `put` returns, so that it outlives its process; delivery reads from there.

    host threads ── put ──► the segment being written ──► full ones ── Spilled ──► Parcel
                              ▲ one ahead, made by the delivery thread

A process has a session of its own in the directory: a lock file, held for as long as the process lives, and its
segments. Whoever gets hold of the lock of a session may send what it left (`sessions`).

The same rule as in `outbox`: what must happen as one stands in lines without a call. Making a segment takes a lock,
which a signal handler on the same thread passes; it then finds a segment that is there already.
"""

import os
import threading
from collections import deque
from contextlib import suppress
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any, Final

import msgspec

from flowtrail.model.clock import monotonic_s
from flowtrail.sdk.counts import Tally
from flowtrail.sdk.notices import leave_list_of_threads, warn_once
from flowtrail.sdk.outbox import Item, Outbox
from flowtrail.sdk.parcels import encode_item
from flowtrail.sdk.segments import (
    FRAME_BYTES,
    SEGMENT_BYTES,
    SUFFIX,
    Segment,
    create_segment,
    head_of,
    no_segment,
)
from flowtrail.sdk.sessions import held_bytes, lock_session, release_session, sync_directory
from flowtrail.sdk.settings import MIB, Settings

_TRY_AGAIN_S: Final = 1.0
"""Between two tries to make a segment where none could be made."""
_NOTHING_DUE_S: Final = 3_600.0


class SpillFull(OSError):
    """The directory holds as much as it may."""


class Encoded:
    """A record that found no place in the spill, on its way through memory."""

    __slots__ = ("_body", "cost", "taken")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.cost = len(body) + 200
        self.taken = False

    def record(self) -> Any:
        self.taken = True
        return msgspec.Raw(self._body)


class Spill:
    """The way into the files. `put` and `grow` are the host's; the rest belongs to the delivery thread."""

    def __init__(self, outbox: Outbox, tally: Tally, producer: str, settings: Settings) -> None:
        self._outbox, self._tally = outbox, tally
        self.directory = Path(settings.spill_dir or ".")
        self._limit = settings.spill_mib * MIB
        self._sync_every_s = settings.spill_sync_s
        self.target = sha256(settings.url.encode()).hexdigest()[:8]
        self._none = no_segment()
        self.reset(producer)

    def reset(self, producer: str) -> None:
        """Begin a session with no file, as it is after a fork: hosts hold on to `put`."""
        self._producer = producer
        self.name = f"{self.target}-{producer.rpartition('/')[2]}"
        self._lock = threading.RLock()
        self._lock_fd = -1
        self._numbers = count(1)
        self._segment = self._none
        self._spare: Segment | None = None
        self.sealed: deque[Segment] = deque()
        self._blocked_until = 0.0
        self._has_new_names = False
        self._synced_at = monotonic_s()
        self.written = 0
        """Records put into segments."""
        self.read = 0
        """Records taken from them; under the tally's lock."""
        self.trouble: OSError | None = None
        """Why the last segment could not be made."""

    # ------------------------------------------------------------------------------ the host's side

    def put(self, item: Item) -> None:
        """Write a record, so that it is there whatever becomes of the process; where there is no room for it, it
        waits in memory. Encodes on this thread."""
        body = encode_item(item)
        if isinstance(body, str):
            item.taken = True
            with self._tally.lock:
                self._tally.dropped[body] += 1
            return
        if not self._store(body, head_of(body), 1):
            self._outbox.put(Encoded(body))

    def grow(self, item: Item, size: int) -> None:
        """What is put is written already."""

    def _store(self, body: bytes, head: bytes, records: int) -> bool:
        size = FRAME_BYTES + len(body)
        tally, segment = self._tally, self._segment
        at = segment.at
        end = at + size
        if end > segment.bar:
            return self._store_slowly(body, head, records)
        number = tally.sequence + 1
        tally.sequence = number
        self.written += records
        segment.at = end
        segment.map[at:end] = head + b"%020d" % number + body
        return True

    def _store_slowly(self, body: bytes, head: bytes, records: int) -> bool:
        size = FRAME_BYTES + len(body)
        tally = self._tally
        while True:
            segment = self._segment
            segment.bar = segment.size
            at = segment.at
            end = at + size
            if end <= segment.bar:
                number = tally.sequence + 1
                tally.sequence = number
                self.written += records
                segment.at = end
                segment.map[at:end] = head + b"%020d" % number + body
                self._outbox.ring()
                return True
            if not self._begin_another(segment):
                return False

    def _begin_another(self, full: Segment) -> bool:
        """Have another segment in place of that one; whether there is."""
        with self._lock:
            if self._segment is not full:
                return True
            fresh, self._spare = self._spare, None
            if fresh is None and (fresh := self._create()) is None:
                return False
            if self._segment is not full:  # a signal handler was here
                self._spare = fresh
                return True
            full.sealed = True
            self._segment = fresh
            if full is not self._none:
                self.sealed.append(full)
            return True

    def _create(self) -> Segment | None:
        if self._blocked_until > monotonic_s():
            return None
        try:
            self._hold_session()
            if held_bytes(self.directory) + SEGMENT_BYTES > self._limit:
                raise SpillFull(f"{self.directory} holds as much as it may")
            name = f"{self.name}-{next(self._numbers):08d}{SUFFIX}"
            fresh = create_segment(self.directory / name, self._producer)
        except OSError as error:
            self.trouble = error
            self._blocked_until = monotonic_s() + _TRY_AGAIN_S
            return None
        self._has_new_names = True
        self.trouble = None
        return fresh

    def _hold_session(self) -> None:
        with self._lock:
            if self._lock_fd < 0:
                self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._lock_fd = lock_session(self.directory, self.name)

    # ------------------------------------------------------------------------------ the thread's side

    @property
    def current(self) -> Segment:
        """The segment being written."""
        return self._segment

    @property
    def waiting(self) -> int:
        """Records not taken yet, in files or in memory."""
        return self.written - self.read + self._outbox.waiting

    @property
    def bytes_held(self) -> int:
        """What these hold."""
        unread = sum(segment.at - segment.read_at for segment in (*self.sealed, self._segment))
        return unread + self._outbox.bytes_held

    def wake_at(self, size: int | None) -> None:
        """As the outbox does."""
        segment = self._segment
        segment.bar = segment.size if size is None else min(segment.read_at + size, segment.size)
        self._outbox.wake_at(size)

    def wake_at_once(self) -> None:
        """As the outbox does."""
        self._segment.bar = min(0, self._segment.size)
        self._outbox.wake_at_once()

    def report(self, body: bytes) -> None:
        """Write what the session says of itself."""
        if self._store(body, head_of(body, is_report=True), 0):
            self._tally.reports += 1

    def prepare(self) -> None:
        """Make the first segment, so that the first record finds one."""
        self._begin_another(self._none)
        # The first record is to start the thread.
        self._segment.bar = min(0, self._segment.size)

    def tend(self) -> None:
        """Have a segment ready, and make safe what is due."""
        if self._spare is None and (fresh := self._create()) is not None:
            self._offer(fresh)
        if self.duty_s() <= 0:
            self.sync()
        if (trouble := self.trouble) is not None:
            text = "no file for records can be made in spill_dir %s: %s. They wait in memory, and a crash would lose them"
            warn_once("spill", text, self.directory, trouble)
            leave_list_of_threads()

    def _offer(self, fresh: Segment) -> None:
        with self._lock:
            beside, self._spare = self._spare, fresh
        if beside is not None:
            beside.remove()

    def duty_s(self) -> float:
        """How long until something is to be made safe."""
        if all(segment.at == segment.synced_at for segment in (*self.sealed, self._segment)):
            return _NOTHING_DUE_S
        return self._synced_at + self._sync_every_s - monotonic_s()

    def sync(self) -> None:
        """Make everything safe against a power cut."""
        self._synced_at = monotonic_s()
        for segment in (*self.sealed, self._segment):
            with suppress(OSError):
                segment.sync()
        if self._has_new_names:
            self._has_new_names = False
            with suppress(OSError):
                sync_directory(self.directory)

    def close(self) -> None:
        """Nothing is written any more. What is not settled stays for another process; else no file does."""
        self._blocked_until = _NEVER
        with self._lock:
            last, self._segment = self._segment, self._none
            spare, self._spare = self._spare, None
            if last is not self._none:
                last.sealed = True
                self.sealed.append(last)
        if spare is not None:
            spare.remove()
        is_left = False
        for segment in self.sealed:
            if segment.is_done:
                segment.remove()
            else:
                segment.close()
                is_left = True
        self.sealed.clear()
        self._give_up_session(is_left)

    def _give_up_session(self, is_left: bool) -> None:
        fd, self._lock_fd = self._lock_fd, -1
        if fd >= 0:
            release_session(self.directory, self.name, fd, keep=is_left)

    def abandon(self) -> None:
        """After a fork: these files are the parent's."""
        for segment in (*self.sealed, self._segment, self._spare):
            if segment is not None and segment is not self._none:
                segment.close()
        if self._lock_fd >= 0:
            with suppress(OSError):
                os.close(self._lock_fd)


_NEVER: Final = float("inf")
