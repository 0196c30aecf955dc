"""What was wrong with a row, told so that it can be found and mended."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flowtrail.model.errors import shorten
from flowtrail.model.limits import MAX_MAP_NAMES


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that was left out: the row (the line of NDJSON; the data row otherwise, both from 1; None: the whole
    file), the field, what came and what is allowed."""

    row: int | None
    field: str | None
    received: str | None
    allowed: str | None
    message: str

    def __str__(self) -> str:
        place = ", ".join(part for part in (f"row {self.row}" if self.row else "", self.field or "") if part)
        told = f"{place}: {self.message}" if place else self.message
        if self.received is not None:
            told += f"; received {self.received!r}"
        if self.allowed:
            told += f"; allowed: {self.allowed}"
        return told


Problems = Callable[[Problem], None]
"""Is told every problem, in order of the file."""


def bounded(facts: dict[str, Any], what: str, row: int | None, problems: Problems) -> dict[str, Any] | None:
    """As many facts as a record may have, the smallest names first; that others are left out is told."""
    if len(facts) > MAX_MAP_NAMES:
        came = f"{len(facts)} {what}"
        problems(Problem(row, what, came, f"at most {MAX_MAP_NAMES}", f"{what} are left out"))
        facts = dict(sorted(facts.items())[:MAX_MAP_NAMES])
    return facts or None


class Unreadable(Exception):
    """A row or value that cannot be used; whoever reads rows knows where it stands and goes on."""

    def __init__(
        self, field: str | None, message: str, received: Any = None, allowed: str | None = None
    ) -> None:
        super().__init__(message)
        self.field, self.message, self.received, self.allowed = field, message, shorten(received), allowed

    def at(self, row: int | None) -> Problem:
        """The same as a problem of that row."""
        return Problem(row, self.field, self.received, self.allowed, self.message)
