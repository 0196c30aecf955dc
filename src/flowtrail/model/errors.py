"""The error tree: an error's class says the fact, its docstring what happened and what the user can do."""

from typing import Any


class FlowtrailError(Exception):
    """Root of everything Flowtrail raises on purpose."""


class Refusal(FlowtrailError):
    """Input that is refused: a stable code, where it stood, what came, and what is allowed."""

    def __init__(
        self,
        code: str,
        message: str,
        field: str | None = None,
        received: Any = None,
        allowed: str | None = None,
        status: int = 400,
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.field = code, message, field
        self.received, self.allowed, self.status = shorten(received), allowed, status


def shorten(value: Any, limit: int = 120) -> str | None:
    """What came, as text fit for an answer: never more than `limit` characters, never failing on odd text."""
    if value is None:
        return None
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
    text = text if isinstance(text, str) else repr(text)
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def counted(number: int, things: str) -> str:
    """So many things, given as a plural that one thing takes the last letter from: "2 records", "1 record"."""
    return f"{number} {things[:-1] if number == 1 else things}"


class StoreError(FlowtrailError):
    """Something about the store, not about what the user sent."""


class StoreUnavailable(StoreError):
    """The store could not be reached or answered with an I/O error; whether a write took place is unknown, and
    sending the same records again is safe."""


class StoreFull(StoreError):
    """No space is left; nothing was written. Free space, and intake goes on by itself."""


class StoreMissing(StoreError):
    """There is no store at that place; `flowtrail serve --store …` creates one."""


class StoreTooNew(StoreError):
    """The store was written by a newer Flowtrail; upgrade this one."""


class StoreHeld(StoreError):
    """Another server holds this store; the message carries its address."""


class PageConflict(StoreError):
    """Another page stands at that writer's sequence: the journal was altered or a writer's name was used twice."""


class LeaseLost(StoreError):
    """Another projector took over; drop every cached state and stop writing."""


class Damaged(StoreError):
    """What was read does not match its hash, or is not what was stored; views can be made anew by `flowtrail rebuild`."""
