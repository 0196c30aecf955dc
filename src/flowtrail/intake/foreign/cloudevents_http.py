"""The HTTP binding of CloudEvents: which of the three content modes a request is in, and what its events are.

Structured and batched: the body holds them in the JSON format. Binary: headers hold the attributes, the body the data.
"""

import base64
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from flowtrail.intake.bodies import decompress
from flowtrail.intake.chunks import cut
from flowtrail.intake.exact import parse_json
from flowtrail.intake.foreign.cloudevents import EventDefaults, event_mapping
from flowtrail.intake.foreign.events import Events, read_events, translate
from flowtrail.model.errors import Refusal

PREFIX: Final = "ce-"
STRUCTURED: Final = "application/cloudevents+json"
BATCHED: Final = "application/cloudevents-batch+json"
ALLOWED_TYPES: Final = (
    f"{STRUCTURED}, {BATCHED}, application/json, or any with the event's attributes in ce- headers"
)

_FAMILY: Final = re.compile(r"application/cloudevents(-batch)?\s*(\+[\w.-]+)?")
_PLAIN: Final = frozenset({"", "application/json", "text/json"})
_UTF8: Final = frozenset({"", "utf-8", "utf8", "us-ascii"})
_EMPTY_BATCH: Final = re.compile(rb"\s*\[\s*\]\s*")
_PERCENT: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_QUOTED: Final = re.compile(rb'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_MOST_HEADERS: Final = 128
_TEXT_TYPES: Final = ("text/", "application/xml", "application/javascript")

Headers = Sequence[tuple[bytes, bytes]]
"""Names in lower case and values, as they came."""


def read_cloudevents(
    tenant: str,
    body: bytes,
    content_type: str | None,
    content_encoding: str | None,
    received_at: int,
    *,
    headers: Headers,
    defaults: EventDefaults,
) -> Events:
    """The records of a request's events. An empty batch has none, and is fine.

    Raises: Refusal for the request as a whole: 415 `unsupported_media_type`, `unsupported_encoding`; 413
    `body_too_large`, `compression_ratio`, `too_many_records`; 400 `broken_compression`, `empty_body`, `not_utf8`,
    `invalid_json`.
    """
    attributes = [(name[3:].decode("latin-1"), value) for name, value in headers if name.startswith(b"ce-")]
    binary = _is_binary(content_type, attributes)
    data = decompress(body, content_encoding)
    mapping = event_mapping(tenant, defaults, received_at)
    if binary:
        return translate([_binary_event(attributes, data, content_type)], mapping, received_at)
    if _EMPTY_BATCH.fullmatch(data):
        return Events([], [], received_at, 0)
    texts = [text for chunk in cut(data, lines=False) for text in chunk.texts]
    return read_events(texts, mapping, received_at)


def _is_binary(content_type: str | None, attributes: Sequence[tuple[str, bytes]]) -> bool:
    """Whether headers hold the event. Raises: Refusal (415)."""
    media_type, _, rest = (content_type or "").partition(";")
    media_type = media_type.strip().lower()
    charset = re.search(r"charset\s*=\s*\"?([\w.:-]*)", rest, re.IGNORECASE)
    family = media_type.startswith("application/cloudevents")
    if not family and attributes:
        return True
    if family:
        match = _FAMILY.fullmatch(media_type)
        known = match is not None and match[2] in {None, "+json"}
    else:
        known = media_type in _PLAIN
    if known and (charset is None or charset[1].lower() in _UTF8):
        return False
    message = "events are UTF-8" if known else "Content-Type names no form of events that is read here"
    raise Refusal("unsupported_media_type", message, "Content-Type", content_type, ALLOWED_TYPES, 415)


def _binary_event(
    attributes: Sequence[tuple[str, bytes]], data: bytes, content_type: str | None
) -> dict[str, Any] | Refusal:
    try:
        event = _attributes(attributes)
        if content_type:
            event["datacontenttype"] = content_type
        if data:
            event |= _data(data, content_type)
    except Refusal as refusal:
        return refusal
    return event


def _attributes(attributes: Sequence[tuple[str, bytes]]) -> dict[str, Any]:
    if len(attributes) > _MOST_HEADERS:
        raise Refusal(
            "too_many",
            "there are too many ce- headers",
            "headers",
            len(attributes),
            f"at most {_MOST_HEADERS}",
        )
    event: dict[str, Any] = {}
    for name, value in attributes:
        if name in event:
            raise Refusal("repeated_name", "the header stands twice", PREFIX + name, name, "each header once")
        if name in {"datacontenttype", "data", "data_base64"}:
            raise Refusal(
                "contradiction",
                "in binary mode the body is the data, and Content-Type says what it is",
                PREFIX + name,
                None,
                "Content-Type and the body",
            )
        event[name] = _header_text(value, PREFIX + name)
    return event


def _header_text(value: bytes, field: str) -> str:
    """A header's value by the binding: double quotes unescaped, then percent-decoded once. Raises: Refusal."""
    value = _QUOTED.sub(lambda match: re.sub(rb"\\(.)", rb"\1", match[1], flags=re.DOTALL), value.strip())
    value = _PERCENT.sub(lambda match: bytes.fromhex(match[1].decode()), value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Refusal(
            "not_utf8", "the header is not UTF-8", field, value.hex(" "), "UTF-8, percent-encoded"
        ) from None


def _data(data: bytes, content_type: str | None) -> dict[str, Any]:
    """The data as the JSON format says it: JSON as it is, text as text, everything else in Base64.

    What is not the JSON that its type promises is text all the same: clients send strings without their quotes under
    the type they have for everything, and the event is worth more than its form.
    """
    media_type = (content_type or "").partition(";")[0].strip().lower()
    is_json = not media_type or media_type.endswith(("/json", "+json"))
    if is_json:
        with suppress(Refusal):
            return {"data": parse_json(data)}
    is_text = is_json or media_type.startswith(_TEXT_TYPES) or media_type.endswith("+xml")
    if is_text and b"\0" not in data:
        with suppress(UnicodeDecodeError):
            return {"data": data.decode()}
    return {"data_base64": base64.b64encode(data).decode()}
