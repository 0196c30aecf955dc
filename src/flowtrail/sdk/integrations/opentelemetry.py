"""Spans as blocks: what any instrumentation of OpenTelemetry records in this process, recorded here too.

Within a transaction a span is a block of it. Elsewhere its trace is a transaction, as it is for spans that are sent
over OTLP, with the same attributes of ours (docs/opentelemetry.md); of its conventions only names and kinds are read.
"""

from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import get_current_span

from flowtrail.model import clock
from flowtrail.sdk.ambient import current_block, current_transaction
from flowtrail.sdk.announcing import Declared, flow_or_unnamed
from flowtrail.sdk.integrations.guarding import guarded
from flowtrail.sdk.integrations.spans import SpanStatement, Told, opened_and_ended
from flowtrail.sdk.producer import producer
from flowtrail.sdk.statements import Statement

_MOST_OPEN: Final = 10_000
"""Spans under way that are remembered, the newest; what never ends would stay for good."""


class FlowtrailSpanProcessor(SpanProcessor):
    """Add it to the tracer provider: `provider.add_span_processor(FlowtrailSpanProcessor())`.

    `flow` is what is meant where a span outside of any transaction names none; else that of `flowtrail.init`.
    """

    def __init__(self, flow: str | None = None) -> None:
        self._flow = flow
        self._open: dict[int, SpanStatement] = {}

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """A span begins; from now on it is seen as running."""
        self._begin(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        """A span ended."""
        self._end(span)

    def shutdown(self) -> None:
        """Nothing to end: what was recorded is on its way already."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Wait until what was recorded is settled."""
        return producer.sink.flush(timeout_millis / 1_000)

    @guarded
    def _begin(self, span: Span, parent_context: Context | None) -> None:
        # The parent as it is here: a remote one was not recorded by this process.
        above = self._open.get(get_current_span(parent_context).get_span_context().span_id)
        statement = SpanStatement(span, self._told(span, above))
        self._open[span.get_span_context().span_id] = statement
        producer.put(statement)
        if len(self._open) > _MOST_OPEN:
            # The oldest has to go: what never ends is among those, and a newer one would never be told as ended.
            self._open.pop(next(iter(self._open)), None)

    def _told(self, span: Span, above: SpanStatement | None) -> Told:
        transaction, block = current_transaction(), current_block()
        if transaction is not None and transaction.is_known:
            identity = transaction.identity
            if above is not None and above.told.block is block and above.told.id == identity.id:
                parent: str | None = above.id
            else:
                parent = None if block is None else block.id
            if span.parent is None and identity.trace is None and identity.object_id is not None:
                self._tell_trace(identity, span)
            return Told(identity.id, identity, parent or identity.remote_parent, block, is_own=False)
        flow = flow_or_unnamed(self._flow or producer.flow)
        parent = None if span.parent is None else f"{span.parent.span_id:016x}"
        return Told(_trace(span), Declared(flow), parent, None, is_own=True)

    def _tell_trace(self, identity: Any, span: Span) -> None:
        fields = {
            "kind": "transaction",
            "at": clock.now_us(),
            "id": identity.id,
            "flow": identity.flow,
            "object_type": identity.object_type,
            "object_id": identity.object_id,
            "trace": _trace(span),
        }
        producer.put(Statement(fields, identity))

    @guarded
    def _end(self, span: ReadableSpan) -> None:
        context = span.get_span_context()
        statement = None if context is None else self._open.pop(context.span_id, None)
        if statement is None:
            return
        statement.finish(span)
        for fields in opened_and_ended(statement):
            producer.put(Statement(fields, statement.told.of))


def _trace(span: Span) -> str:
    return f"{span.get_span_context().trace_id:032x}"
