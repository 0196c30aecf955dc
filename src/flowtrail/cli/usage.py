"""What was typed wrong, in the words and the form of every other failure."""

import re
from collections.abc import Sequence
from typing import Annotated, Final

from cyclopts import (
    CycloptsError,
    Parameter,
    Token,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from flowtrail.cli.failures import USAGE, Failure

_MISSING: Final = re.compile(r"parameter (\S+) requires an argument")
_MEANT: Final = re.compile(r"Did you mean \"?([^\"?]+)\"?\?")
_NAMED: Final = re.compile(r"Unknown (?:command|option):? \"?([^\s\"]+?)\"?\.")


def usage(error: CycloptsError) -> str:
    """A sentence, and which help has more."""
    command = " ".join(("flowtrail", *(error.command_chain or ()), "--help"))
    return f"{_said(error)}; see {command}"


def _said(error: CycloptsError) -> str:
    told = str(error)
    if isinstance(error, UnusedCliTokensError):
        words = " ".join(map(repr, error.unused_tokens or ()))
        return f"too many words: {words} (a value with spaces stands in quotes)"
    if (missing := _MISSING.search(told)) is not None:
        name = missing[1]
        return f"{name} needs a value" if name.startswith("-") else f"{name} is missing"
    named, meant = _NAMED.search(told), _MEANT.search(told)
    if named is not None and isinstance(error, UnknownCommandError | UnknownOptionError):
        what = "command" if isinstance(error, UnknownCommandError) else "option"
        near = f"; did you mean {meant[1]}?" if meant else ""
        return f"there is no {what} {named[1]}{near}"
    return told.rstrip(".")


def _whole(_: type, tokens: Sequence[Token]) -> int:
    token = tokens[0]
    try:
        return int(token.value)
    except ValueError:
        raise Failure(f"{token.keyword} is a whole number; received {token.value!r}", USAGE) from None


Whole = Annotated[int, Parameter(converter=_whole)]
"""A whole number, and nothing that has to be rounded to one: `--port 1.5` is no port."""
