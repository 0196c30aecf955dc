"""Words to the host's developers, through `logging`, each kind of notice once per process."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import logging

_said: set[str] = set()
_LOGGER: Final = "flowtrail"


def warn_once(kind: str, message: str, *values: Any) -> None:
    """Log a warning, unless one of this kind was logged before. Never raises."""
    if kind in _said:
        return
    _said.add(kind)
    with suppress(Exception):  # a handler that fails is the host's, and no reason to stop it
        if is_heard():
            logger().warning(f"{message} (said once)", *values)


def logger() -> "logging.Logger":
    """The logger of all notices. In a host that configured no logging nothing is printed: its output is its own."""
    import logging  # a host that is never warned does not load it for us

    found = logging.getLogger(_LOGGER)
    if not found.handlers:
        found.addHandler(logging.NullHandler())
    return found


def is_heard() -> bool:
    """Whether somebody handles what is logged. Logging itself leaves traces: it enters the thread it is called on
    into the list of the host's threads."""
    import logging

    found: logging.Logger | None = logger()
    while found is not None:
        if any(not isinstance(handler, logging.NullHandler) for handler in found.handlers):
            return True
        found = found.parent if found.propagate else None
    return False


def leave_list_of_threads() -> None:
    """After logging on a thread that Python did not make: out of the list again."""
    import threading
    from _thread import get_ident

    with suppress(Exception):
        # One that Python made itself, such as the main thread at its end, stays.
        if type(threading._active.get(get_ident())) is threading._DummyThread:  # type: ignore[attr-defined]  # noqa: SLF001 -- there is no other way
            threading._active.pop(get_ident(), None)  # type: ignore[attr-defined]  # noqa: SLF001 -- there is no other way


def forget() -> None:
    """Let every notice be given anew: for tests, and after `init`."""
    _said.clear()
