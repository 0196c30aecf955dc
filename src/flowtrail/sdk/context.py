"""Which transaction or block is the current one, in this thread, task or generator.

A context variable holds what was entered last, and each entry knows what was current before it. One thing is kept
elsewhere, since setting a context variable costs as much as a quarter of a block: in the thread that entered a
transaction, where no event loop runs, its blocks are a stack that hangs on the transaction (`top`), and the variable
keeps naming the transaction alone. Everywhere else the variable names the block itself. A context that is copied
from such a thread therefore knows the transaction, and the block that runs at the moment it asks.

What has ended is passed over, so that leaving in another order, in another thread or not at all spoils nothing.
"""

import _thread
import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final


class _Loops:
    """`running` tells the event loop of asyncio that runs in this thread, or None, in one call in C.

    It is None itself while nobody has loaded asyncio; loading it only to ask would cost more than everything else.
    """

    __slots__ = ("running",)

    def __init__(self) -> None:
        self.running: Callable[[], Any] | None = None

    def look(self) -> None:
        """Ask asyncio from now on, if it is loaded."""
        asyncio = sys.modules.get("asyncio")
        if asyncio is not None and self.running is None:
            self.running = getattr(asyncio, "_get_running_loop", None)

    def runs(self) -> bool:
        """Whether a loop runs in this thread."""
        return self.running is not None and self.running() is not None


loops: Final = _Loops()
current: Final[ContextVar[Any]] = ContextVar("flowtrail", default=None)
current_entry: Final = current.get
this_thread: Final = _thread.get_ident

NO_THREAD: Final = 0
_DEEPEST: Final = 5_000
"""Blocks inside each other that are freed in one go: a tenth of what the stack of a thread takes."""

_OTHER_TASKS: Final = ("greenlet", "trio", "curio")
"""Libraries that run several tasks in one thread without an event loop of asyncio."""


def own_thread() -> int:
    """The thread whose stack of blocks a transaction entered now may keep, or NO_THREAD where tasks share one."""
    loops.look()
    if loops.runs() or any(name in sys.modules for name in _OTHER_TASKS):
        return NO_THREAD
    return this_thread()


def innermost() -> Any:
    """What was entered last and has not ended, or None."""
    return living(current.get())


def living(entry: Any) -> Any:
    """What runs at that entry: a transaction's present block, or else the nearest around it that has not ended."""
    while entry is not None:
        if entry.ended:
            entry = around(entry)
        elif entry.transaction is entry and entry.top is not None:
            top = entry.top
            while top is not None and top.ended:
                top = top.outer
            return entry if top is None else top
        else:
            return entry
    return None


def around(entry: Any) -> Any:
    """What an entry was entered in; a transaction's outermost block, in its transaction."""
    if entry.outer is None and entry.transaction is not entry:
        return entry.transaction
    return entry.outer


def enter(entry: Any, transaction: Any) -> Any:
    """Make a block or transaction current. Returns what was current before."""
    named = current.get()
    if named is transaction and transaction.home == this_thread() and not loops.runs():
        outer, transaction.top = transaction.top, entry
        return outer
    outer = living(named)
    current.set(entry)
    return outer


def leave(entry: Any, transaction: Any) -> None:
    """Undo `enter`, wherever and in whatever order."""
    if current.get() is entry:
        current.set(around(entry))
    elif entry is not transaction:
        _unlink(entry, transaction)


def _unlink(block: Any, transaction: Any) -> None:
    above = transaction.top
    if above is block:
        transaction.top = block.outer
        return
    while above is not None and above.transaction is transaction:
        if above.outer is block:
            above.stay_inside(block)
            above.outer = block.outer
            return
        above = above.outer


class Pause:
    """Until `end`, something else than this transaction is current in its thread, so its blocks take a longer way,
    which looks at what is."""

    __slots__ = ("_home", "_transaction")

    def __init__(self, transaction: Any) -> None:
        self._transaction, self._home = transaction, transaction.home
        transaction.home = transaction.thread = NO_THREAD

    def end(self) -> None:
        """The transaction is current again."""
        transaction = self._transaction
        transaction.home = self._home
        transaction.thread = self._home if transaction.is_plain else NO_THREAD


def pauses(*entries: Any) -> list[Pause]:
    """Pauses of the transactions that these entries belong to, where this is their thread: in any other their blocks
    take the longer way anyhow, and who began and ended a pause there would do so in the midst of what they do here."""
    found = {entry.transaction for entry in entries if entry is not None}
    return [Pause(transaction) for transaction in found if transaction.home == this_thread()]


def part_chain(block: Any) -> None:
    """Part a chain of blocks that were never left, so that freeing it does not go too deep for the stack of C."""
    depth = 0
    while block is not None:
        outer, depth = block.outer, depth + 1
        if depth % _DEEPEST == 0:
            block.outer = None
        block = outer
