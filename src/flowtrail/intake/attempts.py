"""Calls to a store that may fail: the same call again until it succeeds, and everybody told meanwhile."""

import logging
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from flowtrail.model.clock import monotonic_s
from flowtrail.model.errors import PageConflict, StoreError, StoreUnavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 2.0
"""Between attempts on a store that fails: with the attempt itself, well below the 10 s in which intake resumes."""
STALL_S: Final = 4.0
"""A call that takes longer counts as a failing store: who came now would not be answered in time either."""


class Stopped(Exception):
    """There is no more patience."""


class Attempts:
    """Makes calls from one thread; `failure` may be read from any.

    `failed` is called with the error of each attempt that failed, on the calling thread.
    """

    def __init__(self, failed: Callable[[StoreError], None]) -> None:
        self._failed = failed
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._began: float | None = None
        self.failure: StoreError | None = None
        """Why the last attempt failed, or that it hangs; None while the store answers."""

    def until_done(self, attempt: Callable[[], T]) -> T:
        """What `attempt` gives once it succeeds, however often that takes. Raises: PageConflict, Stopped."""
        pause = FIRST_PAUSE_S
        while True:
            self._began = monotonic_s()
            try:
                result = attempt()
            except PageConflict:
                self._succeeded()  # the store answers; what it says is another matter
                raise
            except StoreError as error:
                self.pause(error, pause)
            except Exception as error:
                # A driver may raise what its store did not foresee: the outcome is as unknown.
                log.exception("the store failed in an unexpected way")
                self.pause(StoreUnavailable(f"{type(error).__name__}: {error}"), pause)
            else:
                self._succeeded()
                return result
            pause = min(pause * 2, LONGEST_PAUSE_S)

    def _succeeded(self) -> None:
        with self._lock:
            self._began = None
            known, self.failure = self.failure, None
        if known is not None:
            log.warning("the store takes writes again")

    def pause(self, error: StoreError, pause_s: float) -> None:
        """Count an error as the store's failure, and wait. Raises: Stopped."""
        with self._lock:
            self._began = None
            known, self.failure = self.failure, error
        if type(known) is not type(error):
            log.warning("the store fails, intake pauses: %s", error)
        self._failed(error)
        if self._stop.wait(pause_s):
            raise Stopped

    def notice_stall(self) -> None:
        """Count a call that hangs as a failure; to be called now and then from another thread."""
        with self._lock:
            began = self._began
            if began is not None and self.failure is None and monotonic_s() - began > STALL_S:
                self.failure = StoreUnavailable(f"it has not answered for {STALL_S:g} s")
                log.warning("the store hangs, intake pauses")

    def forget(self) -> None:
        """What failed is not tried again: the next call will tell."""
        with self._lock:
            self._began = None
            self.failure = None

    def stop(self) -> None:
        """End waiting, now and from now on; an attempt under way goes on to its end."""
        self._stop.set()
