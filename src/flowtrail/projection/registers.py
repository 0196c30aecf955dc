"""The join of statements about one thing: a map of registers, kept as the few records that still win something.

A register keeps the statement that is greatest by (`at`, producer, seq, canonical bytes of the value). Instead of
storing a stamp with every register, a thing is a list of *pruned* records: each keeps only the fields it wins, and
the list is sorted by stamp with one record a stamp. That form is unique, so equal knowledge is equal bytes; and the
usual thing, told once, is its record unchanged.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar

import msgspec

from flowtrail.model.limits import MAX_MAP_NAMES
from flowtrail.model.records import BlockRecord, EndRecord, TransactionRecord
from flowtrail.model.statuses import FINAL

Stamp = tuple[int, str, int]

_value_bytes = msgspec.msgpack.Encoder(order="deterministic").encode

R = TypeVar("R", TransactionRecord, BlockRecord, EndRecord)

# A register is a group of fields that must not tear; it exists in a record whose first field is set.
_GROUPS: Final[dict[type, tuple[tuple[str, ...], ...]]] = {
    TransactionRecord: (
        ("flow", "object_type", "object_id"),
        ("version",),
        ("created_at",),
        ("deadline_at",),
        ("retry_of",),
        ("trace",),
        ("value", "currency"),
    ),
    BlockRecord: (
        ("block",),
        ("status", "ended_at", "exceptions", "skip"),
        ("queued_at",),
        ("started_at",),
        ("stage",),
        ("parent",),
        ("attempt",),
        ("worker",),
    ),
    EndRecord: (("outcome", "ended_at", "reason", "predicate"),),
}
_MAPS: Final[dict[type, tuple[str, ...]]] = {
    TransactionRecord: ("keys", "attributes"),
    BlockRecord: ("details", "usage"),
    EndRecord: (),
}
_IDENTITY: Final[dict[type, tuple[str, ...]]] = {
    TransactionRecord: ("id",),
    BlockRecord: ("transaction", "id"),
    EndRecord: ("transaction", "attempt"),
}


def stamp_of(record: TransactionRecord | BlockRecord | EndRecord) -> Stamp:
    """What decides between two statements before their values do; absent producers and sequences come first."""
    return (record.at, record.producer or "", record.seq or 0)


def says_the_same(one: Any, other: Any) -> bool:
    """Whether two statements, or lists of them, are the same to the byte. To Python `1`, `1.0` and `true` are equal."""
    return one == other and _value_bytes(one) == _value_bytes(other)


def is_among(statement: Any, statements: Iterable[Any]) -> bool:
    """Whether one of the statements is the same as this one."""
    return any(says_the_same(statement, held) for held in statements)


def _rank(group: tuple[str, ...], value: tuple[Any, ...]) -> int:
    """Results are ordered by rank before stamp; every other register by stamp alone. Every final status has the same
    rank: between two of them the later statement wins."""
    if group[0] != "status":
        return 0
    return 3 if value[0] in FINAL else 2 if value[0] == "running" else 1


def join(records: Iterable[R]) -> tuple[list[R], bool]:
    """The pruned records of one thing, sorted by stamp, and whether a map was cut to its smallest names.

    Commutative, associative and idempotent: joining pruned lists with each other or with the records they came
    from changes nothing. At least one record comes back for at least one that goes in. `attempt` of a transaction
    is the maximum announced and is kept on the record that wins it by (attempt, stamp).
    """
    records = list(records)
    kind = type(records[0])
    single: dict[tuple[str, ...], tuple[int, Stamp, bytes, tuple[Any, ...]]] = {}
    maps: dict[str, dict[str, tuple[Stamp, bytes, Any]]] = {name: {} for name in _MAPS[kind]}
    for record in records:
        stamp = stamp_of(record)
        for group in _GROUPS[kind]:
            value = tuple([getattr(record, name) for name in group])
            if value[0] is None or value[0] == "":
                continue
            _keep_greatest(single, group, (_rank(group, value), stamp, _value_bytes(value), value))
        if kind is TransactionRecord and record.attempt is not None:
            value = (record.attempt,)
            _keep_greatest(single, ("attempt",), (value[0], stamp, b"", value))
        for name, registers in maps.items():
            for key, entry in (getattr(record, name) or {}).items():
                candidate = (stamp, _value_bytes(entry), entry)
                held = registers.get(key)
                if held is None or held[:2] < candidate[:2]:
                    registers[key] = candidate
    cut = False
    for name, registers in maps.items():
        if len(registers) > MAX_MAP_NAMES:
            cut = True
            maps[name] = {key: registers[key] for key in sorted(registers)[:MAX_MAP_NAMES]}
    return _regroup(records[0], single, maps), cut


def _keep_greatest(
    registers: dict[tuple[str, ...], tuple[int, Stamp, bytes, tuple[Any, ...]]],
    group: tuple[str, ...],
    candidate: tuple[int, Stamp, bytes, tuple[Any, ...]],
) -> None:
    held = registers.get(group)
    if held is None or held[:3] < candidate[:3]:
        registers[group] = candidate


def _regroup(
    pattern: R,
    single: dict[tuple[str, ...], tuple[int, Stamp, bytes, tuple[Any, ...]]],
    maps: dict[str, dict[str, tuple[Stamp, bytes, Any]]],
) -> list[R]:
    fields: dict[Stamp, dict[str, Any]] = {}
    for group, (_, stamp, _, value) in single.items():
        fields.setdefault(stamp, {}).update(zip(group, value, strict=True))
    for name, registers in maps.items():
        for key in sorted(registers):
            stamp, _, entry = registers[key]
            fields.setdefault(stamp, {}).setdefault(name, {})[key] = entry
    return [_bare(pattern, stamp, fields[stamp]) for stamp in sorted(fields)]


def _bare(pattern: R, stamp: Stamp, fields: dict[str, Any]) -> R:
    at, producer, seq = stamp
    identity = {name: getattr(pattern, name) for name in _IDENTITY[type(pattern)]}
    return type(pattern)(at=at, producer=producer or None, seq=seq or None, **identity, **fields)


def merged_block(statements: "list[BlockRecord] | BlockRecord") -> BlockRecord:
    """What the statements about one execution say together, as one record; a single statement is returned as it is.

    `at` is the latest statement's.
    """
    if isinstance(statements, BlockRecord):
        return statements
    if len(statements) == 1:
        return statements[0]
    into = BlockRecord(transaction=statements[0].transaction, at=0, id=statements[0].id)
    _merge(statements, into)
    return into


def merged_transaction(statements: list[TransactionRecord]) -> TransactionRecord:
    """What the statements about one transaction say together, as one record."""
    if len(statements) == 1:
        return statements[0]
    into = TransactionRecord(id=statements[0].id, at=0)
    _merge(statements, into)
    return into


def _merge(statements: Sequence[R], into: R) -> None:
    # Pruned records never set the same register twice, so the order does not matter but for `at`.
    for record in statements:
        for name in record.__struct_fields__:
            value = getattr(record, name)
            if value is None or value == "":
                continue
            held = getattr(into, name)
            if name in _MAPS[type(record)] and held:
                value = {**held, **value}
            setattr(into, name, value)
