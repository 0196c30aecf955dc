"""What an operator may say about spans: which flows carry many objects, and which attributes hold ids."""

from dataclasses import dataclass
from typing import Final

from flowtrail.intake.foreign.otlp_conventions import Named, is_special
from flowtrail.model.limits import MAX_NAME_CHARS

SOURCE: Final = "otlp"
"""Part of every derived id."""


@dataclass(frozen=True, slots=True)
class TraceSettings:
    """How spans become records, beyond what they say themselves.

    `objects` and `keys` are types or key names with the attributes that hold them; in `multi_object_flows` a
    transaction is one object's way, else a trace.
    """

    multi_object_flows: frozenset[str] = frozenset()
    objects: tuple[Named, ...] = ()
    keys: tuple[Named, ...] = ()

    def is_special(self, name: str) -> bool:
        """Whether an attribute of that name may say more than itself."""
        return is_special(name) or any(name in named.attributes for named in (*self.objects, *self.keys))


def read_names(text: str) -> frozenset[str]:
    """Names between commas. Raises: ValueError for an empty one."""
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise ValueError(text)
    return frozenset(names)


def read_attributes(text: str) -> tuple[Named, ...]:
    """`name=attribute` between commas; a name may stand more than once, the first attribute first.

    Raises: ValueError for anything else.
    """
    found: dict[str, tuple[str, ...]] = {}
    for part in text.split(","):
        name, equals, attribute = (each.strip() for each in part.partition("="))
        if not (name and equals and attribute) or len(name) > MAX_NAME_CHARS:
            raise ValueError(text)
        found[name] = (*found.get(name, ()), attribute)
    return tuple(Named(name, attributes) for name, attributes in found.items())


def trace_settings(flows: str | None, objects: str | None, keys: str | None) -> TraceSettings:
    """The settings as an operator writes them. Raises: ValueError."""
    return TraceSettings(
        read_names(flows) if flows else frozenset(),
        read_attributes(objects) if objects else (),
        read_attributes(keys) if keys else (),
    )
