"""OTLP traces at intake: a body becomes canonical records, and refusals span by span.

body ── otlp_protobuf or otlp_json ──► spans ── otlp_plain: ordinary ones, by column ──► canonical bytes
                                         │ anything else
                                         ▼
                                   otlp_mapping: one by one ──► canonical bytes, or a refusal
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from flowtrail.intake.admission import Reader
from flowtrail.intake.bodies import decompress
from flowtrail.intake.foreign import otlp_json, otlp_protobuf
from flowtrail.intake.foreign.otlp_mapping import Mapping
from flowtrail.intake.foreign.otlp_origin import Origin
from flowtrail.intake.foreign.otlp_settings import TraceSettings
from flowtrail.intake.foreign.otlp_spans import Span
from flowtrail.intake.wire import Decoded, Rejected
from flowtrail.model.errors import Refusal, shorten
from flowtrail.model.limits import MAX_BODY_RECORDS

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"


def media_type(content_type: str | None) -> str:
    """The encoding of a request. Raises: Refusal (415 `unsupported_media_type`)."""
    found = (content_type or "").partition(";")[0].strip().lower()
    if found in {PROTOBUF, JSON}:
        return found
    raise Refusal(
        "unsupported_media_type",
        "Content-Type must name an encoding of OTLP",
        "Content-Type",
        content_type,
        f"{PROTOBUF} or {JSON}",
        415,
    )


def trace_reader(settings: TraceSettings) -> Reader:
    """What reads traces as these settings say. `index` of a refusal counts the body's spans from 0."""

    def read(
        tenant: str, body: bytes, content_type: str | None, content_encoding: str | None, received_at: int
    ) -> Decoded:
        kind = media_type(content_type)
        plain = decompress(body, content_encoding)
        read_all = _protobuf if kind == PROTOBUF else _json
        into = _Into(Mapping(tenant, settings))
        for path, origin, span, view in read_all(plain):
            into.add(path, origin, span, view)
        return Decoded(None, into.encoded, into.rejected, received_at)

    return read


class _Into:
    """What became of the spans so far."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        self.encoded: list[bytes] = []
        self.rejected: list[Rejected] = []
        self._spans = 0

    def add(self, path: str, origin: Origin, read: Callable[[Any], Span], view: Any) -> None:
        try:
            self.encoded += self._mapping.encoded(read(view), origin)
        except Refusal as refusal:
            field = path if refusal.field is None else f"{path}.{refusal.field}"
            self.rejected.append(
                Rejected(
                    self._spans,
                    refusal.code,
                    shorten(field),
                    refusal.received,
                    refusal.allowed,
                    refusal.message,
                )
            )
        self._spans += 1


def _protobuf(body: bytes) -> Iterator[tuple[str, Origin, Callable[[Any], Span], Any]]:
    traces = otlp_protobuf.parse(body)
    _check_count(sum(len(scope.spans) for _, _, scope in otlp_protobuf.groups(traces)))
    for path, resource, scope in otlp_protobuf.groups(traces):
        origin = Origin(
            otlp_protobuf.read_resource(resource.resource, resource.schema_url),
            otlp_protobuf.read_scope(scope.scope, scope.schema_url),
        )
        for place, view in enumerate(scope.spans):
            yield f"{path}.spans[{place}]", origin, otlp_protobuf.read_span, view


def _json(body: bytes) -> Iterator[tuple[str, Origin, Callable[[Any], Span], Any]]:
    traces = otlp_json.parse(body)
    _check_count(sum(len(scope.spans or ()) for _, _, scope in otlp_json.groups(traces)))
    for path, resource, scope in otlp_json.groups(traces):
        origin = Origin(
            otlp_json.read_resource(resource.resource, resource.schema_url),
            otlp_json.read_scope(scope.scope, scope.schema_url),
        )
        for place, view in enumerate(scope.spans or ()):
            yield f"{path}.spans[{place}]", origin, otlp_json.read_span, bytes(view)


def _check_count(spans: int) -> None:
    if spans > MAX_BODY_RECORDS:
        raise Refusal(
            "too_many_records",
            "the body holds too many spans; send them in several requests",
            "body",
            spans,
            f"at most {MAX_BODY_RECORDS} spans",
            413,
        )
