"""What one span means in our words: its execution, and what it says about its transaction.

This is the definition; `otlp_plain` reads ordinary spans faster and is held to it by tests. What a span becomes
depends on the span, its scope and its resource alone, never on what came with it: sent again, alone or in other
company, it gives the same records.
"""

from typing import Any, Final

from flowtrail.intake.foreign import otlp_conventions as names
from flowtrail.intake.foreign.otlp_details import details_of, exceptions_of, usage_of
from flowtrail.intake.foreign.otlp_origin import Origin
from flowtrail.intake.foreign.otlp_settings import SOURCE, TraceSettings
from flowtrail.intake.foreign.otlp_spans import (
    CLIENT,
    CONSUMER,
    ERROR,
    HAS_IS_REMOTE,
    INTERNAL,
    IS_REMOTE,
    NO_PARENT,
    PRODUCER,
    SERVER,
    SPAN_ID_BYTES,
    TRACE_ID_BYTES,
    UNSET,
    UNSPECIFIED,
    Span,
    SpanLink,
)
from flowtrail.intake.foreign.otlp_values import FEW_TEXT_CHARS, MAX_TEXT_CHARS, Cuts, as_text
from flowtrail.model.errors import Refusal
from flowtrail.model.ids import derived_transaction_id
from flowtrail.model.limits import (
    MAX_ATTEMPT,
    MAX_DEPTH,
    MAX_KEYS,
    MAX_MAP_NAMES,
    MAX_NAME_CHARS,
    MAX_OBJECT_ID_CHARS,
    MAX_REASON_CHARS,
    MAX_RECORD_BYTES,
    NEWEST_INSTANT_US,
    OLDEST_INSTANT_US,
)
from flowtrail.model.records import (
    AnyRecord,
    BlockRecord,
    EndRecord,
    LinkRecord,
    Skip,
    TransactionRecord,
    encode_record,
)

AT_GUESSED: Final = OLDEST_INSTANT_US
"""When it was stated what a span that is no root can only guess about its transaction: whatever else is said wins."""
AT_ROOT: Final = OLDEST_INSTANT_US + 1
"""The same of a root, which knows better than the spans below it."""

STAGES: Final = {
    UNSPECIFIED: "processing",
    INTERNAL: "processing",
    SERVER: "ingress",
    CONSUMER: "ingress",
    CLIENT: "egress",
    PRODUCER: "egress",
}
OUTCOMES: Final = ("delivered", "failed", "filtered", "cancelled")
HANDED_ON: Final = "in_transit"
"""Said of a root span: the transaction goes on after it."""
RELATIONS: Final = ("split", "merge", "clone", "derive", "retry")
_ALLOWED_INSTANT: Final = "nanoseconds since 1970, from 2000 to before 2200"
TRACE: Final = "trace"
"""What an object is where nobody says it."""


class Mapping:
    """How spans of one tenant become records."""

    def __init__(self, tenant: str, settings: TraceSettings) -> None:
        self.tenant = tenant
        self.settings = settings

    def records(self, span: Span, origin: Origin, text_chars: int = MAX_TEXT_CHARS) -> list[AnyRecord]:
        """The span's records, its execution first; texts cut to that length. Raises: Refusal."""
        return _Reading(self, span, origin, Cuts(text_chars)).records()

    def encoded(self, span: Span, origin: Origin) -> list[bytes]:
        """The canonical bytes of the span's records; of a span that is too large, cut closer. Raises: Refusal."""
        for text_chars in (MAX_TEXT_CHARS, FEW_TEXT_CHARS):
            found = [encode_record(record) for record in self.records(span, origin, text_chars)]
            if max(map(len, found)) <= MAX_RECORD_BYTES:
                return found
        size = max(map(len, found))
        raise Refusal(
            "record_too_large", "the span is too large", None, f"{size} bytes", f"{MAX_RECORD_BYTES} bytes"
        )

    def transaction(self, trace: bytes, flow: str, type_: str | None, id_: str | None) -> bytes:
        """The transaction of a trace, or of one of its objects where the flow carries many."""
        if id_ is None or type_ is None or flow not in self.settings.multi_object_flows:
            return trace
        return derived_transaction_id(self.tenant, SOURCE, trace.hex(), flow, type_, id_)


