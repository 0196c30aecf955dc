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
        logger().warning(f"{message} (said once)", *values)


def logger() -> "logging.Logger":
    """The logger of all notices. In a host that configured no logging nothing is printed: its output is its own."""
    import logging  # a host that is never warned does not load it for us

    found = logging.getLogger(_LOGGER)
    if not found.handlers:
        found.addHandler(logging.NullHandler())
    return found


def forget() -> None:
    """Let every notice be given anew: for tests, and after `init`."""
    _said.clear()
