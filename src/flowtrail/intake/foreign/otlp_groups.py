"""Spans of one resource and scope, as an encoding hands them over."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from flowtrail.intake.foreign.otlp_origin import Origin
from flowtrail.intake.foreign.otlp_plain import Looks, Row
from flowtrail.intake.foreign.otlp_spans import Resource, Scope, Span
from flowtrail.model.errors import Refusal
from flowtrail.model.limits import MAX_BODY_RECORDS

_KEPT: Final = 512
"""Origins remembered: services × their instrumentations."""
_KEPT_BYTES: Final = 16 * 1024
"""Of a resource and its scope; larger ones are read each time."""


def check_count(*counts: int) -> None:
    """Asked before anything is made of so many spans, scopes or resources: two bytes are one of them, and would take
    hundreds. Raises: Refusal (413 `too_many_records`)."""
    if max(counts) > MAX_BODY_RECORDS:
        raise Refusal(
            "too_many_records",
            "the body holds too many spans; send them in several requests",
            "body",
            max(counts),
            f"at most {MAX_BODY_RECORDS} spans, and no more scopes or resources",
            413,
        )


class Shared(NamedTuple):
    """What holds for all spans of a group."""

    origin: Origin
    looks: Looks


class Group(NamedTuple):
    """`rows` are those of `otlp_plain`, or None where none could be made; `read` gives a span by its place.

    `shared` is a refusal where resource or scope cannot be read: it is every span's.
    """

    path: str
    size: int
    rows: Sequence[Row] | None
    shared: Shared | Refusal
    read: Callable[[int], Span]


class Origins:
    """Remembers what follows from a resource and a scope: both come again with every request."""

    def __init__(
        self, read_resource: Callable[[Any, Any], Resource], read_scope: Callable[[Any, Any], Scope]
    ) -> None:
        self._read_resource, self._read_scope = read_resource, read_scope
        self._held: dict[tuple[Any, ...], Shared] = {}

    def shared(self, resource: Any, resource_url: Any, scope: Any, scope_url: Any) -> Shared | Refusal:
        """What holds for their spans, or why it cannot be read."""
        key = (resource, resource_url, scope, scope_url)
        held = self._held.get(key)
        if held is None:
            try:
                origin = Origin(
                    self._read_resource(resource, resource_url), self._read_scope(scope, scope_url)
                )
            except Refusal as refusal:
                return refusal
            held = Shared(origin, Looks(origin))
            if sum(len(part or b"") for part in key) <= _KEPT_BYTES:
                if len(self._held) >= _KEPT:
                    self._held.clear()
                self._held[key] = held
        return held
