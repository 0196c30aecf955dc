"""Blocks and transactions of whoever calls: as decorators, around the current transaction, and in other threads.

A decorated generator is its block's work only while it runs: between two of its items the caller's own block is the
current one again, whatever the generator has entered meanwhile.
"""

import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, ParamSpec, Protocol, Self, TypeVar, cast

from flowtrail.sdk.blocks import Block
from flowtrail.sdk.context import Pause, current, innermost
from flowtrail.sdk.looks import class_name
from flowtrail.sdk.notices import warn_once
from flowtrail.sdk.transactions import Transaction
from flowtrail.sdk.unknown import unknown_identity

P = ParamSpec("P")
R = TypeVar("R")

_NO_TRANSACTION: Final = "a block was opened outside of any transaction; it is not recorded"


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


def current_transaction() -> Transaction | None:
    """The transaction that this thread, task or generator is in, or None."""
    entry = innermost()
    return None if entry is None else entry.transaction


def current_block() -> Block | None:
    """The block that this thread, task or generator is in, or None."""
    entry = innermost()
    return entry if isinstance(entry, Block) else None


class AmbientBlock:
    """A block of the current transaction: `with flowtrail.block("map") as block:`, or a decorator."""

    __slots__ = ("_given", "_open")

    def __init__(self, *given: Any) -> None:
        self._given = given
        self._open: Any = None

    def _made(self) -> Block:
        transaction = current_transaction()
        if transaction is None:
            warn_once("ambient", _NO_TRANSACTION)
            transaction = Transaction(unknown_identity())
        return transaction.block(*self._given)

    def __enter__(self) -> Block:
        self._open = self._made()
        entered: Block = self._open.__enter__()
        return entered

    def __exit__(self, kind: object, raised: BaseException | None, trace: TracebackType | None) -> None:
        if self._open is not None:
            self._open.__exit__(kind, raised, trace)

    async def __aenter__(self) -> Block:
        return self.__enter__()

    async def __aexit__(
        self, kind: object, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, raised, trace)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Every call of the function is an execution of the block."""
        return work_of(function, lambda _, __: self._made())


def detail(named: Any = None, /, **details: Any) -> None:
    """State facts about the current block, as `Block.detail` does."""
    block = current_block()
    if block is None:
        warn_once("ambient detail", "a detail was stated outside of any block; it is not recorded")
    else:
        block.detail(named, **details)


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """The function, run in whatever thread as part of what is current now: for pools and threads of one's own."""
    entry = innermost()

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def carried_on(*args: P.args, **named: P.kwargs) -> Any:
            with _being(entry):
                return await function(*args, **named)

        return carried_on  # type: ignore[return-value]

    @functools.wraps(function)
    def carried(*args: P.args, **named: P.kwargs) -> R:
        with _being(entry):
            return function(*args, **named)

    return carried


@contextmanager
def _being(entry: Any) -> Generator[None]:
    outside = current.get()
    pauses = _pauses(entry, outside)
    current.set(entry)
    try:
        yield
    finally:
        current.set(outside)
        for pause in pauses:
            pause.end()


def _pauses(*entries: Any) -> list[Pause]:
    return [
        Pause(transaction) for transaction in {entry.transaction for entry in entries if entry is not None}
    ]


def work_of(function: Callable[P, R], opener: Opener) -> Callable[P, R]:
    """The function, every call of which is the work of what `opener` makes; of whatever kind the function is. What is
    no function stays as it is."""
    given: Any = function
    if isinstance(given, (staticmethod, classmethod)):
        return cast("Callable[P, R]", type(given)(work_of(given.__func__, opener)))
    if isinstance(given, type) or not callable(given):
        kind = "a class" if isinstance(given, type) else class_name(type(given))
        text = "%s was decorated, which takes functions and methods; it stays as it is"
        warn_once(f"decorated {kind}", text, kind)
        return function
    if inspect.isasyncgenfunction(function):
        return _wrapped(
            function, lambda args, named: _async_steps(opener(args, named), function(*args, **named))
        )
    if inspect.isgeneratorfunction(function):
        return _wrapped(function, lambda args, named: _steps(opener(args, named), function(*args, **named)))
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def awaited(*args: P.args, **named: P.kwargs) -> Any:
            with opener(args, named):
                return await function(*args, **named)

        return awaited  # type: ignore[return-value]

    @functools.wraps(function)
    def called(*args: P.args, **named: P.kwargs) -> R:
        with opener(args, named):
            return function(*args, **named)

    return called


def _wrapped(
    function: Callable[P, Any], made: Callable[[tuple[Any, ...], dict[str, Any]], Any]
) -> Callable[P, Any]:
    @functools.wraps(function)
    def iterated(*args: P.args, **named: P.kwargs) -> Any:
        return made(args, named)

    return iterated


class _Suspended:
    """What is current inside a generator while it rests, and outside while it runs."""

    __slots__ = ("_inside", "_outside", "_pauses")

    def __init__(self, entry: Any) -> None:
        self._inside = entry
        self._outside: Any = None
        self._pauses: list[Pause] = []

    def __enter__(self) -> Self:
        self._outside = current.get()
        self._pauses = _pauses(self._inside, self._outside)
        current.set(self._inside)
        return self

    def __exit__(self, *_: object) -> None:
        self._inside = current.get()
        current.set(self._outside)
        self._outside = None
        for pause in self._pauses:
            pause.end()


def _steps(entry: Entered, generator: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
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
            except GeneratorExit:
                with inside:
                    generator.close()
                raise
            except BaseException as thrown:  # noqa: BLE001 -- the generator's to handle
                given, step = thrown, generator.throw
    except BaseException as raised:
        entry.close(raised)
        raise


async def _async_steps(entry: Entered, generator: AsyncGenerator[Any, Any]) -> AsyncGenerator[Any, Any]:
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
            except GeneratorExit:
                with inside:
                    await generator.aclose()
                raise
            except BaseException as thrown:  # noqa: BLE001 -- the generator's to handle
                given, step = thrown, generator.athrow
    except BaseException as raised:
        entry.close(raised)
        raise
