"""The fast reading of a batch: typed decoding, instants in columns, ids, canonical records.

It answers with a record only where it is certain; every other place stays empty, and `intake.suspects` reads that
record alone, exactly. What is certain here is accepted there too, with equal bytes: property tests hold the two to
each other.
"""

from binascii import unhexlify
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import astuple

from flowtrail.intake.columns import REFUSED, read_instants
from flowtrail.intake.repeats import names_kept, names_said, names_said_each
from flowtrail.intake.rules import is_currency, is_decimal, is_producer, settle_status
from flowtrail.intake.shapes import (
    INSTANTS,
    WireBlock,
    WireEnd,
    WireException,
    WireLink,
    WireSkip,
    WireTransaction,
    decode_wire,
)
from flowtrail.model.errors import Refusal
from flowtrail.model.instants import parse_instant
from flowtrail.model.limits import (
    MAX_CAUSES,
    MAX_DEPTH,
    MAX_INTEGER,
    MAX_NAME_CHARS,
    MAX_RECORD_BYTES,
)
from flowtrail.model.records import (
    AnyRecord,
    BlockRecord,
    EndRecord,
    ExceptionInfo,
    Frame,
    LinkRecord,
    Skip,
    TransactionRecord,
)

Wire = WireTransaction | WireBlock | WireEnd | WireLink
Fields = tuple[Any, ...]

_NUL: Final = b"\\u0000"
_NO_TRANSACTION: Final = bytes(16)
_NO_EXECUTION: Final = bytes(8)
_PLAIN_NAMES: Final = 11
"""Names in a plain execution: kind, transaction, id, block, producer, seq, status, stage and three instants."""
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_PLAIN: Final = frozenset({str, float, bool, type(None)})


class NotCertain(Exception):
    """The exact reading has to decide."""


def read_typed(texts: Sequence[bytes], body: bytes) -> list[AnyRecord | None]:
    """The canonical record of each text, or None where the exact reading has to decide.

    `body` is what the texts were cut from: what is looked for in all of them is looked for there, once.
    """
    wires = _decode(texts, body)
    rows: list[Fields] = []
    stated: list[str | int | None] = []
    for wire in wires:
        row: Fields = () if wire is None else astuple(wire)
        rows.append(row)
        stated += row[: INSTANTS[type(wire)]]
    batch = _Batch(_read([instant for instant in stated if instant is not None]))
    readers = batch.readers()
    records: list[AnyRecord | None] = []
    for wire, row in zip(wires, rows, strict=True):
        try:
            records.append(readers[type(wire)](row))
        except (NotCertain, Refusal, ValueError):  # ValueError: of `unhexlify`
            records.append(None)
    if batch.names != names_said(body) or None in records:
        _doubt(texts, wires, records)
    return records


def _decode(texts: Sequence[bytes], body: bytes) -> list[Wire | None]:
    doubtful = len(body) > MAX_RECORD_BYTES or (b"\\" in body and _NUL in body)
    if not doubtful:
        try:
            return [decode_wire(text) for text in texts]
        except _UNREADABLE:
            pass
    wires: list[Wire | None] = []
    for text in texts:
        try:
            if len(text) > MAX_RECORD_BYTES or _NUL in text:
                wires.append(None)
            else:
                wires.append(decode_wire(text))
        except _UNREADABLE:
            wires.append(None)
    return wires


def _read(instants: list[str | int]) -> list[int]:
    try:
        return read_instants(instants)  # type: ignore[arg-type]
    except TypeError:  # an integer among them
        read = iter(read_instants([each for each in instants if isinstance(each, str)]))
        return [next(read) if isinstance(each, str) else each for each in instants]


def _doubt(texts: Sequence[bytes], wires: Sequence[Wire | None], records: list[AnyRecord | None]) -> None:
    """Take the certainty from records whose text may hold a name twice."""
    for index, said in enumerate(names_said_each(texts)):
        if records[index] is None or said == names_kept(wires[index]):
            continue
        # A null is a name that the typed reading does not show.
        if b"null" not in texts[index] or said != names_kept(msgspec.json.decode(texts[index])):
            records[index] = None


