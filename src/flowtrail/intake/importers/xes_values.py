"""The attributes of XES, nested ones too, as plain values."""

import math
from typing import Any, Final

from flowtrail.intake.importers.instants import ReadInstant
from flowtrail.intake.importers.problems import Unreadable
from flowtrail.model.instants import format_instant
from flowtrail.model.limits import MAX_DEPTH

KINDS: Final = frozenset({"string", "date", "int", "float", "boolean", "id", "list", "container"})
"""The elements that are attributes."""
_LARGEST: Final = 1 << 63


class Attribute:
    """One attribute under way. `key` is "" where the file gives none."""

    __slots__ = ("key", "kind", "nested", "values", "raw")

    def __init__(self, kind: str, given: dict[str, str]) -> None:
        self.kind, self.key, self.raw = kind, given.get("key", ""), given.get("value", "")
        self.nested: list[Attribute] = []
        self.values = kind == "values"
        """Whether it is the `values` of a list."""

    def value(self, read_instant: ReadInstant, levels: int = MAX_DEPTH) -> Any:
        """What it says: text, a number, a boolean; with attributes of its own `{"value", …}`; a list as a list.

        What is not of the kind it claims to be stays text.
        """
        if levels == 0:
            return self.raw
        if self.kind == "list":
            items = next((each.nested for each in self.nested if each.values), self.nested)
            return [each.item(read_instant, levels - 1) for each in items]
        nested = {each.key: each.value(read_instant, levels - 1) for each in self.nested if each.key}
        if self.kind == "container":
            return nested
        plain = self._plain(read_instant)
        return {"value": plain, **nested} if nested else plain

    def item(self, read_instant: ReadInstant, levels: int) -> Any:
        """What it says inside of a list: under its key, where it has one."""
        if not self.key:
            return self.value(read_instant, levels)
        return {self.key: self.value(read_instant, levels - 1)} if levels > 1 else self.raw

    def _plain(self, read_instant: ReadInstant) -> Any:
        raw = self.raw
        try:
            if self.kind == "int":
                number = int(raw)
                return (
                    number if raw.strip().lstrip("+-").isdigit() and -_LARGEST <= number < _LARGEST else raw
                )
            if self.kind == "float":
                real = float(raw)
                return real if math.isfinite(real) else raw
            if self.kind == "boolean":
                return {"true": True, "1": True, "false": False, "0": False}.get(raw.strip().casefold(), raw)
            if self.kind == "date":
                return format_instant(read_instant(raw, self.key))
        except (ValueError, Unreadable):
            return raw
        return raw
