"""A JSON document that is one object of long arrays, element by element, in bounded memory.

Only the outline is read here: where the members of the object and the elements of their arrays begin and end. What an
element says is for whoever decodes it, and so is judging it. A library that streams (ijson) reads one array
twice as fast, but one array a pass, which comes to the same for a log, and puts no bound on an element.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from flowtrail.intake.importers.problems import Unreadable

MAX_ELEMENT_BYTES: Final = 64 * 1024 * 1024
"""One event or object: what is said of a transaction stands in one attribute, the links of a large batch too."""

_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_BETWEEN: Final = re.compile(rb'(?:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
"""Everything before the next bracket, whole strings included."""
_PLAIN: Final = re.compile(rb"[^\s,\]}]*")
_SPACE: Final = re.compile(rb"\s*")
_BOM: Final = b"\xef\xbb\xbf"


class _Text:
    """The document as far as it is needed; grows at its end, is forgotten at its beginning."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._held = b""
        self._at = 0
        self._before = 0

    @property
    def place(self) -> int:
        """Bytes of the document before what comes next."""
        return self._before + self._at

    def _more(self, keep: int) -> bool:
        chunk = next(self._chunks, None)
        if chunk is None:
            return False
        if len(self._held) - keep > MAX_ELEMENT_BYTES:
            raise Unreadable(
                None, f"byte {self._before + keep}: an element is longer than {MAX_ELEMENT_BYTES} bytes"
            )
        self._before += keep
        self._held = self._held[keep:] + chunk
        self._at -= keep
        return True

    def peek(self) -> bytes:
        """The next byte that is not space; empty at the end."""
        while True:
            space = _SPACE.match(self._held, self._at)
            assert space is not None
            self._at = space.end()
            if self._at < len(self._held):
                return self._held[self._at : self._at + 1]
            if not self._more(self._at):
                return b""

    def take(self, wanted: bytes) -> bool:
        """Pass over that byte, if it is the next one."""
        if self.peek() != wanted:
            return False
        self._at += 1
        return True

    def value(self) -> bytes:
        """The bytes of the value that begins here. Raises: Unreadable."""
        first = self.peek()
        if first in (b"{", b"["):
            return self._nested()
        return self._matched(_STRING if first == b'"' else _PLAIN)

    def _matched(self, pattern: re.Pattern[bytes]) -> bytes:
        while True:
            found = pattern.match(self._held, self._at)
            # What ends with what is held may go on.
            if found is not None and (found.end() < len(self._held) or pattern is _STRING):
                self._at = found.end()
                if not found[0]:
                    raise self.broken("a value")
                return found[0]
            if not self._more(self._at):
                if found is not None and found[0]:
                    self._at = found.end()
                    return found[0]
                raise self.broken("the end of a value")

    def _nested(self) -> bytes:
        depth, place = 0, self._at
        while True:
            passed = _BETWEEN.match(self._held, place)
            assert passed is not None
            place = passed.end()
            bracket = self._held[place : place + 1]
            if bracket in (b"", b'"'):  # a string whose end is not there yet
                begin = self._at
                if not self._more(begin):
                    raise self.broken("the end of a value")
                place -= begin
                continue
            place += 1
            depth += 1 if bracket in b"{[" else -1
            if depth == 0:
                found = self._held[self._at : place]
                self._at = place
                return found

    def broken(self, expected: str) -> Unreadable:
        """That something else stands here than what must."""
        return Unreadable(
            None,
            f"this is not the JSON that was expected, at byte {self.place}",
            self._held[self._at :][:40],
            expected,
        )


def iter_elements(chunks: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    """(member's name, JSON of one element) of every array in the document, in the order of the document. What is no
    array is given whole. Raises: Unreadable (no JSON object, an element too long), and whatever the chunks raise."""
    text = _Text(chunks)
    if text.peek() == _BOM[:1]:
        for byte in _BOM:
            text.take(bytes([byte]))
    if not text.take(b"{"):
        raise text.broken("a JSON object")
    following = b"}"
    while not text.take(following):
        if following == b"}" and text.peek() != b'"':
            raise text.broken("the name of a member")
        yield from _member(text)
        if text.take(b"}"):
            break
        if not text.take(b","):
            raise text.broken("a comma or the end of the object")
        following = b"\0"
    if text.peek():
        raise text.broken("the end of the file")


def _member(text: _Text) -> Iterator[tuple[str, bytes]]:
    name = text.value().strip(b'"').decode("utf-8", "replace")
    if not text.take(b":"):
        raise text.broken("a colon")
    if not text.take(b"["):
        yield name, text.value()
        return
    if text.take(b"]"):
        return
    while True:
        yield name, text.value()
        if text.take(b"]"):
            return
        if not text.take(b","):
            raise text.broken("a comma or the end of the array")
