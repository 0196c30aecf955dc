"""Documents of any size on their way to a client: made part by part on the threads of reads, at the client's own pace.

Between two parts an export holds no thread and nothing in the store. One that breaks off ends without the last chunk of
its transfer coding, which every client takes for what it is: a document that is not whole.
"""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from flowtrail.query.export import Export
from flowtrail.server.connection import ABORT
from flowtrail.server.problems import CODE, Problem, problem_of
from flowtrail.server.reading import ReadPool

log = logging.getLogger(__name__)

MOST: Final = 16
"""Exports under way in one process: each may keep a file on disk."""
STALLED_S: Final = 300.0
"""Who takes nothing for so long is cut: somebody may page through it, but not overnight."""
SENT_BYTES: Final = 256 * 1024
"""Most that is sent at once: one long transaction makes a part that slow lines take hours for."""
_BUSY_S: Final = 0.1
_THREADS_PER_STEP: Final = 4


class _Parts:
    """A document's parts, made on one thread or another, closed as soon as nobody makes one."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self._making = threading.Lock()
        self._closing = False

    def following(self) -> bytes | None:
        """The next part; None at the end, and once it was closed."""
        with self._making:
            part = None if self._closing else next(self._parts, None)
        if self._closing:
            self.close()
        return part

    def close(self) -> None:
        """Give back what the document holds, now or when the part that is being made is done."""
        self._closing = True
        if self._making.acquire(blocking=False):
            try:
                self._parts.close()  # type: ignore[attr-defined]
            finally:
                self._making.release()


class Exports:
    """The exports of one process."""

    def __init__(self, reads: ReadPool, threads: int) -> None:
        self._reads = reads
        # Exports are in no hurry: most threads stay with those who wait for an answer.
        self._steps = asyncio.Semaphore(max(1, threads // _THREADS_PER_STEP))
        self.under_way = 0

    async def answer(self, export: Export, headers: dict[str, str]) -> Response:
        """The response; its first part is made already. Raises: Problem (503 `too_many_exports`), and whatever makes
        the first part fail."""
        if self.under_way >= MOST:
            raise Problem(503, "too_many_exports", "too many exports are under way", retry_after_s=10)
        self.under_way += 1
        parts = _Parts(export.parts)
        try:
            first = await self._following(parts)
        except BaseException:
            self._over(parts)
            raise
        return _Streamed(export, headers, first, lambda: self._following(parts), lambda: self._over(parts))

    async def _following(self, parts: _Parts) -> bytes | None:
        async with self._steps:
            while True:
                try:
                    return await self._reads.run(parts.following)
                except Problem as problem:
                    if problem.code != "too_many_reads":
                        raise
                await asyncio.sleep(_BUSY_S)

    def _over(self, parts: _Parts) -> None:
        self.under_way -= 1
        parts.close()


class _Streamed(Response):
    """Sends the parts as they are made; `over` is called exactly once."""

    def __init__(
        self,
        export: Export,
        headers: dict[str, str],
        first: bytes | None,
        following: Callable[[], Awaitable[bytes | None]],
        over: Callable[[], None],
    ) -> None:
        self._first, self._following, self._over = first, following, over
        named = f'attachment; filename="{export.file_name}"'
        super().__init__(
            None,
            200,
            {"Cache-Control": "no-store", "Content-Disposition": named, **headers},
            export.media_type,
        )
        # Nobody knows how long it will be.
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        left = asyncio.ensure_future(_departure(receive))
        try:
            head = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await _within(send, head, scope)
            part = self._first
            while part is not None and not left.done():
                for start in range(0, len(part), SENT_BYTES):
                    body = part[start : start + SENT_BYTES]
                    await _within(
                        send, {"type": "http.response.body", "body": body, "more_body": True}, scope
                    )
                part = await self._following()
            if not left.done():
                end = {"type": "http.response.body", "body": b"", "more_body": False}
                await _within(send, end, scope)
        except ClientDisconnect:
            raise
        except Exception as error:
            scope[CODE] = problem_of(error).code
            raise
        finally:
            self._over()
            left.cancel()
            with suppress(asyncio.CancelledError):
                await left


async def _within(send: Send, message: Message, scope: Scope) -> None:
    try:
        async with asyncio.timeout(STALLED_S):
            # Waits until what was sent before has been taken.
            await send(message)
    except TimeoutError:
        log.warning("an export is given up: its client took nothing for %g s", STALLED_S)
        scope.get(ABORT, lambda: None)()
        raise ClientDisconnect from None


async def _departure(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
