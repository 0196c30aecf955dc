"""Where commands print: answers to stdout, progress and complaints to stderr."""

import sys
from typing import Any, Final

import msgspec
from rich.console import Console

from flowtrail.projection.life import safe
from flowtrail.projection.life import told_seconds as seconds

__all__ = ["Terminal", "answers", "errors", "moment", "print_json", "safe", "seconds"]

_UNBOUNDED: Final = 1_000
"""Columns where no terminal limits them: what goes to a file or a pipe is never cut."""


class Terminal(Console):
    """A console whose reader may leave: `flowtrail list | head` is no failure."""

    def on_broken_pipe(self) -> None:
        """Leave it to the command, which ends well."""
        raise BrokenPipeError


answers = Terminal(
    highlight=False,
    soft_wrap=True,
    emoji=False,
    markup=False,
    width=None if sys.stdout.isatty() else _UNBOUNDED,
)
errors = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False, markup=False)


def print_json(answer: Any) -> None:
    """One JSON document, indented, as the API gives it."""
    text = msgspec.json.format(msgspec.json.encode(answer), indent=2)
    sys.stdout.write(text.decode() + "\n")


def moment(text: str | None) -> str:
    """An instant as people read it in a table: to the second, UTC."""
    return "" if text is None else text[:19].replace("T", " ")
