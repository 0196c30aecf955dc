"""What one span means in our words: its execution, and what it says about its transaction.

This is the definition; `otlp_plain` reads ordinary spans faster and is held to it by tests. What a span becomes
depends on the span, its scope and its resource alone, never on what came with it: sent again, alone or in other
company, it gives the same records.
"""

from typing import Any, Final

from flowtrail.intake.foreign import otlp_conventions as names
from flowtrail.intake.foreign.otlp_details import details_of
from flowtrail.intake.foreign.otlp_execution import block_of, enters
from flowtrail.intake.foreign.otlp_origin import Origin
from flowtrail.intake.foreign.otlp_reading import Reading
from flowtrail.intake.foreign.otlp_settings import SOURCE, TraceSettings
from flowtrail.intake.foreign.otlp_spans import (
    TRACE_ID_BYTES,
    Span,
    SpanLink,
)
from flowtrail.intake.foreign.otlp_values import FEW_TEXT_CHARS, MAX_TEXT_CHARS, Cuts, as_text
from flowtrail.model.errors import Refusal
from flowtrail.model.ids import derived_transaction_id
from flowtrail.model.limits import (
    MAX_DEPTH,
    MAX_KEYS,
    MAX_MAP_NAMES,
    MAX_NAME_CHARS,
    MAX_OBJECT_ID_CHARS,
    MAX_REASON_CHARS,
    MAX_RECORD_BYTES,
    OLDEST_INSTANT_US,
)
from flowtrail.model.records import (
    AnyRecord,
    BlockRecord,
    EndRecord,
    LinkRecord,
    TransactionRecord,
    encode_record,
)

AT_GUESSED: Final = OLDEST_INSTANT_US
"""When it was stated what a span that is no root can only guess about its transaction: whatever else is said wins."""
AT_ROOT: Final = OLDEST_INSTANT_US + 1
"""The same of a root, which knows better than the spans below it."""

OUTCOMES: Final = ("delivered", "failed", "filtered", "cancelled")
HANDED_ON: Final = "in_transit"
"""Said of a root span: the transaction goes on after it."""
RELATIONS: Final = ("split", "merge", "clone", "derive", "retry")
TRACE: Final = "trace"
"""What an object is where nobody says it."""


class Mapping:
    """How spans of one tenant become records."""

    def __init__(self, tenant: str, settings: TraceSettings) -> None:
        self.tenant = tenant
        self.settings = settings

    def records(self, span: Span, origin: Origin, text_chars: int = MAX_TEXT_CHARS) -> list[AnyRecord]:
        """The span's records, its execution first; texts cut to that length. Raises: Refusal."""
        reading = Reading(self.settings, span, origin, Cuts(text_chars))
        reading.id = self.transaction(span.trace_id, reading.flow, *(reading.object or (None, None)))
        return _Transaction(self, reading).records()

    def encoded(self, span: Span, origin: Origin) -> list[bytes]:
        """The canonical bytes of the span's records; of a span that is too large, cut closer with all that it stands
        under. Raises: Refusal."""
        for text_chars in (MAX_TEXT_CHARS, FEW_TEXT_CHARS):
            found = [encode_record(record) for record in self.records(span, origin, text_chars)]
            if max(map(len, found)) <= MAX_RECORD_BYTES:
                return found
            origin = origin.closer()
        size = max(map(len, found))
        raise Refusal(
            "record_too_large", "the span is too large", None, f"{size} bytes", f"{MAX_RECORD_BYTES} bytes"
        )

    def transaction(self, trace: bytes, flow: str, type_: str | None, id_: str | None) -> bytes:
        """The transaction of a trace, or of one of its objects where the flow carries many."""
        if id_ is None or type_ is None or flow not in self.settings.multi_object_flows:
            return trace
        return derived_transaction_id(self.tenant, SOURCE, trace.hex(), flow, type_, id_)