class _Reading:
    """One span while it is read."""

    def __init__(self, mapping: Mapping, span: Span, origin: Origin, cuts: Cuts) -> None:
        self.mapping, self.span, self.origin = mapping, span, origin
        self.told: dict[str, Any] = dict(span.attributes)
        self.cuts = cuts
        check_ids(span)
        if span.started_ns == 0:
            raise Refusal(
                "missing_instant", "the span has no beginning", "start_time_unix_nano", 0, _ALLOWED_INSTANT
            )
        self.started = _instant(span.started_ns, "start_time_unix_nano")
        self.ended = _instant(span.ended_ns, "end_time_unix_nano") if span.ended_ns else None
        self.root = span.parent_id in NO_PARENT or self.told.get(names.ROOT) is True
        self.flow = self._text(names.FLOW) or origin.flow
        self.object = self._object()
        self.id = mapping.transaction(span.trace_id, self.flow, *(self.object or (None, None)))

    @property
    def own(self) -> bool:
        """Whether the transaction is an object's, and not the trace's."""
        return self.id != self.span.trace_id

    def records(self) -> list[AnyRecord]:
        block = self._block()
        found: list[AnyRecord] = [block]
        opened, end = self._opened(), self._end(block)
        found += [each for each in (opened, end) if each is not None]
        if self.own and not self.root:
            found.append(LinkRecord(self.span.trace_id, self.id, "split"))
        found += [each for link in self.span.links if (each := self._relation(link)) is not None]
        # Last, since it counts what all of them had to cut.
        entering = self.root or enters(self.span)
        block.details = details_of(self.span, self.origin, self.cuts, entering=entering) or None
        return found

    # --- the execution ------------------------------------------------------------------------------------

    def _block(self) -> BlockRecord:
        span, cuts = self.span, self.cuts
        skip = self._skip()
        exceptions = exceptions_of(span, self.told, cuts)
        return BlockRecord(
            transaction=self.id,
            at=max(self.started, self.ended or 0),
            id=span.span_id,
            block=self._name(),
            status=self._status(skip),
            started_at=self.started,
            ended_at=self.ended,
            stage=self._stage(),
            parent=None if span.parent_id in NO_PARENT else span.parent_id,
            attempt=self._attempt(),
            worker=self._text(names.WORKER) or self.origin.worker,
            usage=usage_of(self.told, cuts),
            exceptions=None if skip else exceptions,
            skip=skip,
        )

    def _status(self, skip: Skip | None) -> str:
        if skip is not None:
            return "skipped"
        if self.span.status == ERROR or (self.span.status == UNSET and self._escaped()):
            return "failed"
        return "running" if self.ended is None else "succeeded"

    def _escaped(self) -> bool:
        return any(
            event.name == names.EXCEPTION and dict(event.attributes).get(names.EXCEPTION_ESCAPED) is True
            for event in self.span.events
        )

    def _name(self) -> str:
        said = self._text(names.BLOCK) or self.cuts.text(self.span.name, MAX_NAME_CHARS)
        if said:
            return said
        for row in names.BLOCKS:
            held = names.first(self.told, row)
            if held is not None:
                return self.cuts.text(as_text(held), MAX_NAME_CHARS)
        return "unnamed"

    def _stage(self) -> str:
        said = self._text(names.STAGE)
        if said:
            return said
        if self.span.kind == CLIENT and any(name in self.told for name in names.DATABASES):
            return "processing"
        return STAGES.get(self.span.kind, "processing")

    def _attempt(self) -> int | None:
        said = self.told.get(names.ATTEMPT)
        if said is None:
            before = names.first(self.told, names.ATTEMPTS_BEFORE)
            said = before + 1 if type(before) is int else None
        return said if type(said) is int and 1 <= said <= MAX_ATTEMPT else None

    def _skip(self) -> Skip | None:
        predicate = self._text(names.SKIP)
        if not predicate:
            return None
        reason = self.told.get(names.SKIP_REASON)
        return Skip(
            predicate,
            None if reason is None else self.cuts.text(as_text(reason), MAX_REASON_CHARS) or None,
            self.cuts.value(self.told.get(names.SKIP_EXPECTED)),
            self.cuts.value(self.told.get(names.SKIP_ACTUAL)),
        )

    # --- the transaction ----------------------------------------------------------------------------------

    def _object(self) -> tuple[str, str] | None:
        """Type and id of what the span names as its object; None when it names none."""
        said = self._text(names.OBJECT_ID, MAX_OBJECT_ID_CHARS)
        if said:
            return self._text(names.OBJECT_TYPE) or "object", said
        for named in self.mapping.settings.objects:
            held = names.first(self.told, named.attributes)
            if held is not None:
                return named.name, self.cuts.text(as_text(held), MAX_OBJECT_ID_CHARS)
        return None

    def _opened(self) -> TransactionRecord | None:
        keys, attributes = self._keys(), self._attributes()
        if not (self.root or self.object or keys or attributes or names.FLOW in self.told):
            return None
        settled = self.object is not None
        kind, key = self.object or self._guess()
        return TransactionRecord(
            id=self.id,
            at=self._at(settled=settled),
            flow=self.flow,
            object_type=kind,
            object_id=key,
            version=self._text(names.FLOW_VERSION) or (self.origin.version if self.root else None),
            keys=keys or None,
            attributes=attributes or None,
            created_at=self.started if self.root or not settled else None,
            trace=self.span.trace_id.hex(),
        )

    def _at(self, *, settled: bool) -> int:
        """When the transaction was stated: what is surer stands later, and so wins."""
        if not settled:
            return AT_ROOT if self.root else AT_GUESSED
        return max(self.started, self.ended or 0) if self.root else self.started

    def _guess(self) -> tuple[str, str]:
        if self.root:
            for named in names.OBJECTS:
                held = names.first(self.told, named.attributes)
                if held is not None:
                    return named.name, self.cuts.text(as_text(held), MAX_OBJECT_ID_CHARS)
        return TRACE, self.span.trace_id.hex()

    def _keys(self) -> dict[str, str]:
        cuts = self.cuts
        found = {
            cuts.name(name.removeprefix(names.KEY)): cuts.text(as_text(value), MAX_OBJECT_ID_CHARS)
            for name, value in self.told.items()
            if name.startswith(names.KEY) and name != names.KEY
        }
        tables = (*self.mapping.settings.keys, *(names.KEYS if self.root else ()))
        for named in tables:
            held = names.first(self.told, named.attributes)
            if held is not None and named.name not in found:
                found[named.name] = cuts.text(as_text(held), MAX_OBJECT_ID_CHARS)
        if len(found) > MAX_KEYS:
            cuts.count += len(found) - MAX_KEYS
        return dict(list(found.items())[:MAX_KEYS])

    def _attributes(self) -> dict[str, Any]:
        said = [
            (name.removeprefix(names.ATTRIBUTE), value)
            for name, value in self.told.items()
            if name.startswith(names.ATTRIBUTE)
        ]
        return self.cuts.map(said, MAX_DEPTH, MAX_MAP_NAMES)

    def _end(self, block: BlockRecord) -> EndRecord | None:
        said = self._text(names.OUTCOME)
        ends = said in OUTCOMES or (said != HANDED_ON and self.root)
        if self.ended is None or not ends or (self.own and said not in OUTCOMES and not self.root):
            return None
        if said not in OUTCOMES:
            said = "failed" if block.status == "failed" else "delivered"
        reason = self.told.get(names.REASON)
        if reason is None and said == "failed":
            reason = self.span.message
        return EndRecord(
            transaction=self.id,
            at=self.ended,
            outcome=said,
            ended_at=self.ended,
            reason=None if reason is None else self.cuts.text(as_text(reason), MAX_REASON_CHARS) or None,
            predicate=self._text(names.PREDICATE)
            or (block.skip.predicate if block.skip and said == "filtered" else None),
        )

    def _relation(self, link: SpanLink) -> LinkRecord | None:
        """What a link to another trace, or to another object, says about lineage; None for one to this transaction."""
        if len(link.trace_id) != TRACE_ID_BYTES or not any(link.trace_id):
            return None
        told = dict(link.attributes)
        flow, kind, key = (
            None if (held := told.get(name)) is None else self.cuts.text(as_text(held), most)
            for name, most in (
                (names.FLOW, MAX_NAME_CHARS),
                (names.OBJECT_TYPE, MAX_NAME_CHARS),
                (names.OBJECT_ID, MAX_OBJECT_ID_CHARS),
            )
        )
        parent = self.mapping.transaction(
            link.trace_id, flow or self.flow, kind or ("object" if key else None), key
        )
        relation = told.get(names.RELATION)
        if parent == self.id:
            return None
        return LinkRecord(parent, self.id, relation if relation in RELATIONS else "derive")

    def _text(self, name: str, most: int = MAX_NAME_CHARS) -> str | None:
        """What the span says under one of our names, as text that is not empty."""
        value = self.told.get(name)
        return None if value is None else self.cuts.text(as_text(value), most) or None


def enters(span: Span) -> bool:
    """Whether work comes into a service with this span: what made it is then told again."""
    if span.flags & HAS_IS_REMOTE:
        return bool(span.flags & IS_REMOTE)
    return span.kind in {SERVER, CONSUMER}


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
