"""Where one record ends: a plain body cut into chunks of records that are read together."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np

from flowtrail.model.errors import Refusal
from flowtrail.model.limits import MAX_BODY_RECORDS, MAX_RECORD_BYTES

AT_ONCE: Final = 1_024
"""Records of a chunk: enough that the fixed cost of reading one, 100 µs, is spread thin, and few enough that what
stands between text and bytes stays in the processor's cache and never amounts to more than some megabytes."""

_MARK: Final = b"\xef\xbb\xbf"
_SPACE: Final = b" \t\r\n"
_TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},"]', re.DOTALL)
"""What matters for telling elements apart: whole texts, brackets and commas, and a quote that nothing closes."""
_NEWLINE, _OPEN, _CLOSE = b"\n{}"
_MOST_BYTES: Final = 1024 * 1024
"""Of an array that is told apart by its brackets, which takes up to 0.3 s then; a larger one is refused whole."""
_EMPTY_ARRAY: Final = re.compile(rb"\[[ \t\r\n]*\]")
_raw_list: Final = msgspec.json.Decoder(list[msgspec.Raw])


class Chunk:
    """Some records of a body: `body` holds all their texts, `count` says how many they are."""

    __slots__ = ("_texts", "body", "count", "is_tidy")

    def __init__(self, body: bytes, texts: Sequence[bytes] | None = None, count: int = 0) -> None:
        self.body = body
        self._texts = texts
        self.count = count if texts is None else len(texts)
        self.is_tidy = texts is None
        """Every line begins with `{` and ends with `}`, and none is too long, as nearly always. When the whole is a
        sequence of JSON objects, each is a line then: nowhere inside one do `}`, a line end and `{` follow each other."""

    @property
    def texts(self) -> Sequence[bytes]:
        """The text of each record, never blank."""
        if self._texts is None:
            self._texts = self.body.split(b"\n")
        return self._texts


def cut(body: bytes, *, lines: bool) -> list[Chunk]:
    """The records of a plain body, blank lines left out; their grammar is not checked here. At least one record.

    Raises: Refusal (`empty_body`, `not_utf8`, `invalid_json`, `too_many_records`).
    """
    body = body.removeprefix(_MARK)
    if body.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in body[:4]:
        raise Refusal("not_utf8", "the body looks like UTF-16 or UTF-32", "body", body[:8].hex(" "), "UTF-8")
    body = body.strip(_SPACE)
    if not body or (not lines and _EMPTY_ARRAY.fullmatch(body)):
        raise Refusal("empty_body", "the body holds no record", "body", None, "at least one record")
    if lines:
        return _cut_lines(body)
    texts = _elements(body) if body.startswith(b"[") else [body]
    _check_count(len(texts))
    return [_of_texts(texts[first : first + AT_ONCE]) for first in range(0, len(texts), AT_ONCE)]


def _check_count(records: int) -> None:
    if records > MAX_BODY_RECORDS:
        raise Refusal(
            "too_many_records",
            "there are too many records in one request",
            "body",
            None,
            f"at most {MAX_BODY_RECORDS} records",
            413,
        )


def _of_texts(texts: Sequence[bytes]) -> Chunk:
    return Chunk(b"\n".join(texts), texts)


def _cut_lines(body: bytes) -> list[Chunk]:
    characters = np.frombuffer(body, np.uint8)
    ends = np.flatnonzero(characters == _NEWLINE)
    tidy = (
        int(np.diff(ends, prepend=-1, append=len(body)).max()) - 1 <= MAX_RECORD_BYTES
        and characters[0] == _OPEN
        and characters[-1] == _CLOSE
        and bool((characters[ends - 1] == _CLOSE).all())
        and bool((characters[ends + 1] == _OPEN).all())
    )
    if not tidy:
        # Bounded, since a body of line ends would make a list of eight times its size.
        _check_count(len(ends) // 2)
        texts = [line for line in body.split(b"\n") if line and not line.isspace()]
        _check_count(len(texts))
        return [_of_texts(texts[first : first + AT_ONCE]) for first in range(0, len(texts), AT_ONCE)]
    _check_count(len(ends) + 1)
    bounds = [-1, *ends[AT_ONCE - 1 :: AT_ONCE].tolist(), len(body)]
    return [
        Chunk(body[before + 1 : after], None, min(AT_ONCE, len(ends) + 1 - AT_ONCE * number))
        for number, (before, after) in enumerate(pairwise(bounds))
    ]


def _elements(body: bytes) -> list[bytes]:
    try:
        elements = _raw_list.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        return _elements_by_brackets(body)
    _check_count(len(elements))  # before each is copied: 20 MiB may be ten million
    return [bytes(raw) for raw in elements]


def _unsound(body: bytes) -> Refusal:
    return Refusal(
        "invalid_json",
        "the body is not a JSON array of records",
        "body",
        body[:40].decode("utf-8", "replace"),
        "an array of objects, or one object",
    )


def _elements_by_brackets(body: bytes) -> list[bytes]:
    """The elements of an array that holds something that is no JSON, so that it spoils no other."""
    if len(body) > _MOST_BYTES:
        raise _unsound(body)
    depth, start = 0, 1
    texts: list[bytes] = []
    for token in _TOKEN.finditer(body):
        mark = token[0]
        if mark in b"[{":
            depth += 1
        elif mark in b"]}":
            depth -= 1
        if mark == b'"':
            break  # a text without end
        if (mark == b"," and depth == 1) or (mark == b"]" and depth == 0):
            texts.append(body[start : token.start()].strip(_SPACE))
            start = token.end()
            _check_count(len(texts))
        if depth == 0:
            break
    if depth != 0 or start != len(body) or not body.endswith(b"]") or b"" in texts:
        raise _unsound(body)
    return texts
