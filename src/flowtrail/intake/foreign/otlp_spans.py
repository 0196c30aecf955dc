"""A span as OTLP tells it, whatever encoding it came in, and what it stands under."""

from collections.abc import Sized
from typing import Any, Final, NamedTuple

from flowtrail.model.errors import Refusal

Attributes = list[tuple[str, Any]]
"""In the order sent; a name may stand twice, then the last one counts. Values are what JSON can say, or bytes."""

TRACE_ID_BYTES: Final = 16
SPAN_ID_BYTES: Final = 8
NO_PARENT: Final = frozenset({b"", bytes(SPAN_ID_BYTES)})
"""What a root span has for a parent."""

UNSPECIFIED, INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = range(6)
KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")
UNSET, OK, ERROR = range(3)

HAS_IS_REMOTE: Final = 0x100
IS_REMOTE: Final = 0x200
SAMPLED: Final = 0x1
MOST_PARTS: Final = 10_000
"""Attributes, events, or links of one span: a hundred times what SDKs send. Two bytes are one, and read take hundreds."""


def check_parts(**parts: Sized | None) -> None:
    """Asked before they are read. Raises: Refusal (`too_many`)."""
    for name, held in parts.items():
        if held is not None and len(held) > MOST_PARTS:
            raise Refusal(
                "too_many", f"there are {len(held)}", name, len(held), f"at most {MOST_PARTS} of one span"
            )


class Dropped(NamedTuple):
    """How many the producer says it left out."""

    attributes: int = 0
    events: int = 0
    links: int = 0


class Event(NamedTuple):
    """Something that happened while a span ran."""

    name: str
    at_ns: int
    attributes: Attributes
    dropped: int = 0


class SpanLink(NamedTuple):
    """Another span that this one has to do with."""

    trace_id: bytes
    span_id: bytes
    attributes: Attributes
    trace_state: str = ""
    flags: int = 0
    dropped: int = 0


class Span(NamedTuple):
    """One span; ids as they came, instants in nanoseconds, 0 where there is none."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    name: str
    kind: int
    started_ns: int
    ended_ns: int
    attributes: Attributes
    events: tuple[Event, ...] = ()
    links: tuple[SpanLink, ...] = ()
    status: int = UNSET
    message: str = ""
    flags: int = 0
    trace_state: str = ""
    dropped: Dropped = Dropped()


class Resource(NamedTuple):
    """What produced spans."""

    attributes: Attributes
    schema_url: str = ""
    dropped: int = 0


class Scope(NamedTuple):
    """The instrumentation that made spans."""

    name: str = ""
    version: str = ""
    attributes: Attributes | tuple[()] = ()
    schema_url: str = ""
    dropped: int = 0
