"""What all spans of one resource and scope share, worked out once."""

from typing import Any, Final

from flowtrail.intake.foreign import otlp_conventions as names
from flowtrail.intake.foreign.otlp_spans import Resource, Scope
from flowtrail.intake.foreign.otlp_values import FEW_TEXT_CHARS, MAX_TEXT_CHARS, Cuts, as_text
from flowtrail.model.limits import MAX_DEPTH, MAX_MAP_NAMES, MAX_NAME_CHARS
from flowtrail.model.records import encode_record

FALLBACK_FLOW: Final = "traces"
MAX_RESOURCE_NAMES: Final = 128


class Origin:
    """A resource and a scope as their spans' records need them.

    `details` stand at every execution, `arrival` at those with which work enters a service; what had to be cut for
    them is counted in `cuts` and `arrival_cuts`. `size_bytes` is what both take in a record.
    """

    __slots__ = (
        "_closer",
        "_told",
        "arrival",
        "arrival_cuts",
        "attributes",
        "cuts",
        "details",
        "flow",
        "service",
        "size_bytes",
        "version",
        "worker",
    )

    def __init__(self, resource: Resource, scope: Scope, text_chars: int = MAX_TEXT_CHARS) -> None:
        self._told = resource, scope
        self._closer: Origin | None = None
        cuts = Cuts(text_chars)
        self.attributes = told = dict(resource.attributes)
        self.service = _text(cuts, told.get(names.SERVICE))
        self.flow = _text(cuts, told.get(names.FLOW)) or self.service or FALLBACK_FLOW
        self.version = _text(cuts, names.first(told, (names.FLOW_VERSION, names.SERVICE_VERSION)))
        self.worker = _text(cuts, names.first(told, (names.WORKER, *names.WORKERS)))
        self.details = self._details(cuts, scope)
        self.cuts = cuts.count
        self.arrival: dict[str, Any] = {}
        cuts = Cuts(text_chars)
        kept = cuts.map(resource.attributes, MAX_DEPTH - 1, MAX_RESOURCE_NAMES)
        if kept:
            self.arrival["otel.resource"] = kept
        if resource.schema_url:
            self.arrival["otel.resource.schema_url"] = cuts.text(resource.schema_url)
        if resource.dropped:
            self.arrival["otel.resource.dropped_attributes_count"] = resource.dropped
        self.arrival_cuts = cuts.count
        self.size_bytes = len(encode_record((self.details, self.arrival)))

    def closer(self) -> "Origin":
        """The same cut closer, for a span that would be too large with it."""
        if self._closer is None:
            self._closer = Origin(*self._told, FEW_TEXT_CHARS)
        return self._closer

    def _details(self, cuts: Cuts, scope: Scope) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.service:
            found["service.name"] = self.service
        if scope.name:
            found["otel.scope.name"] = cuts.text(scope.name)
        if scope.version:
            found["otel.scope.version"] = cuts.text(scope.version)
        if scope.attributes:
            found["otel.scope.attributes"] = cuts.map(scope.attributes, MAX_DEPTH - 1, MAX_MAP_NAMES)
        if scope.schema_url:
            found["otel.scope.schema_url"] = cuts.text(scope.schema_url)
        if scope.dropped:
            found["otel.scope.dropped_attributes_count"] = scope.dropped
        return found


def _text(cuts: Cuts, value: Any) -> str | None:
    """A short text that stands on its own; None without one."""
    return None if value is None else cuts.text(as_text(value), MAX_NAME_CHARS) or None
