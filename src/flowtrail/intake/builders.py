"""The canonical fields of each kind, from its table: columns in the order of the fields in `model.records`.

A record of `model.records` is an array that begins with its kind, and so is a row of these columns: encoded, the two
are the same bytes. Nobody needs the object in between.
"""

from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import astuple

from flowtrail.intake.rules import is_currency, is_decimal, settle_status
from flowtrail.intake.shapes import WireBlock, WireEnd, WireException, WireLink, WireSkip, WireTransaction
from flowtrail.intake.tables import UNCERTAIN, Column, NotCertain, Table
from flowtrail.model.ids import EXECUTION_ID_BYTES, TRANSACTION_ID_BYTES
from flowtrail.model.instants import parse_instant
from flowtrail.model.limits import MAX_CAUSES, MAX_DEPTH, MAX_INTEGER, MAX_NAME_CHARS
from flowtrail.model.records import ExceptionInfo, Frame, Skip

_SCALARS: Final = frozenset({str, float, bool, type(None)})
_ENDED: Final = frozenset({"succeeded", "failed"})


def build_blocks(table: Table) -> list[Column]:
    """Statements about executions."""
    table.check_stamps("producer", "seq")
    table.doubt_equal("parent", "id")
    return [
        table.ids("transaction", TRANSACTION_ID_BYTES),
        table.latest("at", "queued_at", "started_at", "ended_at"),
        table.columns["producer"],
        table.columns["seq"],
        table.ids("id", EXECUTION_ID_BYTES),
        table.columns["block"],
        _statuses(table),
        table.columns["queued_at"],
        table.columns["started_at"],
        table.columns["ended_at"],
        table.columns["stage"],
        table.ids("parent", EXECUTION_ID_BYTES),
        table.columns["attempt"],
        table.columns["worker"],
        table.nested("usage", _not_empty),
        table.nested("details", _checked),
        table.nested("exceptions", _exceptions),
        table.nested("skip", _skip),
    ]


def _statuses(table: Table) -> Column:
    statuses = table.columns["status"]
    if not table.present["skip"] and _ENDED.issuperset(statuses):
        return statuses
    names = ("status", "queued_at", "started_at", "ended_at", "exceptions", "skip")
    found: list[str | None] = []
    for row, facts in enumerate(zip(*[table.columns[name] for name in names], strict=True)):
        status, queued, started, ended, exceptions, skip = facts
        try:
            found.append(
                settle_status(
                    status,
                    started=started is not None,
                    ended=ended is not None,
                    queued=queued is not None,
                    exceptions=bool(exceptions),
                    skip=skip is not None,
                )
            )
        except UNCERTAIN:
            found.append(None)
            table.doubtful.add(row)
    return found


def build_transactions(table: Table) -> list[Column]:
    """Announcements of transactions."""
    table.check_stamps("producer", "seq")
    table.doubt_equal("retry_of", "id")
    if table.present["value"] or table.present["currency"]:
        pairs = enumerate(zip(table.columns["value"], table.columns["currency"], strict=True))
        table.doubt([row for row, pair in pairs if not _is_money(*pair)])
    return [
        table.ids("id", TRANSACTION_ID_BYTES),
        table.latest("at", "created_at"),
        table.columns["producer"],
        table.columns["seq"],
        table.columns["flow"],
        table.columns["object_type"],
        table.columns["object_id"],
        table.columns["version"],
        table.nested("keys", _not_empty),
        table.nested("attributes", _checked),
        table.columns["created_at"],
        table.columns["deadline_at"],
        table.columns["attempt"],
        table.ids("retry_of", TRANSACTION_ID_BYTES),
        table.columns["trace"],
        table.columns["value"],
        table.columns["currency"],
    ]


def _is_money(value: str | None, currency: str | None) -> bool:
    if value is None or currency is None:
        return value is currency
    return is_decimal(value) and is_currency(currency)


def build_ends(table: Table) -> list[Column]:
    """Ends of attempts."""
    table.check_stamps("producer", "seq")
    return [
        table.ids("transaction", TRANSACTION_ID_BYTES),
        table.latest("at", "ended_at"),
        table.columns["producer"],
        table.columns["seq"],
        table.columns["outcome"],
        [1 if each is None else each for each in table.columns["attempt"]],
        table.columns["ended_at"],
        table.columns["reason"],
        table.columns["predicate"],
    ]


def build_links(table: Table) -> list[Column]:
    """Links between transactions."""
    table.check_stamps("producer", "seq")
    table.doubt_equal("parent", "child")
    return [
        table.ids("parent", TRANSACTION_ID_BYTES),
        table.ids("child", TRANSACTION_ID_BYTES),
        table.columns["relation"],
        table.columns["at"],
        table.columns["producer"],
        table.columns["seq"],
    ]


BUILDERS: Final[dict[type, Callable[[Table], list[Column]]]] = {
    WireBlock: build_blocks,
    WireTransaction: build_transactions,
    WireEnd: build_ends,
    WireLink: build_links,
}


def _not_empty(values: dict[str, Any]) -> dict[str, Any] | None:
    return values or None


def _checked(values: dict[str, Any]) -> dict[str, Any] | None:
    for value in values.values():
        if type(value) not in _SCALARS and not _fits(value, MAX_DEPTH):
            raise NotCertain
    return values or None


def _fits(value: Any, levels: int) -> bool:
    """Whether a decoded value stays within the limits of depth, names and integers."""
    if isinstance(value, (dict, list)):
        if levels == 0:
            return False
        if isinstance(value, list):
            return all(_fits(each, levels - 1) for each in value)
        return all(
            0 < len(name) <= MAX_NAME_CHARS and _fits(each, levels - 1) for name, each in value.items()
        )
    return type(value) is not int or -MAX_INTEGER - 1 <= value <= MAX_INTEGER


def _skip(wire: WireSkip) -> Skip:
    if not (_fits(wire.expected, MAX_DEPTH) and _fits(wire.actual, MAX_DEPTH)):
        raise NotCertain
    return Skip(*astuple(wire))


def _exceptions(wires: list[WireException]) -> list[ExceptionInfo] | None:
    return [_exception(wire, MAX_CAUSES) for wire in wires] or None


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
