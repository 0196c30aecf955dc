"""Bodies of OTLP, written as the JSON of the standard and brought to either encoding."""

import base64
import json
import math
from typing import Any

import msgspec
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from flowtrail.intake.foreign.otlp import JSON, PROTOBUF, trace_reader
from flowtrail.intake.foreign.otlp_settings import TraceSettings
from flowtrail.intake.wire import Decoded

Json = dict[str, Any]
TRACE = "5b8efff798038103d269b633813fc60c"
SPAN = "eee19b7ec3c1b174"
PARENT = "eee19b7ec3c1b173"
START = 1_790_000_000_000_000_000
END = START + 250_000_000


def value(held: Any) -> Json:
    """A value as OTLP's JSON says it."""
    if isinstance(held, bool):
        return {"boolValue": held}
    if isinstance(held, int):
        return {"intValue": str(held)}
    if isinstance(held, float):
        return {"doubleValue": held if math.isfinite(held) else str(held).replace("inf", "Infinity")}
    if isinstance(held, bytes):
        return {"bytesValue": base64.b64encode(held).decode()}
    if isinstance(held, list):
        return {"arrayValue": {"values": [value(each) for each in held]}}
    if isinstance(held, dict):
        return {"kvlistValue": {"values": attributes(held)}}
    return {} if held is None else {"stringValue": held}


def attributes(told: Json) -> list[Json]:
    """Attributes as OTLP's JSON says them."""
    return [{"key": name, "value": value(held)} for name, held in told.items()]


def span(told: Json | None = None, **more: Any) -> Json:
    """A span of a child that was done; `told` are its attributes."""
    return {
        "traceId": TRACE,
        "spanId": SPAN,
        "parentSpanId": PARENT,
        "name": "map order",
        "kind": 1,
        "startTimeUnixNano": str(START),
        "endTimeUnixNano": str(END),
        "attributes": attributes(told or {}),
    } | more


def root(told: Json | None = None, **more: Any) -> Json:
    """A span without a parent."""
    return span(told, **{"spanId": PARENT, "parentSpanId": "", "name": "POST /orders", "kind": 2} | more)


def exception(**told: Any) -> Json:
    """An event that tells of an exception."""
    return {
        "timeUnixNano": str(START + 1_000_000),
        "name": "exception",
        "attributes": attributes({f"exception.{name}": held for name, held in told.items()}),
    }


def request(*spans: Json, resource: Json | None = None, scope: Json | None = None) -> Json:
    """A body of one resource and scope."""
    told = {"service.name": "shop"} if resource is None else resource
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": attributes(told)},
                "scopeSpans": [{"scope": scope or {}, "spans": list(spans)}],
            }
        ]
    }


def protobuf(body: Json) -> bytes:
    """The same in protobuf, whose own JSON has ids in base64."""
    held = json.loads(json.dumps(body))
    _to_base64(held)
    return json_format.ParseDict(
        held, ExportTraceServiceRequest(), ignore_unknown_fields=True
    ).SerializeToString()


def _to_base64(held: Any) -> None:
    if isinstance(held, list):
        for each in held:
            _to_base64(each)
    elif isinstance(held, dict):
        for name, each in held.items():
            if name in {"traceId", "spanId", "parentSpanId"}:
                held[name] = base64.b64encode(bytes.fromhex(each)).decode()
            else:
                _to_base64(each)


def encode(body: Json, kind: str) -> bytes:
    """The body in that encoding."""
    return protobuf(body) if kind == PROTOBUF else json.dumps(body).encode()


def read(
    body: Json | bytes, kind: str = JSON, settings: TraceSettings | None = None, tenant: str = "default"
) -> Decoded:
    """What intake makes of a body."""
    raw = body if isinstance(body, bytes) else encode(body, kind)
    return trace_reader(settings or TraceSettings())(tenant, raw, kind, None, 0)


def told(decoded: Decoded) -> list[Json]:
    """The records as plain JSON, each with its kind, ids in hex, without what is absent."""
    found = []
    for record in decoded.records:
        fields = {name: getattr(record, name) for name in record.__struct_fields__}
        plain: Json = msgspec.to_builtins(
            {"kind": record.__struct_config__.tag, **fields}, builtin_types=(bytes,)
        )
        found.append(
            {
                name: held.hex() if isinstance(held, bytes) else held
                for name, held in plain.items()
                if held is not None
            }
        )
    return found
