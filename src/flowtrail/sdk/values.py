"""Values as they are when they are given: copied into plain maps, lists, texts and numbers, within bounds.

No code of a value ever runs here: no `__repr__`, `__str__`, `__iter__`, property or hook. Subclasses of the built-in
types are read through the built-in type; of dataclasses and their like the stored fields are read; of everything else
only the name of its class is told. So a value cannot raise, wait, or take more than its share.

    host's thread:    `freeze` copies within bounds, so that nothing changes afterwards
    delivery thread:  `tidy` makes texts and numbers fit for the wire
"""

import math
import re
from itertools import islice
from typing import Any, Final

from flowtrail.model.limits import MAX_DEPTH, MAX_INTEGER, MAX_MAP_NAMES, MAX_NAME_CHARS
from flowtrail.sdk import marks
from flowtrail.sdk.looks import UNKNOWN, class_name, is_named_tuple, look

MAX_TEXT_CHARS: Final = 32_768
"""Of one text: a payload of ordinary size stays whole, and several fit into a record."""
MAX_ITEMS: Final = 1_000
"""Of one list."""
MAX_VALUES: Final = 4_000
"""Of one call, at all depths: about a millisecond on the host's thread."""
MAX_CHARS: Final = 65_536
"""Of all texts of one call: even as escapes of six bytes most of a record of 256 KiB."""

CUT: Final = "…"
"""Stands at the end of a text that was cut, and is the name under which a map tells of names it lost."""

_VALUE_BYTES: Final = 72
"""What a small number, a reference to it and its place in a map or list hold, roughly."""
_LONE_OR_NUL: Final = re.compile("[\ud800-\udfff\0]")
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
_TRIES: Final = 3
_MOST_DETAILS: Final = MAX_MAP_NAMES - 1
"""Of a block, beside a mark."""
_SHOWN_CHARS: Final = 60
_MOST_BITS: Final = 4_000
"""Of an integer that is told as text: 1,200 digits, converted in microseconds."""


class Frozen:
    """What became of values: `cost` is about how many bytes they hold, `cuts` how many were cut."""

    __slots__ = ("chars", "cost", "cuts", "values")

    def __init__(self) -> None:
        self.values, self.chars, self.cost, self.cuts = MAX_VALUES, MAX_CHARS, 0, 0


def freeze(named: dict[Any, Any], frozen: Frozen) -> dict[str, Any]:
    """A plain copy of the named values; at most 64 names, and each value within the bounds above."""
    before = frozen.cuts
    copied: dict[str, Any] = _copy_map(named, MAX_DEPTH + 1, frozen)
    marks.count(marks.CUT, frozen.cuts - before)
    return copied


def freeze_value(value: Any, frozen: Frozen) -> Any:
    """A plain copy of one value."""
    before = frozen.cuts
    copied = _copy(value, MAX_DEPTH, frozen)
    marks.count(marks.CUT, frozen.cuts - before)
    return copied


def freeze_text(value: Any, most: int) -> str:
    """Text of at most that many characters of whatever was given: the text itself, else how its copy looks."""
    if type(value) is str and len(value) <= most:
        return value
    return cut_text(_as_text(value), most)


def _as_text(value: Any) -> str:
    copied = _copy(value, 0, Frozen())
    return copied if type(copied) is str else str(copied)


def received(value: Any) -> str:
    """What came, as a notice shows it: short, and without any code of the value running."""
    text = _cut(_as_text(value), _SHOWN_CHARS)
    return repr(text) if issubclass(type(value), str) else text


def cut_text(text: str, most: int) -> str:
    """The text, or its beginning with a mark at the end, in at most that many characters."""
    if len(text) > most:
        marks.count(marks.CUT)
    return _cut(text, most)


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    mark = f"{CUT}[cut: {len(text)} characters]"
    return text[: most - len(mark)] + mark if most > 2 * len(mark) else text[: most - 1] + CUT


def _copy(value: Any, levels: int, frozen: Frozen) -> Any:
    frozen.values -= 1
    frozen.cost += _VALUE_BYTES
    kind = type(value)
    if value is None or kind is bool or kind is float:
        return value
    if kind is int:
        return _copy_integer(value, frozen)
    if issubclass(kind, str):
        return _copy_text(value, frozen)
    if issubclass(kind, dict):
        return _copy_map(value, levels, frozen)
    if issubclass(kind, list) or (issubclass(kind, tuple) and not is_named_tuple(kind)):
        return _copy_list(value, levels, frozen)
    seen = _look(value)
    if seen is UNKNOWN:
        return _copy_text(f"<{class_name(kind)}>", frozen)
    # What `look` gives is of a built-in type, except for an enumeration's value and the like: one level deeper, so
    # that this ends.
    return _copy(seen, levels - 1 if type(seen) not in _PLAIN else levels, frozen)


