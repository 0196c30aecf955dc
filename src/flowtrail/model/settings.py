"""A table of settings: what can be said by name or in the environment, how it is read, and how a refusal names it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowtrail.model.errors import Refusal, shorten


@dataclass(frozen=True, slots=True)
class Setting:
    """One row: `field` is its name where it is given, `variable` the one of the environment.

    `read` raises ValueError for a text that cannot be meant; a `secret` never stands in a message.
    """

    field: str
    variable: str
    meaning: str
    read: Callable[[str], Any]
    allowed: str
    secret: bool = False


def number(low: int, high: int) -> Callable[[str], int]:
    """Reads a whole number within bounds, in plain digits."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
            raise ValueError(text)
        return int(text)

    return read


def seconds(low: float, high: float) -> Callable[[str], float]:
    """Reads a number of seconds within bounds."""

    def read(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return read


def one_of(*words: str) -> Callable[[str], str]:
    """Reads one of these words, in any case, with _ for -."""

    def read(text: str) -> str:
        word = text.lower().replace("_", "-")
        if word not in words:
            raise ValueError(text)
        return word

    return read


def read_table(table: Sequence[Setting], environ: Mapping[str, str], given: dict[str, Any]) -> dict[str, Any]:
    """Values by field: what was given, else what the environment says; what is neither is left out. A given None counts
    as not given. What the table does not know stays in `given`. Raises: Refusal (a value that cannot be meant)."""
    values: dict[str, Any] = {}
    for setting in table:
        value = given.pop(setting.field, None)
        if value is not None:
            values[setting.field] = _read(setting, str(value), setting.field)
        elif environ.get(setting.variable):
            values[setting.field] = _read(setting, environ[setting.variable], setting.variable)
    return values


def _read(setting: Setting, text: str, where: str) -> Any:
    try:
        return setting.read(text.strip())
    except ValueError:
        received = None if setting.secret else text
        came = "" if received is None else f": {shorten(received)!r}"
        message = f"{where} cannot be read{came}; allowed: {setting.allowed}"
        raise Refusal("invalid_setting", message, where, received, setting.allowed) from None
