"""Decorated generators: the work of their block only while they run.

Between two items the caller's own block is the current one again, whatever the generator has entered meanwhile. The
wrapper is a generator function itself, since frameworks look for that: so nothing runs, and no argument is looked at,
before the first item is asked for. Whatever is sent, thrown or closed is the generator's own business, and what it
makes of it is the caller's.
"""

import functools
import inspect
import types
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from types import TracebackType
from typing import Any, Protocol, Self

from flowtrail.sdk.context import Pause, current, pauses


class Entered(Protocol):
    """What a call is the work of: a block or a transaction, not begun yet."""

    def start(self) -> Any:
        """Begin without becoming current."""
        ...

    def close(self, raised: BaseException | None) -> None:
        """End, with what was raised."""
        ...

    def __enter__(self) -> Any: ...

    def __exit__(self, kind: object, raised: BaseException | None, trace: TracebackType | None) -> None: ...


Opener = Callable[[tuple[Any, ...], dict[str, Any]], Entered]
"""Makes what one call is the work of, from the call's arguments."""


class _Suspended:
    """What is current inside a generator while it rests, and outside while it runs."""

    __slots__ = ("_inside", "_outside", "_pauses")

    def __init__(self, entry: Any) -> None:
        self._inside = entry
        self._outside: Any = None
        self._pauses: list[Pause] = []

    def __enter__(self) -> Self:
        self._outside = current.get()
        self._pauses = pauses(self._inside, self._outside)
        current.set(self._inside)
        return self

    def __exit__(self, *_: object) -> None:
        self._inside = current.get()
        current.set(self._outside)
        self._outside = None
        for pause in self._pauses:
            pause.end()


def iterated(function: Callable[..., Generator[Any, Any, Any]], opener: Opener) -> Any:
    """The generator function, every iteration of which is the work of what `opener` makes."""

    @functools.wraps(function)
    def steps(*args: Any, **named: Any) -> Generator[Any, Any, Any]:
        entry, generator = opener(args, named), function(*args, **named)
        del args, named
        inside = _Suspended(entry.start())
        step: Callable[[Any], Any] = generator.send
        given: Any = None
        try:
            while True:
                try:
                    with inside:
                        item = step(given)
                except StopIteration as stop:
                    entry.close(None)
                    return stop.value
                try:
                    given, step = (yield item), generator.send
                except BaseException as thrown:  # noqa: BLE001 -- the generator's to handle, its end included
                    given, step = thrown, generator.throw
        except BaseException as raised:
            given = None  # what was thrown holds this frame: nothing is left for the collector
            entry.close(raised)
            raise

    return types.coroutine(steps) if _is_awaitable(function) else steps


def iterated_asynchronously(function: Callable[..., AsyncGenerator[Any, Any]], opener: Opener) -> Any:
    """The asynchronous generator function, every iteration of which is the work of what `opener` makes."""

    @functools.wraps(function)
    async def steps(*args: Any, **named: Any) -> AsyncGenerator[Any, Any]:
        entry, generator = opener(args, named), function(*args, **named)
        del args, named
        inside = _Suspended(entry.start())
        step: Callable[[Any], Awaitable[Any]] = generator.asend
        given: Any = None
        try:
            while True:
                try:
                    with inside:
                        item = await step(given)
                except StopAsyncIteration:
                    entry.close(None)
                    return
                try:
                    given, step = (yield item), generator.asend
                except BaseException as thrown:  # noqa: BLE001 -- the generator's to handle, its end included
                    given, step = thrown, generator.athrow
        except BaseException as raised:
            given = None  # what was thrown holds this frame: nothing is left for the collector
            entry.close(raised)
            raise

    return steps


def _is_awaitable(called: Any) -> bool:
    """Whether it is a coroutine of the old kind, by `types.coroutine`."""
    while isinstance(called, (functools.partial, types.MethodType)):
        called = called.func if isinstance(called, functools.partial) else called.__func__
    code = getattr(called, "__code__", None)
    return code is not None and bool(code.co_flags & inspect.CO_ITERABLE_COROUTINE)
