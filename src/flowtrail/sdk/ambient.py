"""Blocks and transactions of whoever calls: as decorators, around the current transaction, and in other threads."""

import functools
import inspect
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, ParamSpec, TypeVar, cast

from flowtrail.sdk.blocks import Block
from flowtrail.sdk.context import current, innermost, pauses
from flowtrail.sdk.iterating import Opener, iterated, iterated_asynchronously
from flowtrail.sdk.looks import class_attribute, class_name
from flowtrail.sdk.notices import warn_once
from flowtrail.sdk.transactions import Transaction
from flowtrail.sdk.unknown import unknown_identity

P = ParamSpec("P")
R = TypeVar("R")

_NO_TRANSACTION: Final = "a block was opened outside of any transaction; it is not recorded"


def current_transaction() -> Transaction | None:
    """The transaction that this thread, task or generator is in, or None."""
    entry = innermost()
    return None if entry is None else entry.transaction


def current_block() -> Block | None:
    """The block that this thread, task or generator is in, or None."""
    entry = innermost()
    return entry if isinstance(entry, Block) else None


class AmbientBlock:
    """A block of the current transaction: `with flowtrail.block("map") as block:`, or a decorator. Each time it is
    entered is an execution, also within itself and in several threads or tasks at once."""

    __slots__ = ("_given", "_open", "_others")

    def __init__(self, *given: Any) -> None:
        self._given = given
        self._open: Any = None
        self._others: list[Block] | None = None

    def _made(self) -> Block:
        transaction = current_transaction()
        if transaction is None:
            warn_once("ambient", _NO_TRANSACTION)
            transaction = Transaction(unknown_identity())
        return transaction.block(*self._given)

    def __enter__(self) -> Block:
        made = self._made()
        # No call stands between looking and setting: two threads must not both find nobody there.
        if self._open is None:
            self._open = made
        elif self._others is None:
            self._others = [made]
        else:
            self._others.append(made)
        return made.__enter__()

    def __exit__(self, kind: object, raised: BaseException | None, trace: TracebackType | None) -> None:
        if self._others:
            block = self._left(self._others)
        else:
            block, self._open = self._open, None
        if block is not None:
            block.__exit__(kind, raised, trace)

    def _left(self, others: list[Block]) -> Any:
        """Which of several that are open is left: the one that whoever leaves is in, else the one entered last."""
        block = innermost()
        if block is self._open:
            self._open = None
            return block
        with suppress(ValueError):
            others.remove(block)
            return block
        with suppress(IndexError):
            return others.pop()
        return None

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
    return _of_its_kind(function, lambda *_: _Carried(entry))


class _Carried:
    """What was current elsewhere, for one call: it neither begins nor ends with that."""

    __slots__ = ("_entry", "_outside", "_pauses")

    def __init__(self, entry: Any) -> None:
        self._entry = entry

    def start(self) -> Any:
        return self._entry

    def close(self, raised: BaseException | None) -> None:
        pass

    def __enter__(self) -> None:
        self._outside = current.get()
        self._pauses = pauses(self._entry, self._outside)
        current.set(self._entry)

    def __exit__(self, kind: object, raised: BaseException | None, trace: TracebackType | None) -> None:
        current.set(self._outside)
        for pause in self._pauses:
            pause.end()


def work_of(function: Callable[P, R], opener: Opener) -> Callable[P, R]:
    """The function, every call of which is the work of what `opener` makes: of the kind it was, for whoever asks
    `inspect`. What is no function stays as it is."""
    given: Any = function
    if isinstance(given, (staticmethod, classmethod)):
        return cast("Callable[P, R]", type(given)(work_of(given.__func__, opener)))
    if isinstance(given, type) or not callable(given):
        kind = "a class" if isinstance(given, type) else class_name(type(given))
        text = "%s was decorated, which takes functions and methods; it stays as it is"
        warn_once(f"decorated {kind}", text, kind)
        return function
    return _of_its_kind(function, opener)


def _is(kind: Callable[[Any], bool], called: Any) -> bool:
    """Whether a function is of that kind; of an object, whether what it is called by is."""
    return kind(called) or kind(class_attribute(type(called), "__call__"))


def _of_its_kind(function: Callable[P, R], opener: Opener) -> Callable[P, R]:
    given: Any = function
    if _is(inspect.isasyncgenfunction, given):
        return cast("Callable[P, R]", iterated_asynchronously(given, opener))
    if _is(inspect.isgeneratorfunction, given):
        return cast("Callable[P, R]", iterated(given, opener))
    if _is(inspect.iscoroutinefunction, given):

        @functools.wraps(function)
        async def awaited(*args: P.args, **named: P.kwargs) -> Any:
            with opener(args, named):
                return await given(*args, **named)

        return awaited  # type: ignore[return-value]

    @functools.wraps(function)
    def called(*args: P.args, **named: P.kwargs) -> R:
        with opener(args, named):
            return function(*args, **named)

    return called
