"""Reading one's own writes: `Flowtrail-After` waits until everything that was durable when it came is visible.

All waiting reads share one look at the views; nobody waits, nobody looks.
"""

import asyncio
from typing import Final

from starlette.requests import Request

from flowtrail.model.clock import monotonic_s
from flowtrail.model.tokens import parse_token
from flowtrail.projection.version import PROJECTION_VERSION
from flowtrail.server.problems import Problem
from flowtrail.server.projecting import covers, durable
from flowtrail.server.reading import ReadPool
from flowtrail.storage.interface import Position, Store

HEADER: Final = "Flowtrail-After"
LOOK_S: Final = 0.01
"""Between two looks at the views: less than the projector's own interval."""
VERSION_S: Final = 1.0
"""How long the answer to "are views being rebuilt" is believed."""


class Waiting:
    """Lets reads wait for views. Belongs to the event loop."""

    def __init__(self, store: Store, reads: ReadPool, timeout_s: float) -> None:
        self._store = store
        self._reads = reads
        self._timeout_s = timeout_s
        self._waiters: list[tuple[Position, asyncio.Future[None]]] = []
        self._looking: asyncio.Task[None] | None = None
        self._version = PROJECTION_VERSION
        self._version_known = float("-inf")

    @property
    def count(self) -> int:
        """How many reads wait now."""
        return len(self._waiters)

    async def rebuilding(self) -> bool:
        """Whether readers see views of another projection version than this server's."""
        now = monotonic_s()
        if now - self._version_known > VERSION_S:
            self._version, _ = await self._reads.run(self._store.views_version)
            # Not before: who asks meanwhile must not be told what nobody knows yet.
            self._version_known = now
        return self._version != PROJECTION_VERSION

    async def before(self, request: Request) -> dict[str, str]:
        """Wait as the request asks; gives the headers that its answer should carry.

        Raises: Refusal (400, malformed token), Problem (503 `rebuilding`, 504 `not_yet_visible`).
        """
        rebuilding = await self.rebuilding()
        token = request.headers.get(HEADER)
        if token is not None:
            named = parse_token(token, HEADER)
            if rebuilding:
                raise Problem(
                    503,
                    "rebuilding",
                    "views of an older version are being rebuilt; without Flowtrail-After they can be read as they are",
                    field=HEADER,
                    retry_after_s=10,
                )
            await self.until_visible(named)
        return {"Flowtrail-Views": "rebuilding"} if rebuilding else {}

    async def until_visible(self, named: Position) -> None:
        """Wait for everything durable now, and for `named`. Raises: Problem (504 `not_yet_visible`)."""
        wanted = await self._reads.run(durable, self._store)
        for ordinal, sequence in named.items():
            wanted[ordinal] = max(wanted.get(ordinal, 0), sequence)
        waiter = (wanted, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            await asyncio.wait_for(waiter[1], self._timeout_s)
        except TimeoutError:
            raise Problem(
                504,
                "not_yet_visible",
                f"what was written is safe, but not yet visible after {self._timeout_s:g} s; ask again",
                field=HEADER,
                retry_after_s=1,
            ) from None
        finally:
            self._waiters.remove(waiter)

    async def _look(self) -> None:
        while self._waiters:
            try:
                visible = await self._reads.run(self._store.changes.visible)
            except Exception as error:  # noqa: BLE001 -- those who wait are told, whatever it is
                for _, future in self._waiters:
                    if not future.done():
                        future.set_exception(error)
            else:
                for wanted, future in self._waiters:
                    if not future.done() and covers(visible, wanted):
                        future.set_result(None)
            await asyncio.sleep(LOOK_S)
