"""One span while it is read: what every part of the mapping asks for."""

from typing import Any, Final

from flowtrail.intake.foreign import otlp_conventions as names
from flowtrail.intake.foreign.otlp_origin import Origin
from flowtrail.intake.foreign.otlp_settings import TraceSettings
from flowtrail.intake.foreign.otlp_spans import NO_PARENT, SPAN_ID_BYTES, TRACE_ID_BYTES, Span
from flowtrail.intake.foreign.otlp_values import Cuts, as_text
from flowtrail.model.errors import Refusal
from flowtrail.model.limits import (
    MAX_NAME_CHARS,
    MAX_OBJECT_ID_CHARS,
    NEWEST_INSTANT_US,
    OLDEST_INSTANT_US,
)

_ALLOWED_INSTANT: Final = "nanoseconds since 1970, from 2000 to before 2200"


class Reading:
    """One span while it is read."""

    def __init__(self, settings: TraceSettings, span: Span, origin: Origin, cuts: Cuts) -> None:
        self._settings, self.span, self.origin = settings, span, origin
        self.told: dict[str, Any] = dict(span.attributes)
        self.cuts = cuts
        self.used: set[str] = set()
        """Attributes of ours that were understood; the others stay details, as they came."""
        check_ids(span)
        if span.started_ns == 0:
            raise Refusal(
                "missing_instant", "the span has no beginning", "start_time_unix_nano", 0, _ALLOWED_INSTANT
            )
        self.started = _instant(span.started_ns, "start_time_unix_nano")
        self.ended = _instant(span.ended_ns, "end_time_unix_nano") if span.ended_ns else None
        self.root = span.parent_id in NO_PARENT
        if self.told.get(names.ROOT) is True:
            self.use(names.ROOT)
            self.root = True
        self.flow = self.text(names.FLOW) or origin.flow
        self.object = self._object()
        self.id = span.trace_id
        """The transaction, which may be another one."""

    def _object(self) -> tuple[str, str] | None:
        """Type and id of what the span names as its object; None when it names none."""
        said = self.text(names.OBJECT_ID, MAX_OBJECT_ID_CHARS)
        if said:
            return self.text(names.OBJECT_TYPE) or "object", said
        for named in self._settings.objects:
            held = names.first(self.told, named.attributes)
            if held is not None:
                return named.name, self.cuts.text(as_text(held), MAX_OBJECT_ID_CHARS)
        return None

    def text(self, name: str, most: int = MAX_NAME_CHARS) -> str | None:
        """What the span says under one of our names, as text that is not empty."""
        value = self.told.get(name)
        said = None if value is None else self.cuts.text(as_text(value), most)
        if not said:
            return None
        self.used.add(name)
        return said

    def use(self, name: str) -> Any:
        """The value of an attribute of ours that is understood as it is."""
        self.used.add(name)
        return self.told[name]


def check_ids(span: Span) -> None:
    """Raises: Refusal (`invalid_id`, `contradiction`) for a span that cannot be told from others."""
    for field, value, size in (
        ("trace_id", span.trace_id, TRACE_ID_BYTES),
        ("span_id", span.span_id, SPAN_ID_BYTES),
    ):
        if len(value) != size or not any(value):
            raise _invalid(field, value, size)
    if span.parent_id not in NO_PARENT and len(span.parent_id) != SPAN_ID_BYTES:
        raise _invalid("parent_span_id", span.parent_id, SPAN_ID_BYTES)
    if span.parent_id == span.span_id:
        raise Refusal(
            "contradiction",
            "a span is not its own parent",
            "parent_span_id",
            span.span_id.hex(),
            "another span",
        )


def _invalid(field: str, value: bytes, size: int) -> Refusal:
    said = "is all zero" if len(value) == size else f"has {len(value)} bytes"
    return Refusal("invalid_id", f"the id {said}", field, value.hex(), f"{size} bytes, not all zero")


def _instant(ns: int, field: str) -> int:
    us = ns // 1_000
    if OLDEST_INSTANT_US <= us < NEWEST_INSTANT_US:
        return us
    raise Refusal(
        "instant_out_of_range", "the instant lies outside 2000 to 2200", field, ns, _ALLOWED_INSTANT
    )