class _Batch:
    """Makes canonical records of one batch's rows, in their order. Every method first takes its row's instants."""

    __slots__ = ("_known", "_take", "names")

    def __init__(self, instants: list[int]) -> None:
        self._take = iter(instants).__next__
        self._known: set[str | None] = {None}
        self.names = 0
        """The names kept in the records made so far."""

    def readers(self) -> dict[type, Callable[[Fields], AnyRecord]]:
        return {
            WireBlock: self._block,
            WireTransaction: self._transaction,
            WireEnd: self._end,
            WireLink: self._link,
            type(None): self._nothing,
        }

    def _block(self, row: Fields) -> BlockRecord:
        (
            at, queued, started, ended, transaction, id, block, producer, seq, status, stage,
            parent, attempt, worker, usage, details, exceptions, skip,
        ) = row  # fmt: skip
        # What nearly every record is, at once.
        if (
            at is None
            and queued is not None
            and started is not None
            and ended is not None
            and seq is not None
            and stage is not None
            and parent is None
            and usage is None
            and details is None
            and exceptions is None
            and skip is None
            and (status == "succeeded" or status == "failed")  # noqa: PLR1714 -- a set is slower
            and producer is not None
            and producer in self._known
        ):
            take = self._take
            queued, started, ended = take(), take(), take()
            transaction_id, execution_id = unhexlify(transaction), unhexlify(id)
            if (
                queued <= started <= ended
                and queued != REFUSED
                and transaction_id.hex() == transaction
                and execution_id.hex() == id
                and transaction_id != _NO_TRANSACTION
                and execution_id != _NO_EXECUTION
            ):
                self.names += _PLAIN_NAMES + (attempt is not None) + (worker is not None)
                return BlockRecord(
                    transaction_id, ended, producer, seq, execution_id, block, status,
                    queued, started, ended, stage, None, attempt, worker,
                )  # fmt: skip
        else:
            at, queued, started, ended = self._instants(row[:4])
        return self._any_block(row, at, queued, started, ended)

    def _any_block(
        self, row: Fields, at: int | None, queued: int | None, started: int | None, ended: int | None
    ) -> BlockRecord:
        transaction, id, block, producer, seq, status, stage, parent, attempt, worker = row[4:14]
        usage, details, exceptions, skip = row[14:]
        self._stamp(producer, seq)
        self._count(row, usage, details, exceptions, skip)
        record = BlockRecord(
            _transaction_id(transaction),
            _latest(at, queued, started, ended),
            producer,
            seq,
            _execution_id(id),
            block,
            settle_status(
                status,
                started=started is not None,
                ended=ended is not None,
                queued=queued is not None,
                exceptions=bool(exceptions),
                skip=skip is not None,
            ),
            queued,
            started,
            ended,
            stage,
            None if parent is None else _execution_id(parent),
            attempt,
            worker,
            usage or None,
            _checked(details),
            [_exception(each, MAX_CAUSES) for each in exceptions] if exceptions else None,
            None if skip is None else _skip(skip),
        )
        if parent == id:
            raise NotCertain
        return record

    def _transaction(self, row: Fields) -> TransactionRecord:
        at, created, deadline = self._instants(row[:3])
        id, producer, seq, flow, object_type, object_id, version, keys, attributes = row[3:12]
        attempt, retry_of, trace, value, currency = row[12:]
        self._stamp(producer, seq)
        self._count(row, keys, attributes)
        if value is None:
            sound = currency is None
        else:
            sound = currency is not None and is_decimal(value) and is_currency(currency)
        if not sound or retry_of == id:
            raise NotCertain
        return TransactionRecord(
            _transaction_id(id),
            _latest(at, created),
            producer,
            seq,
            flow,
            object_type,
            object_id,
            version,
            keys or None,
            _checked(attributes),
            created,
            deadline,
            attempt,
            None if retry_of is None else _transaction_id(retry_of),
            trace,
            value,
            currency,
        )

    def _end(self, row: Fields) -> EndRecord:
        at, ended = self._instants(row[:2])
        transaction, producer, seq, outcome, attempt, reason, predicate = row[2:]
        self._stamp(producer, seq)
        self._count(row)
        return EndRecord(
            _transaction_id(transaction),
            _latest(at, ended),
            producer,
            seq,
            outcome,
            1 if attempt is None else attempt,
            ended,
            reason,
            predicate,
        )

    def _link(self, row: Fields) -> LinkRecord:
        (at,) = self._instants(row[:1])
        parent, child, producer, seq, relation = row[1:]
        self._stamp(producer, seq)
        self._count(row)
        if parent == child:
            raise NotCertain
        return LinkRecord(_transaction_id(parent), _transaction_id(child), relation, at, producer, seq)

    def _nothing(self, row: Fields) -> AnyRecord:
        raise NotCertain

    def _instants(self, stated: Fields) -> list[int | None]:
        found = [None if each is None else self._take() for each in stated]
        if REFUSED in found:
            raise NotCertain
        return found

    def _stamp(self, producer: str | None, seq: int | None) -> None:
        if producer not in self._known:
            assert producer is not None
            if not is_producer(producer):
                raise NotCertain
            self._known.add(producer)
        if producer is None and seq is not None:
            raise NotCertain

    def _count(self, row: Fields, *inside: Any) -> None:
        self.names += 1 + len(row) - row.count(None)
        for value in inside:
            if value is not None:
                self.names += names_kept(value)


