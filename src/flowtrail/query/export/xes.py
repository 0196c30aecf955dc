"""XES (IEEE 1849): a trace a transaction, and for each execution an event a step of its life that is known.

An execution is queued, started and over: `schedule`, `start`, and `complete`, `ate_abort` (failed) or `autoskip`. Its
last event carries the statements that importing goes by; the others say which execution they are part of.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final
from uuid import UUID

from flowtrail.model.exchange import EXECUTION, STATEMENTS
from flowtrail.model.instants import format_instant
from flowtrail.model.records import AnyRecord, BlockRecord
from flowtrail.projection.executions import display_key
from flowtrail.projection.registers import merged_block
from flowtrail.projection.state import State
from flowtrail.query.export.asking import Asked, Linked
from flowtrail.query.export.facts import (
    Instant,
    carried,
    execution_facts,
    moments,
    statement_lines,
    transaction_facts,
)
from flowtrail.query.export.names import Names
from flowtrail.query.export.parts import Pieces, in_parts
from flowtrail.query.export.statements import execution_statements
from flowtrail.query.items import state_of

TRANSITIONS: Final = {
    "queued": "schedule",
    "started": "start",
    "succeeded": "complete",
    "failed": "ate_abort",
    "skipped": "autoskip",
}
"""What happened, in the words of the standard lifecycle model."""

_HEAD: Final = """<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="2.0" xes.features="">
<extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>
<extension name="Lifecycle" prefix="lifecycle" uri="http://www.xes-standard.org/lifecycle.xesext"/>
<extension name="Organizational" prefix="org" uri="http://www.xes-standard.org/org.xesext"/>
<extension name="Time" prefix="time" uri="http://www.xes-standard.org/time.xesext"/>
<extension name="ID" prefix="identity" uri="http://www.xes-standard.org/identity.xesext"/>
<extension name="Flowtrail" prefix="flowtrail" uri="urn:flowtrail:xes"/>
<global scope="trace">
<string key="concept:name" value=""/>
</global>
<global scope="event">
<string key="concept:name" value=""/>
<string key="lifecycle:transition" value="complete"/>
<date key="time:timestamp" value="1970-01-01T00:00:00Z"/>
</global>
<classifier name="Activity" scope="event" keys="concept:name"/>
<classifier name="Transition" scope="event" keys="concept:name lifecycle:transition"/>
<string key="lifecycle:model" value="standard"/>
"""
_REPLACED: Final = (
    dict.fromkeys((*range(0x20), 0xFFFE, 0xFFFF), "\N{REPLACEMENT CHARACTER}")
    | {0x09: "&#9;", 0x0A: "&#10;", 0x0D: "&#13;"}
    | {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord('"'): "&quot;"}
)
"""Characters that XML takes for something else, or cannot hold at all."""
_REPLACED_IN_JSON: Final = {ord("&"): "&amp;", ord("<"): "&lt;", ord("'"): "&#39;"}
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_.:-]")
_LONGEST: Final = 1 << 63


@in_parts
def xes_document(asked: Asked) -> Pieces:
    """The whole log; of nothing it is a log without traces."""
    yield _HEAD.encode()
    if asked.whole:
        yield _statements(asked.declarations()).encode()
    names = Names()
    for linked in asked.linked():
        yield b"" if linked is None else "".join(_trace(asked, linked, names)).encode()
    yield b"</log>\n"


def _trace(asked: Asked, linked: Linked, names: Names) -> Iterator[str]:
    stored = linked.stored
    state = state_of(stored)
    written: set[str] = {STATEMENTS}
    yield "<trace>\n"
    yield _fact("concept:name", names.given(stored.header.object_id, stored.id), written)
    yield f'<id key="identity:id" value="{UUID(bytes=stored.id)}"/>\n'
    written.add("identity:id")
    for name, value in transaction_facts(stored, state):
        yield _fact(name, value, written)
    yield _statements(carried(asked, linked, state))
    yield from _events(state)
    yield "</trace>\n"


def _events(state: State) -> Iterator[str]:
    """The steps of all executions in order of time; those of one moment in the order executions are shown in."""
    steps: list[tuple[int, int, int, str, bool, BlockRecord]] = []
    merged = sorted((merged_block(held) for held in state.executions.values()), key=display_key)
    for place, record in enumerate(merged):
        told = moments(record)
        for step, (what, instant) in enumerate(told):
            steps.append((instant, place, step, what, step == len(told) - 1, record))
    for instant, _, _, what, last, record in sorted(steps, key=lambda step: step[:3]):
        yield from _event(state, record, what, instant, last=last)


def _event(state: State, record: BlockRecord, what: str, instant: int, *, last: bool) -> Iterator[str]:
    written: set[str] = {STATEMENTS}
    yield "<event>\n"
    yield _fact("concept:name", record.block, written)
    yield _fact("lifecycle:transition", TRANSITIONS[what], written)
    yield f'<date key="time:timestamp" value="{format_instant(instant)}"/>\n'
    written.add("time:timestamp")
    yield _fact("concept:instance", record.id.hex(), written)
    yield _fact(EXECUTION, record.id.hex(), written)
    if record.worker is not None:
        yield _fact("org:resource", record.worker, written)
    if last:
        for name, value in execution_facts(record):
            yield _fact(name, value, written)
        yield _statements(execution_statements(state.executions[record.id]))
    yield "</event>\n"


def _fact(name: str, value: Any, written: set[str]) -> str:
    """An attribute; nothing where one of that key stands there already."""
    key = _NOT_IN_NAMES.sub("_", name)
    if not (key[0].isalpha() or key[0] == "_"):
        key = f"_{key}"
    if key in written:
        return ""
    written.add(key)
    if isinstance(value, bool):
        return f'<boolean key="{key}" value="{"true" if value else "false"}"/>\n'
    if isinstance(value, int) and -_LONGEST <= value < _LONGEST:
        return f'<int key="{key}" value="{value}"/>\n'
    if isinstance(value, float):
        return f'<float key="{key}" value="{value!r}"/>\n'
    if isinstance(value, Instant):
        return f'<date key="{key}" value="{value}"/>\n'
    return _attribute(key, str(value))


def _attribute(key: str, text: str) -> str:
    return f'<string key="{key}" value="{text.translate(_REPLACED)}"/>\n'


def _statements(records: Sequence[AnyRecord]) -> str:
    # JSON can say the two characters that XML cannot hold; and between apostrophes its own quotes stay as they are.
    text = statement_lines(records).replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")
    return f"<string key=\"{STATEMENTS}\" value='{text.translate(_REPLACED_IN_JSON)}'/>\n"
