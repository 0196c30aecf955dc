"""How much a document holds, counted while it passes by: no answer says so beforehand, and no file is read again.

Each format is counted by what our own writers put once before or behind every item, and nowhere else.
"""

import re
from typing import Final

_MARKS: Final = {
    "ndjson": (rb"\n", 1),
    # `<` stands in no text, as it is escaped there.
    "xes": (rb"<trace>\n", 8),
    # Neither does a bare quotation mark; events have longer ids.
    "ocel2-json": (rb'\{"id":"[0-9a-f]{32}",', 41),
}
"""A pattern by format, and how many bytes it always takes."""
_HELD: Final = {
    ("ndjson", None): "records",
    ("ndjson", "records"): "records",
    ("csv", "executions"): "executions",
}


class Exported:
    """Counts the items of one document. `what` names them."""

    def __init__(self, format: str, content: str | None) -> None:
        self.what = _HELD.get((format, content), "transactions")
        self.size = 0
        self._is_table = format == "csv"
        pattern, self._width = _MARKS.get(format, _MARKS["ndjson"])
        self._mark = re.compile(pattern)
        self._rest = b""
        self._found = 0
        self._quoted = False

    def take(self, part: bytes) -> None:
        """One more part of the document, wherever it was cut."""
        self.size += len(part)
        if self._is_table:
            self._take_rows(part)
            return
        # Shorter than a mark: what was found is not found again.
        text = self._rest + part
        self._found += len(self._mark.findall(text))
        self._rest = text[-(self._width - 1) :] if self._width > 1 else b""

    def _take_rows(self, part: bytes) -> None:
        # A doubled quotation mark closes and opens at once, so that parity is all there is to know.
        for place, text in enumerate(part.split(b'"')):
            if place:
                self._quoted = not self._quoted
            if not self._quoted:
                self._found += text.count(b"\n")

    @property
    def count(self) -> int:
        """How many items came by: of a table, its rows but for the first."""
        return max(self._found - self._is_table, 0)
