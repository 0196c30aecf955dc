"""How commands fail: a sentence and an exit code."""

from typing import Final

FAILED: Final = 1
USAGE: Final = 2
NOT_FOUND: Final = 3
INTERRUPTED: Final = 130
"""By Ctrl-C, as shells count it."""


class Failure(Exception):
    """The command cannot go on; the text says why and what the user can do."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code
