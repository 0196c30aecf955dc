"""JSON events of foreign protocols: each becomes some statements in the terms of our own records, which are then read
and checked as if a producer had sent them.

    body ── bodies, chunks ──► texts ──► mapping: one event, its statements ──► canonical bytes, or one refusal

An event is accepted whole or refused whole, and spoils no other.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from flowtrail.intake.exact import parse_json
from flowtrail.intake.fields import an_object
from flowtrail.intake.suspects import read_value
from flowtrail.intake.wire import Decoded, Rejected
from flowtrail.model.errors import Refusal, shorten
from flowtrail.model.limits import MAX_BODY_RECORDS, MAX_RECORD_BYTES
from flowtrail.model.records import encode_record

MAX_EVENT_BYTES: Final = 1024 * 1024
"""An event's JSON as it came. Its larger values are left out of the record, which is smaller (see `fitting`)."""


class Statement(NamedTuple):
    """A record in the terms of the wire; `places` tells where in the event its fields came from."""

    fields: dict[str, Any]
    places: Mapping[str, str]


EventMapping = Callable[[dict[str, Any]], list[Statement]]
"""What an event says. Raises: Refusal, whose field is the event's own; RecursionError."""


class Events(Decoded):
    """As `Decoded`; `accepted` counts the events, each of which became some records."""

    __slots__ = ("accepted",)

    def __init__(
        self, encoded: list[bytes], rejected: list[Rejected], received_at: int, accepted: int
    ) -> None:
        super().__init__(None, encoded, rejected, received_at)
        self.accepted = accepted


class CountingReader:
    """A reader of events for one request; `accepted` is how many of them became records, once it has read."""

    def __init__(self, read: Callable[[str, bytes, str | None, str | None, int], Events]) -> None:
        self._read = read
        self.accepted = 0

    def __call__(
        self,
        tenant: str,
        body: bytes,
        content_type: str | None,
        content_encoding: str | None,
        received_at: int,
    ) -> Events:
        events = self._read(tenant, body, content_type, content_encoding, received_at)
        self.accepted = events.accepted
        return events


def read_events(texts: Iterable[bytes], mapping: EventMapping, received_at: int) -> Events:
    """The records of events that came as JSON texts. Raises: Refusal (`too_many_records`)."""
    return translate((_parsed(text) for text in texts), mapping, received_at)


def translate(events: Iterable[dict[str, Any] | Refusal], mapping: EventMapping, received_at: int) -> Events:
    """The records of events; what could not be read as one stands in its place. Raises: Refusal (`too_many_records`)."""
    encoded: list[bytes] = []
    rejected: list[Rejected] = []
    accepted = 0
    for index, event in enumerate(events):
        records = event if isinstance(event, Refusal) else _records(event, mapping)
        if isinstance(records, Refusal):
            rejected.append(
                Rejected(
                    index,
                    records.code,
                    shorten(records.field),
                    records.received,
                    records.allowed,
                    records.message,
                )
            )
            continue
        accepted += 1
        encoded += records
        if len(encoded) > MAX_BODY_RECORDS:
            raise Refusal(
                "too_many_records",
                "the events make too many records for one request",
                "body",
                None,
                f"at most {MAX_BODY_RECORDS} records",
                413,
            )
    return Events(encoded, rejected, received_at, accepted)


def _parsed(text: bytes) -> dict[str, Any] | Refusal:
    if len(text) > MAX_EVENT_BYTES:
        return _too_large(f"{len(text)} bytes", MAX_EVENT_BYTES)
    try:
        return an_object(parse_json(text), None)
    except Refusal as refusal:
        return refusal


def _records(event: dict[str, Any], mapping: EventMapping) -> list[bytes] | Refusal:
    try:
        return [_encoded(statement) for statement in mapping(event)]
    except Refusal as refusal:
        return refusal
    except RecursionError:
        return Refusal("too_deep", "the JSON is nested too deep", None, None, "some hundred levels")


def _encoded(statement: Statement) -> bytes:
    try:
        encoded = encode_record(read_value(statement.fields))
    except Refusal as refusal:
        refusal.field = _place(refusal.field, statement.places)
        raise
    if len(encoded) > MAX_RECORD_BYTES:
        raise _too_large(f"{len(encoded)} bytes", MAX_RECORD_BYTES)
    return encoded


def _place(field: str | None, places: Mapping[str, str]) -> str | None:
    """The path in the event of a field of ours: by the longest beginning that is known."""
    if field is None:
        return None
    for end in range(len(field), 0, -1):
        known = places.get(field[:end]) if end == len(field) or field[end] in ".[" else None
        if known is not None:
            return f"{known}{field[end:]}".removeprefix(".") or None
    return field


def _too_large(received: str, most: int) -> Refusal:
    return Refusal("record_too_large", "the event is too large", None, received, f"at most {most} bytes")
