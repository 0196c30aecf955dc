"""OTLP traces at intake: a body becomes canonical records, and refusals span by span.

body ── otlp_protobuf or otlp_json ──► rows ── otlp_plain: ordinary spans, by column ──► canonical bytes
                                         │ anything else
                                         ▼
                                   otlp_mapping: one by one ──► canonical bytes, or a refusal
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from flowtrail.intake.admission import Reader
from flowtrail.intake.bodies import decompress
from flowtrail.intake.foreign import otlp_json, otlp_protobuf
from flowtrail.intake.foreign.otlp_groups import Group, Shared
from flowtrail.intake.foreign.otlp_mapping import Mapping
from flowtrail.intake.foreign.otlp_plain import PlainReader, Row
from flowtrail.intake.foreign.otlp_settings import TraceSettings
from flowtrail.intake.wire import Decoded, Rejected
from flowtrail.model.errors import Refusal, shorten

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
MAX_MADE_BYTES: Final = 64 * 1024 * 1024
"""Of the records of one body. What a resource says stands with every span that enters its service: of 20 MiB of spans
of a talkative one it would make gigabytes."""
_MADE_AT_ONCE: Final = 8 * 1024 * 1024
"""Between two looks at how much that is."""
_LIGHT_BYTES: Final = 1_024
"""Of a resource and its scope, with which 50,000 spans stay below: nobody looks."""


_TOO_DEEP: Final = Refusal(
    "too_deep", "an attribute is nested too deep", "attributes", None, "some 100 levels"
)


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
    encodings = {
        PROTOBUF: _Encoding(
            otlp_protobuf.Groups(),
            PlainReader(settings, otlp_protobuf.read_attribute, otlp_protobuf.read_name),
        ),
        JSON: _Encoding(otlp_json.Groups(), PlainReader(settings, otlp_json.read_attribute, str)),
    }

    def read(
        tenant: str, body: bytes, content_type: str | None, content_encoding: str | None, received_at: int
    ) -> Decoded:
        encoding = encodings[media_type(content_type)]
        groups = encoding.groups(decompress(body, content_encoding))
        into = _Into(Mapping(tenant, settings), encoding.plain)
        for group in groups:
            into.add(group)
        return Decoded(None, into.encoded, into.rejected, received_at)

    return read


class _Encoding(NamedTuple):
    """How one encoding is read."""

    groups: Callable[[bytes], list[Group]]
    plain: PlainReader


class _Into:
    """What became of the spans so far."""

    def __init__(self, mapping: Mapping, plain: PlainReader) -> None:
        self._mapping, self._plain = mapping, plain
        self.encoded: list[bytes] = []
        self.rejected: list[Rejected] = []
        self._spans = 0
        self._made = 0
        """Bytes of records of the spans that were not light."""

    def add(self, group: Group) -> None:
        """Take the spans of a group; those that are refused spoil no other."""
        if isinstance(group.shared, Refusal):
            for place in range(group.size):
                self._refuse(group, place, group.shared)
        else:
            places: Sequence[int] = range(group.size)
            if group.rows is not None:
                places = self._read_plain(group.rows, group.shared)
            for place in places:
                try:
                    made = self._mapping.encoded(group.read(place), group.shared.origin)
                except Refusal as refusal:
                    self._refuse(group, place, refusal)
                except RecursionError:
                    self._refuse(group, place, _TOO_DEEP)
                else:
                    self._keep(made)
        self._spans += group.size

    def _read_plain(self, rows: Sequence[Row], shared: Shared) -> list[int]:
        """Take the plain ones; the places of the others."""
        size_bytes = shared.origin.size_bytes
        if size_bytes <= _LIGHT_BYTES:
            return self._plain.read(rows, *shared, self.encoded)
        others: list[int] = []
        at_once = max(_MADE_AT_ONCE // size_bytes, 1)
        for first in range(0, len(rows), at_once):
            made: list[bytes] = []
            found = self._plain.read(rows[first : first + at_once], *shared, made)
            others += [first + place for place in found]
            self._keep(made)
        return others

    def _keep(self, made: list[bytes]) -> None:
        """Raises: Refusal (413 `body_too_large`)."""
        self._made += sum(map(len, made))
        if self._made > MAX_MADE_BYTES:
            raise Refusal(
                "body_too_large",
                "the spans make too much, each with what its resource says; send them in several requests",
                "body",
                None,
                f"records of at most {MAX_MADE_BYTES} bytes",
                413,
            )
        self.encoded += made

    def _refuse(self, group: Group, place: int, refusal: Refusal) -> None:
        field = f"{group.path}.spans[{place}]"
        if refusal.field is not None:
            field += f".{refusal.field}"
        self.rejected.append(
            Rejected(
                self._spans + place,
                refusal.code,
                shorten(field),
                refusal.received,
                refusal.allowed,
                refusal.message,
            )
        )
