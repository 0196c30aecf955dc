"""What it means when something is raised through a block or a transaction."""

from typing import Any, Final

_CANCELLED_NAMES: Final = frozenset({"CancelledError", "Cancelled"})
"""Of asyncio and of trio; by name, since neither is loaded for this."""

_mro_of: Final = type.__dict__["__mro__"].__get__
_members_of: Final = BaseExceptionGroup.__dict__["exceptions"].__get__

FINE: Final = "fine"
FAILED: Final = "failed"
CANCELLED: Final = "cancelled"


def judge(raised: Any) -> str:
    """FAILED, CANCELLED or FINE.

    Every `Exception` is a failure. A cancelled task and Ctrl-C are cancellations; a generator that is closed before
    its end, and `sys.exit` with success, are fine; any other exit is a failure.
    """
    kind = type(raised)
    if issubclass(kind, Exception):
        return FAILED
    if issubclass(kind, GeneratorExit):
        return FINE
    if issubclass(kind, KeyboardInterrupt):
        return CANCELLED
    if issubclass(kind, SystemExit):
        code = SystemExit.__dict__["code"].__get__(raised)
        return FINE if code is None or (type(code) is int and code == 0) else FAILED
    if issubclass(kind, BaseExceptionGroup):
        return _judge_members(raised)
    return CANCELLED if any(each.__name__ in _CANCELLED_NAMES for each in _mro_of(kind)) else FAILED


def _judge_members(group: Any) -> str:
    """The worst of what is in a group, as trio makes one of the tasks of a nursery that it cancels."""
    verdicts, waiting = {FINE}, [group]
    while waiting:
        each = waiting.pop()
        if issubclass(type(each), BaseExceptionGroup):
            waiting.extend(_members_of(each))
        else:
            verdicts.add(judge(each))
    return next(verdict for verdict in (FAILED, CANCELLED, FINE) if verdict in verdicts)
