"""How values of other types look as plain ones, read without running any code of theirs.

Stored fields are read through the type's own descriptors and the instance's real `__dict__`; overridden methods,
properties, metaclasses and `__getattr__` are never asked.
"""

import base64
import datetime as dt
import decimal
import enum
import types
import uuid
import zoneinfo
from itertools import islice
from pathlib import PurePath
from typing import Any, Final

MOST_LOOKED_AT: Final = 32_768
"""Bytes, or characters, of one value that are looked at."""
MOST_FIELDS: Final = 65
"""One more than are kept, so that what is missing shows."""

UNKNOWN: Final = object()
"""Nothing is known about the value but its class."""

HIDDEN: Final = "[hidden: not part of its repr]"
"""Stands for a field that its class keeps out of its own repr, as people do with secrets."""

_mro_of: Final = type.__dict__["__mro__"].__get__
_name_of: Final = type.__dict__["__qualname__"].__get__
_module_of: Final = type.__dict__["__module__"].__get__
_namespace_of: Final = type.__dict__["__dict__"].__get__

_FIELD_LISTS: Final = ("__dataclass_fields__", "__attrs_attrs__", "__struct_fields__", "__pydantic_fields__")
_KNOWN_ZONES: Final = frozenset({type(None), dt.timezone, zoneinfo.ZoneInfo})
_ITERABLE_SETS: Final = (set, frozenset)


def module_and_name(kind: type) -> tuple[str | None, str]:
    """The class's module, None for built-in ones, and its qualified name."""
    try:
        module = _module_of(kind)
    except AttributeError:
        module = None
    if type(module) is not str or module == "builtins":
        module = None
    return module, str.__str__(_name_of(kind))


def class_name(kind: type) -> str:
    """`module.Class`, without the module for built-in ones."""
    module, name = module_and_name(kind)
    return name if module is None else f"{module}.{name}"


def class_attribute(kind: type, name: str) -> Any:
    """What the class, or a class it inherits from, holds under that name, as it is stored; else None."""
    for each in _mro_of(kind):
        held = _namespace_of(each)
        if name in held:
            return held[name]
    return None


def is_named_tuple(kind: type) -> bool:
    """Whether the type is a tuple with names of fields."""
    return type(class_attribute(kind, "_fields")) is tuple


def look(value: Any) -> Any:
    """The value as a plain dict, list, text or number, not copied any deeper; or UNKNOWN."""
    kind = type(value)
    exact = _EXACT.get(kind)
    if exact is not None:
        return exact(value)
    if issubclass(kind, enum.Enum):
        return _instance_dict(value).get("_value_", UNKNOWN)
    for base, by_base in _BY_BASE:
        if issubclass(kind, base):
            return by_base(value)
    return _record_like(value)


def _integer(value: int) -> int:
    return int.__add__(value, 0)


def _float(value: float) -> float:
    return float.__add__(value, 0.0)


def _bytes(value: Any) -> str:
    raw = bytes(memoryview(value)[:MOST_LOOKED_AT]) if type(value) is not memoryview else _viewed(value)
    size = value.nbytes if type(value) is memoryview else len(memoryview(value))
    more = f"…[cut: {size} bytes]" if size > len(raw) else ""
    try:
        return raw.decode("utf-8", "strict") + more
    except UnicodeDecodeError as error:
        if more and error.start >= len(raw) - 4:
            return raw[: error.start].decode("utf-8") + more
    return f"base64:{base64.b64encode(raw[: MOST_LOOKED_AT // 2]).decode()}{more}"


def _viewed(value: memoryview) -> bytes:
    return bytes(value.cast("B")[:MOST_LOOKED_AT]) if value.c_contiguous else b"<a view of scattered bytes>"


def _named_tuple(value: Any) -> Any:
    names = class_attribute(type(value), "_fields")
    return dict(zip(names[:MOST_FIELDS], tuple.__iter__(value), strict=False))


