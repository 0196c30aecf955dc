"""Values of attributes brought to what a record may hold. What does not fit is cut with a mark, and counted."""

import base64
import json
import math
from collections.abc import Iterable
from typing import Any, Final

from flowtrail.model.limits import MAX_DEPTH, MAX_INTEGER, MAX_NAME_CHARS

MAX_TEXT_CHARS: Final = 16_384
"""Of one text: a stack trace of a hundred frames, or a large statement."""
FEW_TEXT_CHARS: Final = 512
"""The same where a span would be too large otherwise: 64 such texts fit."""
MAX_ITEMS: Final = 1_000
"""Of one list or map inside a value."""
ELLIPSIS: Final = "…"
_REPLACEMENT: Final = "\ufffd"


class Cuts:
    """How many places were cut or mended so far."""

    __slots__ = ("count", "text_chars")

    def __init__(self, text_chars: int = MAX_TEXT_CHARS) -> None:
        self.count = 0
        self.text_chars = text_chars

    def text(self, text: str, most: int | None = None) -> str:
        """Text of at most that many characters, without NUL and half characters; a cut one ends in an ellipsis."""
        most = self.text_chars if most is None else most
        mended = text.encode("utf-8", "replace").decode() if not text.isascii() else text
        mended = mended.replace("\0", _REPLACEMENT)
        if len(mended) > most:
            mended = mended[: most - 1] + ELLIPSIS
        if mended != text:
            self.count += 1
        return mended

    def name(self, name: str) -> str:
        """The name of an attribute."""
        return self.text(name, MAX_NAME_CHARS)

    def value(self, value: Any, levels: int = MAX_DEPTH) -> Any:
        """The value as JSON can say it; what is nested deeper than `levels` becomes its JSON as text."""
        kind = type(value)
        if kind is str:
            return self.text(value)
        if kind is bool or value is None:
            return value
        if kind is int:
            return value if -MAX_INTEGER - 1 <= value <= MAX_INTEGER else self._counted(str(value))
        if kind is float:
            return value if math.isfinite(value) else _name_of(value)
        if kind is bytes:
            return self.text(base64.b64encode(value).decode())
        if levels == 0:
            return self._counted(self.text(json.dumps(value, ensure_ascii=False, default=_jsonable)))
        if kind is list:
            return [self.value(each, levels - 1) for each in self._first(value)]
        return self.map(value.items(), levels - 1, MAX_ITEMS)

    def map(self, pairs: Iterable[tuple[str, Any]], levels: int, most: int) -> dict[str, Any]:
        """The first names with their values. The last of two equal names counts; one without a name is dropped."""
        last = dict(pairs)
        if "" in last:
            del last[""]
            self.count += 1
        found: dict[str, Any] = {}
        for name, value in last.items():
            if len(found) == most:
                self.count += len(last) - most
                break
            found[self.name(name)] = self.value(value, levels)
        return found

    def _first(self, items: list[Any]) -> list[Any]:
        if len(items) > MAX_ITEMS:
            self.count += len(items) - MAX_ITEMS
        return items[:MAX_ITEMS]

    def _counted(self, value: str) -> str:
        self.count += 1
        return value


def _name_of(number: float) -> str:
    # As protobuf's JSON says it.
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _jsonable(value: Any) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def as_text(value: Any) -> str:
    """A value where text is needed: itself, bytes in base64, or its JSON."""
    if isinstance(value, bytes):
        return _jsonable(value)
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=_jsonable)
