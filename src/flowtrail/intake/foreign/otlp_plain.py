"""Ordinary spans by column: ended without an error, telling nothing but attributes, every one of them of a usual kind.

What the whole mapping does to such a span, in a tenth of the time: spans of one origin share nearly everything, and
most attributes have been seen before. It answers only where it is certain; every other span goes to `otlp_mapping`.
Property tests hold the two to each other.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from operator import le
from typing import Any, Final, NamedTuple

from flowtrail.intake.foreign import otlp_conventions as names
from flowtrail.intake.foreign.otlp_details import extras_of
from flowtrail.intake.foreign.otlp_execution import STAGES, enters
from flowtrail.intake.foreign.otlp_mapping import AT_ROOT, TRACE
from flowtrail.intake.foreign.otlp_origin import Origin
from flowtrail.intake.foreign.otlp_settings import TraceSettings
from flowtrail.intake.foreign.otlp_spans import CLIENT, OK, SPAN_ID_BYTES, TRACE_ID_BYTES, UNSET, Span
from flowtrail.intake.foreign.otlp_values import Cuts
from flowtrail.model.errors import Refusal
from flowtrail.model.limits import (
    MAX_MAP_NAMES,
    MAX_NAME_CHARS,
    MAX_RECORD_BYTES,
    NEWEST_INSTANT_US,
    OLDEST_INSTANT_US,
)
from flowtrail.model.records import encode_record

FIELDS: Final = (
    "trace_id",
    "span_id",
    "parent_span_id",
    "name",
    "kind",
    "start_time_unix_nano",
    "end_time_unix_nano",
    "flags",
    "status",
    "attributes",
    "events",
    "links",
    "trace_state",
    "dropped_attributes_count",
    "dropped_events_count",
    "dropped_links_count",
)
"""What a row holds, in this order: ids as bytes, `status` one of `STATUSES` or anything else that is not plain,
attributes encoded one by one, `events` and `links` `NOTHING` where there are none, and what follows true where there
is any."""
NOTHING: Final = b"\0"
"""What no event and no link is, encoded: one that says nothing at all is empty."""
_RARE: Final = FIELDS.index("events")

STATUSES: Final = {b"": UNSET, b"\x18\x01": OK}
"""A status that is plain, as protobuf encodes it."""

Row = tuple[Any, ...]
Pair = tuple[str, Any]

UNCERTAIN: Final = ""
"""In place of a name: the mapping has to decide."""
_UNCERTAIN_PAIR: Final[Pair] = (UNCERTAIN, None)
MOST_NAMES: Final = MAX_MAP_NAMES // 2
"""Of details; far from the limit there is nothing to choose."""
MOST_BYTES: Final = 1_024
"""Of one attribute."""
_MOST_ORIGIN_BYTES: Final = MAX_RECORD_BYTES // 2
"""Of what a resource and a scope put into each record: with the attributes above, a record stays below its limit."""
_KEPT_BYTES: Final = 128
"""Longer attributes are rarely seen again."""
_KEPT: Final = 20_000
"""Attributes, and names, remembered: some 5 MiB."""
_MOST_LOOKS: Final = 256
"""Kinds × flags × statuses of one origin, of which some ten are used."""
_NO_TRACE: Final = bytes(TRACE_ID_BYTES)
_NO_SPAN: Final = bytes(SPAN_ID_BYTES)


class Attributes(dict[bytes, Pair]):
    """Encoded attribute -> name and value; `UNCERTAIN` where the mapping has to look at it."""

    def __init__(self, read: Callable[[bytes], Pair], settings: TraceSettings) -> None:
        super().__init__()
        self._read, self._settings = read, settings
        self._names: dict[str, str] = {}

    def __missing__(self, encoded: bytes) -> Pair:
        pair = self._decide(encoded)
        if len(encoded) <= _KEPT_BYTES:
            if len(self) >= _KEPT:
                self.clear()
            self[encoded] = pair
        return pair

    def _decide(self, encoded: bytes) -> Pair:
        if len(encoded) > MOST_BYTES:
            return _UNCERTAIN_PAIR
        try:
            name, value = self._read(encoded)
        except Refusal:
            return _UNCERTAIN_PAIR
        kept = self._names.get(name)
        if kept is None:
            kept = self._name(name)
        if type(value) is str and value.isascii() and "\0" not in value:
            return kept, value
        cuts = Cuts()
        value = cuts.value(value)
        return _UNCERTAIN_PAIR if cuts.count else (kept, value)

    def _name(self, name: str) -> str:
        cuts = Cuts()
        cuts.name(name)
        kept = UNCERTAIN if cuts.count or self._settings.is_special(name) else name
        if len(name) <= _KEPT_BYTES:
            if len(self._names) >= _KEPT:
                self._names.clear()
            self._names[name] = kept
        return kept


class Names(dict[Any, str]):
    """Encoded name -> block; `UNCERTAIN` where the mapping has to look at it."""

    def __init__(self, read: Callable[[Any], str]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, encoded: Any) -> str:
        try:
            said = self._read(encoded)
        except Refusal:
            said = UNCERTAIN
        cuts = Cuts()
        name = cuts.text(said, MAX_NAME_CHARS)
        if cuts.count:
            name = UNCERTAIN
        if len(encoded) <= _KEPT_BYTES:
            if len(self) >= _KEPT:
                self.clear()
            self[encoded] = name
        return name


class _Look(NamedTuple):
    """What follows from a span's kind, flags, status and from being a root."""

    stage: str
    base: dict[str, Any]


