"""Records as importers say them: JSON of the wire, without producer and sequence, instants as microseconds.

Neither producer nor sequence is sent, so that a repeated import says the same bytes and changes nothing.
"""

from typing import Any, Final

import msgspec


class Statement(msgspec.Struct, tag_field="kind", omit_defaults=True, gc=False):
    """One line of NDJSON."""


class Announced(Statement, tag="transaction"):
    """A transaction. Without `created_at` it is opened at the earliest instant known of it."""

    id: str
    flow: str
    object_type: str
    object_id: str
    at: int | None = None
    created_at: int | None = None
    keys: dict[str, str] | None = None
    attributes: dict[str, Any] | None = None
    trace: str | None = None


class Executed(Statement, tag="block"):
    """One execution."""

    transaction: str
    id: str
    block: str
    status: str
    stage: str | None = None
    parent: str | None = None
    attempt: int | None = None
    queued_at: int | None = None
    started_at: int | None = None
    ended_at: int | None = None
    worker: str | None = None
    details: dict[str, Any] | None = None
    skip: dict[str, Any] | None = None
    at: int | None = None
    """Where no other instant says when."""


class Ended(Statement, tag="end"):
    """How a transaction ended."""

    transaction: str
    outcome: str
    ended_at: int


class Linked(Statement, tag="link"):
    """A relation of two transactions."""

    parent: str
    child: str
    relation: str


encode: Final = msgspec.json.Encoder().encode
"""The line of a statement, without its line end."""


def execution_id(position: int) -> str:
    """The id of what stands at that position of its file, from 0: the position plus one, so that it is never zero
    and ties on instants keep the file's order."""
    return f"{position + 1:016x}"