def _decimal(value: decimal.Decimal) -> str:
    if decimal.Decimal.__sizeof__(value) > MOST_LOOKED_AT:
        return "…[cut: a decimal number of very many digits]"
    return decimal.Decimal.__str__(value)


def _moment(value: Any) -> str:
    zone = type(value.tzinfo)
    if zone in _KNOWN_ZONES:
        text: str = value.isoformat()
        return text
    # Its offset is code of the zone; without a word it would read as an instant of another zone.
    return f"{value.replace(tzinfo=None).isoformat()} <{class_name(zone)}>"


def _set(value: Any) -> list[Any]:
    return list(islice(_ITERABLE_SETS[issubclass(type(value), frozenset)].__iter__(value), MOST_LOOKED_AT))


def _exception(value: BaseException) -> str:
    arguments = BaseException.__dict__["args"].__get__(value)
    told = [each[:1_000] if type(each) is str else each for each in arguments[:4] if type(each) in _PLAIN]
    return f"{class_name(type(value))}({', '.join(map(repr, told))})"


_PLAIN: Final = frozenset({str, float, bool, type(None)})

_EXACT: Final[dict[type, Any]] = {
    bytes: _bytes,
    bytearray: _bytes,
    memoryview: _bytes,
    decimal.Decimal: _decimal,
    uuid.UUID: lambda value: f"{uuid.UUID(int=value.int)}",
    dt.datetime: _moment,
    dt.time: _moment,
    dt.date: dt.date.isoformat,
    dt.timedelta: dt.timedelta.total_seconds,
    complex: complex.__repr__,
    types.FunctionType: lambda value: f"<function {value.__module__}.{value.__qualname__}>",
}

_BY_BASE: Final[tuple[tuple[type, Any], ...]] = (
    (int, _integer),
    (float, _float),
    (tuple, _named_tuple),
    (set, _set),
    (frozenset, _set),
    (type, lambda value: f"<class {class_name(value)}>"),
    (BaseException, _exception),
    (PurePath, PurePath.__str__),
)


def _instance_dict(value: Any) -> dict[str, Any]:
    """The instance's real `__dict__`, or an empty one."""
    held = class_attribute(type(value), "__dict__")
    if type(held) is not types.GetSetDescriptorType:
        return {}
    found = held.__get__(value)
    return found if type(found) is dict else {}


def _record_like(value: Any) -> Any:
    kind = type(value)
    for listed in _FIELD_LISTS:
        fields = class_attribute(kind, listed)
        if fields is not None:
            return _stored(value, fields)
    return UNKNOWN


def _stored(value: Any, fields: Any) -> Any:
    if type(fields) not in {dict, tuple} and not isinstance(fields, tuple):
        return UNKNOWN
    held = _instance_dict(value)
    found: dict[str, Any] = {}
    for field in islice(
        dict.items(fields) if isinstance(fields, dict) else tuple.__iter__(fields), MOST_FIELDS
    ):
        name, told = _field(field)
        if name is None:
            continue
        if told is False:
            found[name] = HIDDEN
        elif name in held:
            found[name] = held[name]
        else:
            slot = class_attribute(type(value), name)
            if type(slot) is types.MemberDescriptorType:
                found[name] = _slot(slot, value)
    return found


def _slot(slot: Any, value: Any) -> Any:
    try:
        return slot.__get__(value)
    except AttributeError:  # deleted, or never set
        return None


def _field(field: Any) -> tuple[str | None, Any]:
    """A field's name, and whether it is part of the repr, of what the four libraries list their fields in."""
    if type(field) is str:
        return field, True
    if type(field) is tuple:
        name, info = field
        return (name if type(name) is str else None), _told(info)
    name = _told_attribute(field, "name")
    return (name if type(name) is str else None), _told(field)


def _told(info: Any) -> Any:
    return _told_attribute(info, "repr")


def _told_attribute(info: Any, name: str) -> Any:
    if type(class_attribute(type(info), name)) is types.MemberDescriptorType:
        return _slot(class_attribute(type(info), name), info)
    return _instance_dict(info).get(name)
