"""Finding names that stand twice in one object, without looking at objects.

msgspec keeps the last of two equal names and says nothing. But what it made has as many names as it kept, and the
text has as many as there are colons behind a name's closing quote: when the two numbers are equal, none was lost.
The text may seem to have more (a colon inside a text), never fewer; who finds more reads again, exactly.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from msgspec.structs import astuple

_COLON = ord(":")
_SCALARS = frozenset({str, int, float, bool, type(None)})
_QUOTE = ord('"')
"""Below it stand only white space and the exclamation mark."""


def names_said(text: bytes) -> int:
    """At least as many as there are names in all objects of this JSON."""
    said = int(np.count_nonzero(_name_ends(text)))
    return said - _inside(text) if b"\\" in text else said


def names_said_each(texts: Sequence[bytes]) -> list[int]:
    """`names_said` of each, none of which may be empty."""
    joined = b"".join(texts)
    marks = np.zeros(len(joined), np.int64)
    marks[2:] = _name_ends(joined)
    starts = list(accumulate(map(len, texts[:-1]), initial=0))
    counts: list[int] = np.add.reduceat(marks, starts).tolist()
    return [
        count - _inside(text) if b"\\" in text else count for count, text in zip(counts, texts, strict=True)
    ]


def _name_ends(text: bytes) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    """For each character but the first two: is it a colon behind a quote or a space?

    A space counts when it is itself behind a quote or a space: a single one before a colon stands in many texts
    ("service :: operation") and behind few names. Always, since looking first whether there is one costs more.
    """
    characters = np.frombuffer(text, np.uint8)
    closing = characters <= _QUOTE
    found: np.ndarray[Any, np.dtype[np.bool_]] = (
        (characters[2:] == _COLON) & closing[1:-1] & (closing[:-2] | (characters[1:-1] == _QUOTE))
    )
    return found


def _inside(text: bytes) -> int:
    """Colons behind a quote that is surely escaped: one backslash before it, and no other before that."""
    return text.count(b'\\":') - text.count(b'\\\\":')


def names_kept(value: Any) -> int:
    """The names of everything inside a decoded value; a field of a struct counts when it is not None.

    A value of any depth: what msgspec has decoded is less deep than the interpreter can go.
    """
    kind = type(value)
    if kind in _SCALARS:
        return 0
    if kind is dict:
        return len(value) + sum([names_kept(each) for each in value.values() if type(each) not in _SCALARS])
    if kind is list:
        return sum([names_kept(each) for each in value if type(each) not in _SCALARS])
    fields = astuple(value)
    tagged = value.__struct_config__.tag is not None
    return (
        len(fields)
        - fields.count(None)
        + tagged
        + sum([names_kept(each) for each in fields if type(each) not in _SCALARS])
    )