def _look(value: Any) -> Any:
    try:
        return look(value)
    except Exception:  # noqa: BLE001 -- whatever a value is made of, its host goes on
        return UNKNOWN


def _copy_integer(value: int, frozen: Frozen) -> Any:
    if -MAX_INTEGER - 1 <= value <= MAX_INTEGER:
        return value
    bits = value.bit_length()
    if bits <= _MOST_BITS:
        return _copy_text(str(value), frozen)
    frozen.cuts += 1
    return f"{CUT}[cut: an integer of {bits} bits]"


def _copy_text(value: str, frozen: Frozen) -> str:
    size = str.__len__(value)
    most = min(MAX_TEXT_CHARS, max(frozen.chars, 0))
    text = str.__getitem__(value, slice(0, most))
    frozen.chars -= min(size, most)
    if size > most:
        frozen.cuts += 1
        text += f"{CUT}[cut: {size} characters]"
    frozen.cost += len(text) if text.isascii() else 4 * len(text)
    return text


def _copy_list(value: Any, levels: int, frozen: Frozen) -> Any:
    base = list if issubclass(type(value), list) else tuple
    size = base.__len__(value)
    if levels <= 0:
        return _cut_off(f"a list of {size}", frozen)
    copied = []
    for each in base.__getitem__(value, slice(0, min(MAX_ITEMS, max(frozen.values, 0)))):
        if frozen.values <= 0:
            break
        copied.append(_copy(each, levels - 1, frozen))
    if size > len(copied):
        copied.append(_cut_off(f"{size - len(copied)} more", frozen))
    return copied


def _copy_map(value: Any, levels: int, frozen: Frozen) -> Any:
    size = dict.__len__(value)
    if levels <= 0:
        return _cut_off(f"a map of {size}", frozen)
    copied: dict[str, Any] = {}
    for name, each in _some_pairs(value):
        if frozen.values <= 0 or frozen.chars <= 0 or len(copied) >= MAX_MAP_NAMES - (size > MAX_MAP_NAMES):
            break
        known = _new_name(name, copied)
        frozen.chars -= len(known)
        frozen.cost += len(known)
        copied[known] = _copy(each, levels - 1, frozen)
    if size > len(copied):
        copied[CUT] = _cut_off(f"{size - len(copied)} more", frozen)
    return copied


def keep_fitting(details: dict[str, Any], held: dict[str, Any]) -> None:
    """Leave of a block's new details those that fit beside the ones it holds, with room for the mark that tells of the
    others; what is stated again always fits."""
    others = [name for name in details if name not in held and name != CUT]
    room = max(_MOST_DETAILS - len(held) + (CUT in held), 0)
    if len(others) > room:
        for name in others[room:]:
            del details[name]
        details[CUT] = f"[cut: more than {_MOST_DETAILS} details]"
        marks.count(marks.CUT)


def _some_pairs(value: Any) -> list[tuple[Any, Any]]:
    for _ in range(_TRIES):
        try:
            return list(islice(dict.items(value), MAX_MAP_NAMES))
        except RuntimeError:  # changed while it was read
            continue
    return []


def _cut_off(what: str, frozen: Frozen) -> str:
    frozen.cuts += 1
    frozen.cost += _VALUE_BYTES
    return f"{CUT}[cut: {what}]"


def _new_name(name: Any, taken: dict[str, Any]) -> str:
    text = freeze_name(name)
    if text not in taken:
        return text
    number = 2
    while (other := f"{text[: MAX_NAME_CHARS - 5]}#{number}") in taken:
        number += 1
    return other


def freeze_name(name: Any) -> str:
    """A name: 1 to 200 characters of whatever was given, valid on the wire."""
    if type(name) is str and 0 < len(name) <= MAX_NAME_CHARS and name.isascii() and "\0" not in name:
        return name
    # Asked for again and again, and so not counted where it is cut.
    return tidy_text(_cut(_as_text(name), MAX_NAME_CHARS)) or "(empty)"


def tidy(value: Any) -> Any:
    """The frozen value as the wire takes it: no NUL, no half surrogate pairs, no NaN; the value itself where it is."""
    kind = type(value)
    if kind is str:
        return value if value.isascii() and "\0" not in value else tidy_text(value)
    if kind is float:
        return value if math.isfinite(value) else ("NaN" if math.isnan(value) else f"{value}")
    if kind is dict:
        return {name: tidy(each) for name, each in value.items()}
    if kind is list:
        return [tidy(each) for each in value]
    return value


def tidy_text(text: str) -> str:
    """The text with another character for each NUL and half surrogate pair: what was cut to a length keeps it."""
    return _LONE_OR_NUL.sub(_other, text)


def _other(match: re.Match[str]) -> str:
    return "\u2400" if match[0] == "\0" else "\ufffd"
