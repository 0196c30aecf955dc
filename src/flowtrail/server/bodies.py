"""Bodies of requests, read as they stream in: bounded each, bounded together, and never waited for without end."""

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from flowtrail.model.limits import MAX_BODY_BYTES
from flowtrail.server.connection import GATHERED_BYTES
from flowtrail.server.problems import Problem

PATIENCE_S: Final = 60.0
"""For a whole body: 20 MiB over a line of 3 Mbit/s."""


class BodyMemory:
    """How many bytes of bodies this process holds. Belongs to the event loop."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self.held = 0

    def take(self, size: int) -> None:
        """Count bytes as held. Raises: Problem (503) when that would be too many; then nothing is counted."""
        if self.held + size > self._most:
            raise Problem(503, "busy", "too many large requests are under way", retry_after_s=1)
        self.held += size

    def give_back(self, size: int) -> None:
        """They are gone."""
        self.held -= size


async def read_body(request: Request, memory: BodyMemory) -> bytes:
    """The body as sent, still coded; whoever called gives its length back to `memory`.

    Raises: Problem (413 too long, 408 too slow, 503 too many at once), ClientDisconnect.
    """
    declared = request.headers.get("content-length", "")
    length = int(declared) if declared.isascii() and declared.isdigit() else None
    if length is not None and length > MAX_BODY_BYTES:
        raise _too_long(declared)
    # What is gathered below comes all at once: room is made before it begins to come.
    reserved = length if length is not None and length <= GATHERED_BYTES else 0
    memory.take(reserved)
    try:
        async with asyncio.timeout(PATIENCE_S):
            body = await _read(request, memory, reserved)
    except BaseException as error:
        memory.give_back(reserved)
        if isinstance(error, TimeoutError):
            raise Problem(
                408,
                "slow_body",
                f"the body did not arrive within {PATIENCE_S:g} s",
                headers={"Connection": "close"},
            ) from None
        raise
    return body


async def _read(request: Request, memory: BodyMemory, reserved: int) -> bytes:
    """The body; what goes beyond `reserved` is counted, and given back here when it does not come to its end."""
    chunks: list[bytes] = []
    size = counted = 0
    try:
        while True:
            message = await request.receive()
            chunk = _chunk(message)
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise _too_long(None)  # noqa: TRY301 -- what is held has to be given back here
            beyond = max(size - reserved, 0)
            if beyond > counted:
                memory.take(beyond - counted)
                counted = beyond
            chunks.append(chunk)
            if not message.get("more_body"):
                memory.give_back(reserved + counted - size)
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)
    except BaseException:
        memory.give_back(counted)
        raise


def _chunk(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    chunk: bytes = message.get("body", b"")
    return chunk


def _too_long(declared: str | None) -> Problem:
    return Problem(
        413,
        "body_too_large",
        "the body is too long; send the records in several requests",
        field="body",
        received=None if declared is None else f"{declared} bytes",
        allowed=f"at most {MAX_BODY_BYTES} bytes, before and after decompression",
        headers={"Connection": "close"},
    )
