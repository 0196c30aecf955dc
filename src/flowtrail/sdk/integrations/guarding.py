"""Calls between a library and us, after which the library goes on whatever became of ours."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from flowtrail.sdk.notices import warn_once

P = ParamSpec("P")
R = TypeVar("R")


def guarded(function: Callable[P, R]) -> Callable[P, R | None]:
    """The function; None where it raised, which is said once."""

    @wraps(function)
    def called(*args: P.args, **named: P.kwargs) -> R | None:
        try:
            return function(*args, **named)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the host's own call goes on
            name = function.__qualname__
            warn_once(f"guarded: {name}", "%s failed, and something is not recorded: %r", name, error)
            return None

    return called
