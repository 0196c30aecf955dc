"""Calls between a library and us, after which the library goes on whatever became of ours."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from flowtrail.model.errors import Refusal
from flowtrail.sdk.notices import warn_once

P = ParamSpec("P")
R = TypeVar("R")


def check_callable(name: str, given: object) -> None:
    """Raises: Refusal, for what is set up once and would otherwise fail at every call. None is no wish."""
    if given is not None and not callable(given):
        raise Refusal(
            "invalid_setting", f"{name} is a function, not {type(given).__name__}", name, None, "a function"
        )


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
