"""Where commands print: answers to stdout, progress and complaints to stderr."""

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from io import TextIOWrapper
from typing import Any, Final

import msgspec
from rich.console import Console

from flowtrail.projection.life import safe
from flowtrail.projection.life import told_seconds as seconds

__all__ = [
    "Terminal",
    "answers",
    "errors",
    "fitting",
    "json_text",
    "moment",
    "print_json",
    "safe",
    "seconds",
    "show_all",
    "size",
]

_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]+")
_CONTROLS: Final = re.compile(r"[\x7f-\x9f]")
"""What JSON may hold as it is, and a terminal obeys."""
_SIZES: Final = ("B", "kB", "MB", "GB", "TB")
_GAP: Final = 2
"""Between columns of a table."""
_STEP: Final = 1000
_UNBOUNDED: Final = 1_000
"""Columns where no terminal limits them: what goes to a file or a pipe is never cut."""


class Terminal(Console):
    """A console whose reader may leave: `flowtrail list | head` is no failure."""

    def on_broken_pipe(self) -> None:
        """Leave it to the command, which ends well."""
        raise BrokenPipeError


class Complaints(Console):
    """A console that may go on without its reader: what a command does, and its exit code, are not for that to change."""

    def on_broken_pipe(self) -> None:
        """Say no more, and have the interpreter's last flush go nowhere."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


answers = Terminal(
    highlight=False,
    soft_wrap=True,
    emoji=False,
    markup=False,
    width=None if sys.stdout.isatty() else _UNBOUNDED,
)
errors = Complaints(stderr=True, highlight=False, soft_wrap=True, emoji=False, markup=False)


def print_json(answer: Any) -> None:
    """One JSON document, indented, as the API gives it."""
    sys.stdout.write(json_text(msgspec.json.format(msgspec.json.encode(answer), indent=2)) + "\n")


def json_text(document: bytes) -> str:
    """JSON for standard output, with escapes for what a terminal would obey and what the output cannot encode: both
    stand in texts only."""
    text = _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", document.decode())
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = _NOT_ASCII.sub(lambda match: json.dumps(match[0])[1:-1], text)
    return text


def show_all() -> None:
    """Have standard output tell by their numbers the characters that it cannot encode, as standard error does."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def fitting(columns: Mapping[str, int], spare: Sequence[str]) -> list[str]:
    """The columns of a table that fit the terminal: all of them (title to width), but for the first of the `spare`
    ones as long as there is no room. Otherwise the names of things would be squeezed until nobody could read them."""
    left = dict(columns)
    for title in spare:
        if sum(left.values()) + _GAP * (len(left) - 1) <= answers.width:
            break
        left.pop(title, None)
    return list(left)


def moment(text: str | None) -> str:
    """An instant as people read it in a table: to the second, UTC."""
    return "" if text is None else text[:19].replace("T", " ")


def size(size_bytes: float) -> str:
    """A number of bytes as people read it, by powers of a thousand, as bars of progress count."""
    units = iter(_SIZES)
    unit = next(units)
    # From 999.5 on it would be written as a thousand.
    while size_bytes >= _STEP - 0.5 and (larger := next(units, None)) is not None:
        size_bytes, unit = size_bytes / _STEP, larger
    places = 0 if unit == "B" or size_bytes >= 99.95 else 1
    return f"{size_bytes:.{places}f} {unit}"