def _transaction_id(text: str) -> bytes:
    id = unhexlify(text)
    if id.hex() != text or id == _NO_TRANSACTION:
        raise NotCertain
    return id


def _execution_id(text: str) -> bytes:
    id = unhexlify(text)
    if id.hex() != text or id == _NO_EXECUTION:
        raise NotCertain
    return id


def _latest(at: int | None, *own: int | None) -> int:
    if at is not None:
        return at
    latest = REFUSED
    for instant in own:
        if instant is not None and instant > latest:
            latest = instant
    if latest == REFUSED:
        raise NotCertain
    return latest


def _checked(values: dict[str, Any] | None) -> dict[str, Any] | None:
    if not values:
        return None
    for value in values.values():
        if type(value) not in _PLAIN and not _fits(value, MAX_DEPTH):
            raise NotCertain
    return values


def _fits(value: Any, levels: int) -> bool:
    """Whether a decoded value stays within the limits of depth, names and integers."""
    kind = type(value)
    if kind is int:
        return -MAX_INTEGER - 1 <= value <= MAX_INTEGER
    if kind in _PLAIN:
        return True
    if levels == 0:
        return False
    if kind is dict:
        return all([0 < len(name) <= MAX_NAME_CHARS for name in value]) and all(
            [_fits(each, levels - 1) for each in value.values()]
        )
    return all([_fits(each, levels - 1) for each in value])


def _skip(wire: WireSkip) -> Skip:
    if not (_fits(wire.expected, MAX_DEPTH) and _fits(wire.actual, MAX_DEPTH)):
        raise NotCertain
    return Skip(*astuple(wire))


def _exception(wire: WireException, causes: int) -> ExceptionInfo:
    if wire.cause is not None and causes == 0:
        raise NotCertain
    return ExceptionInfo(
        wire.exception_type,
        wire.message or None,
        wire.module,
        wire.stacktrace,
        [Frame(*astuple(frame)) for frame in wire.frames] if wire.frames else None,
        None if wire.cause is None else _exception(wire.cause, causes - 1),
        None if wire.raised_at is None else parse_instant(wire.raised_at, None),
    )