class Looks(dict[tuple[int, int, Any, bool], _Look | None]):
    """(kind, flags, status, whether there is a parent) -> look, for one origin; None where the mapping has to decide."""

    def __init__(self, origin: Origin) -> None:
        super().__init__()
        self._origin = origin

    def __missing__(self, key: tuple[int, int, Any, bool]) -> _Look | None:
        kind, flags, status, child = key
        if status not in STATUSES:
            return None  # and not remembered: every message of an error is another one
        look = None
        if not self._origin.cuts and self._origin.size_bytes <= _MOST_ORIGIN_BYTES:
            span = Span(b"", b"", b"", "", kind, 0, 0, [], status=STATUSES[status], flags=flags)
            base = extras_of(span, Cuts()) | self._origin.details
            entering = not child or enters(span)
            if entering:
                base |= self._origin.arrival
            if not (entering and self._origin.arrival_cuts):
                look = _Look(STAGES.get(kind, "processing"), base)
        if len(self) >= _MOST_LOOKS:
            self.clear()
        self[key] = look
        return look


class PlainReader:
    """Reads rows of one encoding; remembers attributes and names from body to body."""

    def __init__(
        self,
        settings: TraceSettings,
        read_attribute: Callable[[bytes], Pair],
        read_name: Callable[[Any], str],
    ) -> None:
        self._attribute = Attributes(read_attribute, settings).__getitem__
        self._name = Names(read_name).__getitem__

    def read(self, rows: Sequence[Row], origin: Origin, looks: Looks, into: list[bytes]) -> list[int]:
        """Add the records of plain rows to `into`; the places of those that are not, in order."""
        if not rows:
            return []
        doubtful: set[int] = set()
        columns = list(zip(*rows, strict=True))
        traces, spans, parents, said, kinds, starts, ends, flags, statuses, attributes = columns[:_RARE]
        for several in columns[_RARE : _RARE + 2]:
            if several.count(NOTHING) < len(rows):
                doubtful.update(place for place, value in enumerate(several) if value != NOTHING)
        for rare in columns[_RARE + 2 :]:
            if any(rare):
                doubtful.update(place for place, value in enumerate(rare) if value)
        _doubt_ids(traces, spans, parents, doubtful)
        started, ended = _instants(starts, doubtful), _instants(ends, doubtful)
        blocks = list(map(self._name, said))
        if UNCERTAIN in blocks:
            doubtful.update(place for place, name in enumerate(blocks) if name is UNCERTAIN)
        stages, details = self._details(
            zip(kinds, flags, statuses, map(bool, parents), strict=True), attributes, looks, doubtful
        )
        latest = ended if all(map(le, started, ended)) else list(map(max, started, ended))
        parent = [each or None for each in parents] if b"" in parents else parents
        encoded = map(
            encode_record,
            zip(
                repeat("block"),
                traces,
                latest,
                repeat(None),
                repeat(None),
                spans,
                blocks,
                repeat("succeeded"),
                repeat(None),
                started,
                ended,
                stages,
                parent,
                repeat(None),
                repeat(origin.worker),
                repeat(None),
                details,
                repeat(None),
                repeat(None),
                strict=False,
            ),
        )
        if doubtful:
            into += [record for place, record in enumerate(encoded) if place not in doubtful]
        else:
            into += encoded
        if b"" in parents:
            for place in range(len(rows)):
                if not parents[place] and place not in doubtful:
                    into += _of_root(traces[place], started[place], ended[place], origin)
        return sorted(doubtful)

    def _details(
        self,
        keys: Iterable[tuple[int, int, Any, bool]],
        attributes: Iterable[Iterable[bytes]],
        looks: Looks,
        doubtful: set[int],
    ) -> tuple[list[str], list[dict[str, Any] | None]]:
        stages: list[str] = []
        found: list[dict[str, Any] | None] = []
        attribute = self._attribute
        for key, encoded in zip(keys, attributes, strict=True):
            look = looks[key]
            details = dict(map(attribute, encoded))
            if look is None or UNCERTAIN in details or len(details) > MOST_NAMES:
                doubtful.add(len(found))
                stages.append("")
                found.append(None)
                continue
            stage, base = look
            if key[0] == CLIENT and not details.keys().isdisjoint(names.DATABASES):
                stage = "processing"
            details |= base
            stages.append(stage)
            found.append(details or None)
        return stages, found