class _Transaction:
    """What one span says about its transaction, and about others."""

    def __init__(self, mapping: Mapping, reading: Reading) -> None:
        self.mapping, self.reading = mapping, reading
        self.span, self.origin, self.cuts, self.told = (
            reading.span,
            reading.origin,
            reading.cuts,
            reading.told,
        )

    @property
    def own(self) -> bool:
        """Whether the transaction is an object's, and not the trace's."""
        return self.reading.id != self.span.trace_id

    def records(self) -> list[AnyRecord]:
        block = block_of(self.reading)
        found: list[AnyRecord] = [block]
        opened, end = self._opened(), self._end(block)
        found += [each for each in (opened, end) if each is not None]
        if self.own and not self.reading.root:
            found.append(LinkRecord(self.span.trace_id, self.reading.id, "split"))
        found += [each for link in self.span.links if (each := self._relation(link)) is not None]
        # Last, since it counts what all of them had to cut.
        entering = self.reading.root or enters(self.span)
        used = self.reading.used
        block.details = details_of(self.span, self.origin, self.cuts, entering=entering, used=used) or None
        return found

    def _opened(self) -> TransactionRecord | None:
        keys, attributes = self._keys(), self._attributes()
        if not (self.reading.root or self.reading.object or keys or attributes or names.FLOW in self.told):
            return None
        settled = self.reading.object is not None
        kind, key = self.reading.object or self._guess()
        return TransactionRecord(
            id=self.reading.id,
            at=self._at(settled=settled),
            flow=self.reading.flow,
            object_type=kind,
            object_id=key,
            version=self.reading.text(names.FLOW_VERSION)
            or (self.origin.version if self.reading.root else None),
            keys=keys or None,
            attributes=attributes or None,
            created_at=self.reading.started if self.reading.root or not settled else None,
            trace=self.span.trace_id.hex(),
        )

    def _at(self, *, settled: bool) -> int:
        """When the transaction was stated: what is surer stands later, and so wins."""
        if not settled:
            return AT_ROOT if self.reading.root else AT_GUESSED
        return (
            max(self.reading.started, self.reading.ended or 0) if self.reading.root else self.reading.started
        )

    def _guess(self) -> tuple[str, str]:
        if self.reading.root:
            for named in names.OBJECTS:
                held = names.first(self.told, named.attributes)
                if held is not None:
                    return named.name, self.cuts.text(as_text(held), MAX_OBJECT_ID_CHARS)
        return TRACE, self.span.trace_id.hex()

    def _keys(self) -> dict[str, str]:
        cuts = self.cuts
        found = {
            cuts.name(name.removeprefix(names.KEY)): said
            for name in self.told
            if name.startswith(names.KEY)
            and name != names.KEY
            and (said := self.reading.text(name, MAX_OBJECT_ID_CHARS))
        }
        tables = (*self.mapping.settings.keys, *(names.KEYS if self.reading.root else ()))
        for named in tables:
            held = names.first(self.told, named.attributes)
            if held is not None and named.name not in found:
                found[named.name] = cuts.text(as_text(held), MAX_OBJECT_ID_CHARS)
        if len(found) > MAX_KEYS:
            cuts.count += len(found) - MAX_KEYS
        return dict(list(found.items())[:MAX_KEYS])

    def _attributes(self) -> dict[str, Any]:
        said = [
            (name.removeprefix(names.ATTRIBUTE), self.reading.use(name))
            for name in self.told
            if name.startswith(names.ATTRIBUTE) and name != names.ATTRIBUTE
        ]
        return self.cuts.map(said, MAX_DEPTH, MAX_MAP_NAMES)

    def _end(self, block: BlockRecord) -> EndRecord | None:
        said = self.told.get(names.OUTCOME)
        if said in (*OUTCOMES, HANDED_ON):
            self.reading.use(names.OUTCOME)
        ends = said in OUTCOMES or (said != HANDED_ON and self.reading.root)
        if self.reading.ended is None or not ends:
            return None
        if said not in OUTCOMES:
            said = "failed" if block.status == "failed" else "delivered"
        reason = self.reading.text(names.REASON, MAX_REASON_CHARS)
        if reason is None and said == "failed":
            reason = self.cuts.text(self.span.message, MAX_REASON_CHARS) or None
        return EndRecord(
            transaction=self.reading.id,
            at=self.reading.ended,
            outcome=str(said),
            ended_at=self.reading.ended,
            reason=reason,
            predicate=self.reading.text(names.PREDICATE)
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
            link.trace_id, flow or self.reading.flow, kind or ("object" if key else None), key
        )
        relation = told.get(names.RELATION)
        if parent == self.reading.id:
            return None
        return LinkRecord(parent, self.reading.id, relation if relation in RELATIONS else "derive")
