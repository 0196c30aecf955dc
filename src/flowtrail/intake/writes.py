"""Handing batches to the views one after the other; beside the folding thread where a write is mostly waiting.

At most one write is under way. What was folded meanwhile rests on it: when it fails, that is dropped with it.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from flowtrail.model.points import reach
from flowtrail.storage.interface import Batch, Lease, ViewWriter

Stored = Callable[[Batch, Sequence[Any]], None]


class Writes:
    """The writes of one projector. `stored` is told of each batch that is written, with the locators of its changes,
    on the thread that calls `put` or `settle`."""

    def __init__(self, writer: ViewWriter, stored: Stored) -> None:
        self._writer = writer
        self._stored = stored
        self._thread = ThreadPoolExecutor(1, "views") if writer.hold_back_s > 0 else None
        self._pending: tuple[Batch, Future[list[Any]]] | None = None

    def put(self, batch: Batch, lease: Lease) -> None:
        """Write a batch, at once or once the one before is written. Raises what writing either of them raises."""
        self.settle()
        if self._thread is None:
            self._stored(batch, self._write(batch, lease))
        else:
            self._pending = (batch, self._thread.submit(self._write, batch, lease))

    def settle(self) -> None:
        """Return when everything that was put is written. Raises what writing raised."""
        if self._pending is not None:
            (batch, future), self._pending = self._pending, None
            self._stored(batch, future.result())

    def abandon(self) -> None:
        """Return when nothing is being written any more, however it ended."""
        if self._pending is not None:
            (_, future), self._pending = self._pending, None
            future.exception()

    def close(self) -> None:
        """Give the thread back; idempotent."""
        self.abandon()
        if self._thread is not None:
            self._thread.shutdown()

    def _write(self, batch: Batch, lease: Lease) -> list[Any]:
        reach("before_write")
        _, locators = self._writer.write(batch, lease)
        reach("written")
        return locators
