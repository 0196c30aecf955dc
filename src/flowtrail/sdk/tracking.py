"""Functions that handle one object each: `@flowtrail.tracked("order", "order_id")`."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, Final

from flowtrail.sdk.notices import warn_once
from flowtrail.sdk.transactions import Transaction
from flowtrail.sdk.values import received

UNTOLD: Final = "(untold)"

Told = str | Callable[..., Any]
"""Which argument says it, by its name; or a function of all arguments that does."""


class Arguments:
    """Reads from a call's arguments what a transaction needs. Never raises; what cannot be read is said once."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name = getattr(function, "__qualname__", repr(function))
        self._function = function

    @functools.cached_property
    def _signature(self) -> inspect.Signature:
        return inspect.signature(self._function)

    def read(self, told: Any, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """The value that `told` stands for."""
        try:
            if callable(told):
                return told(*args, **named)
            if told in named:
                return named[told]
            bound = self._signature.bind_partial(*args, **named)
            bound.apply_defaults()
            if told in bound.arguments:
                return bound.arguments[told]
            text = "%s has no argument %s, by which `tracked` is to tell what it handles; it has %s"
            warn_once(
                f"tracked: {self._name}",
                text,
                self._name,
                received(told),
                ", ".join(self._signature.parameters),
            )
        except Exception as error:  # noqa: BLE001 -- the function itself is called all the same
            warn_once(f"tracked: {self._name}", "what %s handles could not be told: %r", self._name, error)
        return UNTOLD


def opened(
    make: Callable[..., Transaction],
    arguments: Arguments,
    object_type: str,
    object_id: Told,
    keys: dict[str, Told] | None,
    given: dict[str, Any],
) -> Callable[[tuple[Any, ...], dict[str, Any]], Transaction]:
    """What makes the transaction of one call."""

    def opener(args: tuple[Any, ...], named: dict[str, Any]) -> Transaction:
        found = {name: arguments.read(told, args, named) for name, told in (keys or {}).items()}
        return make(object_type, arguments.read(object_id, args, named), keys=found, **given)

    return opener
