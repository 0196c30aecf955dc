"""The parts of an OCEL 2.0 document as its schema has them, and its values by their declared types."""

import math
from typing import Any, Final

import msgspec

from flowtrail.intake.importers.instants import ReadInstant
from flowtrail.intake.importers.problems import Unreadable
from flowtrail.model.instants import format_instant

_LARGEST: Final = 1 << 63


class Declared(msgspec.Struct):
    """An attribute that a type declares."""

    name: str
    type: str = "string"


class Type(msgspec.Struct):
    """A type of events or objects."""

    name: str
    attributes: list[Declared] = []


Time = str | int | float
"""The standard's text, or a number where --time-unit says of what."""


class Attribute(msgspec.Struct):
    """A value; of an object since `time`."""

    name: str
    value: Any = None
    time: Time | None = None


class Relationship(msgspec.Struct, rename="camel"):
    """To an object."""

    object_id: str
    qualifier: str = ""


class Object(msgspec.Struct):
    """An object."""

    id: str
    type: str
    attributes: list[Attribute] = []
    relationships: list[Relationship] = []


class Event(msgspec.Struct):
    """An event."""

    id: str
    type: str
    time: Time
    attributes: list[Attribute] = []
    relationships: list[Relationship] = []


class Known:
    """What types declare of their attributes."""

    def __init__(self, read_instant: ReadInstant) -> None:
        self._read_instant = read_instant
        self._kinds: dict[tuple[str, str, str], str] = {}

    def declare(self, member: str, declared: Type) -> None:
        """Remember a type of `eventTypes` or `objectTypes`."""
        for each in declared.attributes:
            self._kinds[member, declared.name, each.name] = each.type

    def value(self, member: str, owner: str, attribute: Attribute) -> Any:
        """The value as its declared type has it; what does not read so stays as it stands."""
        value = attribute.value
        if not isinstance(value, str):
            return value
        try:
            return self._typed(self._kinds.get((member, owner, attribute.name), "string"), value)
        except (ValueError, Unreadable):
            return value

    def _typed(self, kind: str, text: str) -> Any:
        if kind == "integer":
            number = int(text) if text.lstrip("+-").isdigit() else None
            return number if number is not None and -_LARGEST <= number < _LARGEST else text
        if kind == "float":
            real = float(text)
            return real if math.isfinite(real) else text
        if kind == "boolean":
            return {"true": True, "false": False}.get(text.casefold(), text)
        return format_instant(self._read_instant(text, "time")) if kind == "time" else text
