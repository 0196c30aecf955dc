"""The fast reading of a batch: typed decoding, then a table of each kind, whose columns are converted at once.

It answers with a record's bytes only where it is certain; every other place stays empty, and `intake.suspects` reads that
record alone, exactly. What is certain here is accepted there too, with equal bytes: property tests hold the two to
each other.
"""

from collections.abc import Sequence
from itertools import repeat
from typing import Final

import msgspec
import numpy as np
from msgspec.structs import astuple

from flowtrail.intake.builders import BUILDERS
from flowtrail.intake.columns import Instants, read_instants
from flowtrail.intake.repeats import names_kept, names_said, names_said_each
from flowtrail.intake.shapes import INSTANTS, WireBlock, WireEnd, WireLink, WireTransaction, decode_wire
from flowtrail.intake.tables import Table
from flowtrail.model.limits import MAX_RECORD_BYTES
from flowtrail.model.records import encode_record

Wire = WireTransaction | WireBlock | WireEnd | WireLink

_NUL: Final = b"\\u0000"
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def read_typed(texts: Sequence[bytes], body: bytes) -> list[bytes | None]:
    """The canonical bytes of each record, or None where the exact reading has to decide.

    `body` is what the texts were cut from: what is looked for in all of them is looked for there, once.
    """
    wires = _decode(texts, body)
    places: dict[type, list[int]] = {kind: [] for kind in (*BUILDERS, type(None))}
    for place, wire in enumerate(wires):
        places[type(wire)].append(place)
    uncertain = places.pop(type(None))
    tables = {
        kind: Table(kind.__struct_fields__, [astuple(wires[place]) for place in here])  # type: ignore[attr-defined, arg-type]
        for kind, here in places.items()
        if here
    }
    _read_instants(tables)
    encoded: list[bytes | None] = [None] * len(texts)
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
    if not _kept_all(texts, wires, body, uncertain, kept):
        _doubt(texts, wires, encoded)
    return encoded


def _kept_all(
    texts: Sequence[bytes], wires: Sequence[Wire | None], body: bytes, uncertain: Sequence[int], kept: int
) -> bool:
    """Whether all records that are certain kept all their names; `kept` counts those of every one that was decoded."""
    if len(uncertain) > len(texts) // 10:
        return False
    said = names_said(body) - sum([names_said(texts[place]) for place in uncertain])
    return said == kept - sum([names_kept(wires[place]) for place in uncertain])


def _decode(texts: Sequence[bytes], body: bytes) -> list[Wire | None]:
    if len(body) <= MAX_RECORD_BYTES and not (b"\\" in body and _NUL in body):
        try:
            return [decode_wire(text) for text in texts]
        except _UNREADABLE:
            pass
    wires: list[Wire | None] = []
    for text in texts:
        try:
            doubtful = len(text) > MAX_RECORD_BYTES or _NUL in text
            wires.append(None if doubtful else decode_wire(text))
        except _UNREADABLE:
            wires.append(None)
    return wires


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
