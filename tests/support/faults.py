"""A journal that fails on order: before or after the real append, once or until it is mended, or by hanging."""

import threading
from collections import deque
from collections.abc import Callable, Sequence

from flowtrail.model.pages import Page
from flowtrail.storage.interface import Journal


class FaultyJournal:
    """Everything goes to the real journal; `register` and `append` fail as told."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._faults: deque[tuple[str, Exception]] = deque()
        self._broken: Exception | None = None
        self._open = threading.Event()
        self._open.set()
        self.reached = threading.Event()
        """An append has begun since this was last cleared."""
        self.appended: list[list[Page]] = []
        """What each attempt was given, whether it succeeded or not."""

    def __getattr__(self, name: str) -> object:
        return getattr(self._journal, name)

    def fail_before(self, error: Exception) -> None:
        """The next append writes nothing."""
        self._faults.append(("before", error))

    def fail_after(self, error: Exception) -> None:
        """The next append writes, and says it did not."""
        self._faults.append(("after", error))

    def break_down(self, error: Exception) -> None:
        """Nothing is written until `mend`."""
        self._broken = error

    def mend(self) -> None:
        self._broken = None

    def block(self) -> None:
        """Appends hang until `unblock`."""
        self._open.clear()
        self.reached.clear()

    def unblock(self) -> None:
        self._open.set()

    def register(self, tenant: str, name: str) -> object:
        if self._broken is not None:
            raise self._broken
        return self._journal.register(tenant, name)

    def append(self, pages: Sequence[Page]) -> None:
        self.appended.append(list(pages))
        self.reached.set()
        assert self._open.wait(30), "a test forgot to unblock"
        if self._broken is not None:
            raise self._broken
        when, error = self._faults.popleft() if self._faults else ("", None)
        if when != "before":
            self._journal.append(pages)
        if error is not None:
            raise error


def until(
    condition: Callable[[], object],
    timeout_s: float = 20.0,
    *,
    lacking: Callable[[], object] = lambda: "it did not come",
) -> None:
    """Wait for something that must come; how soon is not judged. `lacking` says what did not."""
    pause = threading.Event()
    for _ in range(int(timeout_s / 0.005)):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError(lacking())
