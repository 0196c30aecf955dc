"""Reads on a bounded pool of threads: what waits is bounded too, and so is how long anybody waits."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, ParamSpec, TypeVar

from flowtrail.server.problems import Problem

P = ParamSpec("P")
R = TypeVar("R")

WAITING_PER_THREAD: Final = 8
"""A read takes milliseconds: who finds more than these before him is better told to come back."""


class ReadPool:
    """Runs synchronous reads away from the event loop."""

    def __init__(self, threads: int, timeout_s: float, waiting_per_thread: int = WAITING_PER_THREAD) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="read")
        self._most = threads * (1 + waiting_per_thread)
        self._timeout_s = timeout_s
        self.under_way = 0

    async def run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What `call` returns, or whatever it raises; see `within`."""
        return await self.within(self._timeout_s, call, *args, **kwargs)

    async def within(self, timeout_s: float, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What `call` returns, or whatever it raises.

        Raises: Problem (503 when too many wait, 504 when it takes too long; the thread is free again only when the
        call itself returns, and counts as under way until then).
        """
        if self.under_way >= self._most:
            raise Problem(503, "too_many_reads", "too many reads are waiting", retry_after_s=1)
        self.under_way += 1
        future = self._pool.submit(call, *args, **kwargs)
        waiting = asyncio.wrap_future(future)
        waiting.add_done_callback(self._done)
        try:
            return await asyncio.wait_for(asyncio.shield(waiting), timeout_s)
        except TimeoutError:
            if waiting.done():
                raise
            future.cancel()
            waiting.add_done_callback(_forget)
            raise Problem(
                504,
                "read_timeout",
                f"the read took longer than {timeout_s:g} s; ask for less, or for a shorter range",
            ) from None

    def _done(self, _: object) -> None:
        self.under_way -= 1

    def close(self) -> None:
        """Take no more reads; those under way end by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _forget(waiting: "asyncio.Future[Any]") -> None:
    """Nobody waits for it any more: take its error, so that asyncio does not complain of it."""
    if not waiting.cancelled():
        waiting.exception()