def _doubt_ids(
    traces: Sequence[bytes], spans: Sequence[bytes], parents: Sequence[bytes], doubtful: set[int]
) -> None:
    sound = (
        set(map(len, traces)) == {TRACE_ID_BYTES}
        and set(map(len, spans)) == {SPAN_ID_BYTES}
        and set(map(len, parents)) <= {0, SPAN_ID_BYTES}
        and _NO_TRACE not in traces
        and _NO_SPAN not in spans
        and _NO_SPAN not in parents
        and True not in map(bytes.__eq__, spans, parents)
    )
    if not sound:
        for place, (trace, span, parent) in enumerate(zip(traces, spans, parents, strict=True)):
            if (
                len(trace) != TRACE_ID_BYTES
                or trace == _NO_TRACE
                or len(span) != SPAN_ID_BYTES
                or span in {_NO_SPAN, parent}
                or len(parent) not in {0, SPAN_ID_BYTES}
                or parent == _NO_SPAN
            ):
                doubtful.add(place)


def _instants(nanoseconds: Sequence[int], doubtful: set[int]) -> list[int]:
    found = [each // 1_000 for each in nanoseconds]
    if min(found) < OLDEST_INSTANT_US or max(found) >= NEWEST_INSTANT_US:
        doubtful.update(
            place for place, each in enumerate(found) if not OLDEST_INSTANT_US <= each < NEWEST_INSTANT_US
        )
    return found


def _of_root(trace: bytes, started: int, ended: int, origin: Origin) -> tuple[bytes, bytes]:
    key = trace.hex()
    return (
        encode_record(
            (
                "transaction",
                trace,
                AT_ROOT,
                None,
                None,
                origin.flow,
                TRACE,
                key,
                origin.version,
                None,
                None,
                started,
                None,
                None,
                None,
                key,
                None,
                None,
            )
        ),
        encode_record(("end", trace, ended, None, None, "delivered", 1, ended, None, None)),
    )
