"""The fast reading of a batch: typed decoding, then a table of each kind, whose columns are converted at once.

It answers with a record's bytes only where it is certain; every other place stays empty, and `intake.suspects` reads that
record alone, exactly. What is certain here is accepted there too, with equal bytes: property tests hold the two to
each other.
"""

from collections.abc import Sequence
from itertools import repeat
from typing import Any, Final

import msgspec
import numpy as np
from msgspec.structs import astuple

from flowtrail.intake.builders import BUILDERS
from flowtrail.intake.chunks import Chunk
from flowtrail.intake.columns import Instants, read_instants
from flowtrail.intake.repeats import names_kept, names_said, names_said_each
from flowtrail.intake.shapes import (
    INSTANTS,
    WireBlock,
    WireEnd,
    WireLink,
    WireTransaction,
    decode_wire,
    decode_wires,
)
from flowtrail.intake.tables import Table
from flowtrail.model.limits import MAX_RECORD_BYTES
from flowtrail.model.records import encode_record

Wire = WireTransaction | WireBlock | WireEnd | WireLink

_NUL: Final = b"\\u0000"
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def read_typed(chunk: Chunk) -> list[bytes | None]:
    """The canonical bytes of each record, or None where the exact reading has to decide."""
    wires = _decode(chunk)
    places: dict[type, list[int]] = {kind: [] for kind in (*BUILDERS, type(None))}
    rows: dict[type, list[tuple[Any, ...]]] = {kind: [] for kind in BUILDERS}
    sinks = {kind: (places[kind].append, held.append) for kind, held in rows.items()}
    for place, wire in enumerate(wires):
        if wire is None:
            places[type(None)].append(place)
            continue
        add_place, add_row = sinks[type(wire)]
        add_place(place)
        add_row(astuple(wire))
    uncertain = places.pop(type(None))
    tables = {
        kind: Table(kind.__struct_fields__, held)  # type: ignore[attr-defined]
        for kind, held in rows.items()
        if held
    }
    _read_instants(tables)
    encoded: list[bytes | None] = [None] * len(wires)
    for kind, table in tables.items():
        here = places[kind]
        columns = BUILDERS[kind](table)
        tag = kind.__struct_config__.tag  # type: ignore[attr-defined]
        for place, record in zip(
            here, map(encode_record, zip(repeat(tag), *columns, strict=False)), strict=True
        ):
            encoded[place] = record
        for row in table.doubtful:
            encoded[here[row]] = None
            uncertain.append(here[row])
    kept = sum([table.names for table in tables.values()])
    if not _kept_all(chunk, wires, uncertain, kept):
        _doubt(chunk.texts, wires, encoded)
    return encoded


def _kept_all(chunk: Chunk, wires: Sequence[Wire | None], uncertain: Sequence[int], kept: int) -> bool:
    """Whether all records that are certain kept all their names; `kept` counts those of every one that was decoded."""
    if len(uncertain) > len(wires) // 10:
        return False
    said = names_said(chunk.body) - sum([names_said(chunk.texts[place]) for place in uncertain])
    return said == kept - sum([names_kept(wires[place]) for place in uncertain])


def _decode(chunk: Chunk) -> Sequence[Wire | None]:
    if chunk.is_tidy and not (b"\\" in chunk.body and _NUL in chunk.body):
        try:
            wires = decode_wires(chunk.body)
            if len(wires) == chunk.count:
                return wires
        except _UNREADABLE:
            pass
    return [_decode_one(text) for text in chunk.texts]


def _decode_one(text: bytes) -> Wire | None:
    if len(text) > MAX_RECORD_BYTES or (b"\\" in text and _NUL in text):
        return None
    try:
        wire: Wire = decode_wire(text)
    except _UNREADABLE:
        return None
    return wire


def _read_instants(tables: dict[type, Table]) -> None:
    """Replace what is stated as an instant by microseconds, in all tables at once."""
    columns = [(table, name) for kind, table in tables.items() for name in INSTANTS[kind]]
    stated: list[str | int] = []
    for table, name in columns:
        column = table.columns[name]
        stated += (
            column if table.present[name] == table.rows else [each for each in column if each is not None]
        )
    read = _read(stated)
    position = 0
    for table, name in columns:
        table.set_instants(name, read[position : position + table.present[name]])
        position += table.present[name]


def _read(instants: list[str | int]) -> Instants:
    try:
        return read_instants(instants)  # type: ignore[arg-type]
    except TypeError:  # an integer among them
        texts = [place for place, each in enumerate(instants) if isinstance(each, str)]
        read = np.array([0 if isinstance(each, str) else each for each in instants], np.int64)
        read[texts] = read_instants([instants[place] for place in texts])  # type: ignore[misc]
        return read


def _doubt(texts: Sequence[bytes], wires: Sequence[Wire | None], encoded: list[bytes | None]) -> None:
    """Take the certainty from records whose text may hold a name twice."""
    for index, (text, said) in enumerate(zip(texts, names_said_each(texts), strict=True)):
        if encoded[index] is None:
            continue
        # A null is a name that the typed reading does not show.
        seen = msgspec.json.decode(text) if b"null" in text else wires[index]
        if said != names_kept(seen):
            encoded[index] = None
