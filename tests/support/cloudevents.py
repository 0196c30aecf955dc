"""CloudEvents as a client sends them, and what intake makes of them."""

import json

from flowtrail.intake.foreign.cloudevents import EventDefaults
from flowtrail.intake.foreign.cloudevents_http import read_cloudevents
from flowtrail.model.instants import parse_instant

NONE = EventDefaults()
NOW = parse_instant("2026-11-23T12:00:00Z", None)
STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"


def event(**more):
    return {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/shop",
        "type": "com.example.order.mapped",
        "subject": "4711",
        "time": "2026-11-23T10:00:00Z",
    } | more


def binary(*more: bytes) -> list[tuple[bytes, bytes]]:
    pairs = list(zip(more[::2], more[1::2], strict=True))
    return [
        (b"ce-specversion", b"1.0"),
        (b"ce-id", b"1"),
        (b"ce-source", b"/s"),
        (b"ce-type", b"a.b"),
        *pairs,
    ]


def read(
    body,
    content_type=STRUCTURED,
    headers=(),
    defaults=NONE,
    tenant="default",
    now=NOW,
    coding=None,
):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_cloudevents(tenant, raw, content_type, coding, now, headers=headers, defaults=defaults)


def refusal(body, **given):
    decoded = read(body, **given)
    assert decoded.encoded == []
    (rejected,) = decoded.rejected
    return rejected
