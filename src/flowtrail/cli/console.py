"""Where commands print: answers to stdout, progress and complaints to stderr."""

import sys
from typing import Any, Final

import msgspec
from rich.console import Console

_UNBOUNDED: Final = 1_000
"""Columns where no terminal limits them: what goes to a file or a pipe is never cut."""

answers = Console(
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


def safe(text: Any) -> str:
    """Foreign text without control characters: a terminal must not obey what a producer wrote."""
    return "".join(c if c.isprintable() else "�" for c in str(text))


def seconds(value: float | None) -> str:
    """A duration as people read it."""
    if value is None:
        return ""
    if value < 0.001:
        return f"{value * 1e6:.0f} µs"
    if value < 1:
        return f"{value * 1e3:.4g} ms"
    if value < 120:
        return f"{value:.4g} s"
    if value < 7200:
        return f"{value / 60:.3g} min"
    return f"{value / 3600:.3g} h" if value < 172_800 else f"{value / 86_400:.3g} d"


def moment(text: str | None) -> str:
    """An instant as people read it in a table: to the second, UTC."""
    return "" if text is None else text[:19].replace("T", " ")
