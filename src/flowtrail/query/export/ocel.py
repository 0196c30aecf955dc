"""OCEL 2.0 as JSON: an object a transaction, an event an execution, links as relationships of objects.

One walk writes both: objects go out as they are met, events to a file of their own meanwhile, which follows when the
walk is over; the types, which only then are known, come last. Attribute values are text, as the schema of the standard
has them; their types stand with the types of events and objects.
"""

import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import IO, Any, Final

import msgspec

from flowtrail.model.exchange import STATEMENTS
from flowtrail.model.instants import format_instant
from flowtrail.model.records import BlockRecord
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
from flowtrail.query.export.parts import PART_BYTES, Pieces, in_parts
from flowtrail.query.export.statements import execution_statements
from flowtrail.query.items import state_of
from flowtrail.storage.interface import LinkRow

ALWAYS: Final = "1970-01-01T00:00:00Z"
"""Since when an attribute has its first value: OCEL's convention."""
UNNAMED: Final = "unknown"
"""The type of objects that nobody announced, and of executions nobody named: OCEL has no others."""
MOST_NAMES: Final = 10_000
"""Attributes that are shown: their names are held to the end. What goes beyond is still in the statements."""
IN_MEMORY_BYTES: Final = 4 * 1024 * 1024
_encode: Final = msgspec.json.Encoder().encode


class _Types:
    """Types by name, with the attributes met on each."""

    def __init__(self) -> None:
        self.found: dict[str, dict[str, str]] = {}
        self._names = 0

    def attribute(self, owner: str, name: str, kind: str) -> bool:
        """Whether an attribute is shown."""
        known = self.found.setdefault(owner, {})
        held = known.get(name)
        if held is None:
            if self._names >= MOST_NAMES:
                return False
            self._names += 1
            known[name] = kind
        elif held != kind:
            known[name] = "float" if {held, kind} == {"integer", "float"} else "string"
        return True

    def document(self) -> Iterator[bytes]:
        """The array of types."""
        return _array(
            _encode(
                {
                    "name": name,
                    "attributes": [{"name": each, "type": kind} for each, kind in attributes.items()],
                }
            )
            for name, attributes in self.found.items()
        )


class _Spool:
    """Bytes written now and read later, compressed, on disk when they are many."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES, prefix="flowtrail-")  # noqa: SIM115 -- closed by its owner
        self._pack = zlib.compressobj(1, wbits=-15)

    def write(self, line: bytes) -> None:
        self._file.write(self._pack.compress(line + b"\n"))

    def lines(self) -> Iterator[bytes]:
        self._file.write(self._pack.flush())
        self._file.seek(0)
        unpack, rest = zlib.decompressobj(wbits=-15), b""
        while packed := unpack.unconsumed_tail or self._file.read(PART_BYTES):
            # A bounded piece at a time: what repeats itself may have been made a thousandth.
            *whole, rest = (rest + unpack.decompress(packed, PART_BYTES)).split(b"\n")
            yield from whole
        yield from (rest + unpack.flush()).split(b"\n")[:-1]

    def close(self) -> None:
        self._file.close()


@in_parts
def ocel_document(asked: Asked) -> Pieces:
    """The whole log; of nothing it is a log whose four arrays are empty."""
    events, object_types, event_types = _Spool(), _Types(), _Types()
    try:
        yield b'{"objects":['
        yield from _objects(asked, object_types, events.write, event_types)
        yield b'],"events":['
        yield from _array(events.lines())
        yield b'],"objectTypes":['
        yield from object_types.document()
        yield b'],"eventTypes":['
        yield from event_types.document()
        yield b"]"
        if asked.whole:
            yield b',"' + STATEMENTS.encode() + b'":' + statement_lines(asked.declarations()).encode()
        yield b"}\n"
    finally:
        events.close()


def _objects(
    asked: Asked, object_types: _Types, write: Callable[[bytes], None], event_types: _Types
) -> Iterator[bytes]:
    between = b""
    for linked in asked.linked(both_ends=True):
        if linked is None:
            yield b""
            continue
        state = state_of(linked.stored)
        yield between + _encode(_object(asked, linked, state, object_types))
        between = b",\n"
        # In the order they are shown in: the order they are kept in depends on how they came.
        for held in sorted(state.executions.values(), key=lambda held: display_key(merged_block(held))):
            write(_encode(_event(held, event_types)))


def _object(asked: Asked, linked: Linked, state: State, types: _Types) -> dict[str, Any]:
    stored = linked.stored
    owner = stored.header.object_type or UNNAMED
    # First, since of two attributes of one name the first is written.
    said = [(STATEMENTS, statement_lines(carried(asked, linked, state)))]
    facts = chain(said, transaction_facts(stored, state))
    return {
        "id": stored.id.hex(),
        "type": owner,
        "attributes": [{**attribute, "time": ALWAYS} for attribute in _attributes(owner, facts, types)],
        "relationships": [
            {"objectId": link.child.hex(), "qualifier": link.relation} for link in _told(asked, linked)
        ],
    }


def _told(asked: Asked, linked: Linked) -> list[LinkRow]:
    """The links that lead from here to objects of this very log."""
    return [link for link in linked.links if link.parent == linked.stored.id and asked.has(link.child)]


def _event(held: BlockRecord | list[BlockRecord], types: _Types) -> dict[str, Any]:
    record = merged_block(held)
    owner = record.block or UNNAMED
    facts = chain(
        [(STATEMENTS, statement_lines(execution_statements(held)))],
        [
            (f"flowtrail:{what}_at", Instant(format_instant(instant)))
            for what, instant in moments(record)[:-1]
        ],
        [] if record.worker is None else [("flowtrail:worker", record.worker)],
        execution_facts(record),
    )
    return {
        "id": f"{record.transaction.hex()}/{record.id.hex()}",
        "type": owner,
        "time": format_instant(moments(record)[-1][1]),
        "attributes": list(_attributes(owner, facts, types)),
        "relationships": [{"objectId": record.transaction.hex(), "qualifier": "execution"}],
    }


def _attributes(owner: str, facts: Iterable[tuple[str, Any]], types: _Types) -> Iterator[dict[str, Any]]:
    types.found.setdefault(owner, {})
    written: set[str] = set()
    for name, value in facts:
        if name in written:
            continue
        written.add(name)
        text, kind = _typed(value)
        if types.attribute(owner, name, kind) or name == STATEMENTS:
            yield {"name": name, "value": text}


def _typed(value: Any) -> tuple[str, str]:
    if isinstance(value, bool):
        return ("true" if value else "false"), "boolean"
    if isinstance(value, int):
        return str(value), "integer"
    if isinstance(value, float):
        return repr(value), "float"
    return str(value), "time" if isinstance(value, Instant) else "string"


def _array(items: Iterable[bytes]) -> Iterator[bytes]:
    between = b""
    for item in items:
        yield between + item
        between = b",\n"
