"""Putting more into order than memory holds: sorted runs on disk, merged as they are read."""

import heapq
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import IO, Final

RUN_BYTES: Final = 32 * 1024 * 1024
"""What is sorted in memory at once."""

Item = tuple[int, int, bytes]
"""What is ordered by, where it stood, and what it is."""


def in_order(items: Iterable[Item], run_bytes: int = RUN_BYTES) -> Iterator[Item]:
    """The same items by their first number; ties stay as they stood."""
    with ExitStack() as files:
        runs: list[Iterator[Item]] = []
        held: list[Item] = []
        size = 0
        for item in items:
            held.append(item)
            size += len(item[2]) + 100
            if size > run_bytes:
                runs.append(_read(_written(held, files)))
                held, size = [], 0
        held.sort(key=lambda item: item[:2])
        yield from heapq.merge(*runs, held, key=lambda item: item[:2])


def _written(held: list[Item], files: ExitStack) -> IO[bytes]:
    held.sort(key=lambda item: item[:2])
    file = files.enter_context(tempfile.TemporaryFile(prefix="flowtrail-"))  # noqa: SIM115 -- the stack closes it
    for order, position, body in held:
        head = order.to_bytes(8, "big", signed=True) + position.to_bytes(8, "big")
        file.write(head + len(body).to_bytes(4, "big") + body)
    file.seek(0)
    return file


def _read(file: IO[bytes]) -> Iterator[Item]:
    while head := file.read(20):
        order, position = int.from_bytes(head[:8], "big", signed=True), int.from_bytes(head[8:16], "big")
        yield order, position, file.read(int.from_bytes(head[16:], "big"))
