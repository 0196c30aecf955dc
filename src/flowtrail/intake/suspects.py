"""The exact reading of one record: what the fast one was not certain of, and the reference it is held to.

Everything that is refused says where and why. Nothing else than `Refusal` is ever raised, whatever the bytes.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from flowtrail.intake.exact import check_number, parse_json
from flowtrail.intake.fields import (
    Check,
    an_object,
    anything,
    boolean,
    currency,
    decimal,
    hex_id,
    instant,
    integer,
    list_of,
    names_to,
    number,
    one_of,
    producer,
    read_fields,
    text,
)
from flowtrail.intake.rules import is_producer, settle_status
from flowtrail.model.errors import Refusal
from flowtrail.model.ids import EXECUTION_ID_BYTES, TRANSACTION_ID_BYTES
from flowtrail.model.limits import (
    MAX_ATTEMPT,
    MAX_CAUSES,
    MAX_EXCEPTIONS,
    MAX_FLOW_BLOCKS,
    MAX_INTEGER,
    MAX_KEYS,
    MAX_NAME_CHARS,
    MAX_OBJECT_ID_CHARS,
    MAX_REASON_CHARS,
    MAX_RECORD_BYTES,
    MAX_USAGE,
    NEWEST_INSTANT_US,
    OLDEST_INSTANT_US,
)
from flowtrail.model.records import (
    AnyRecord,
    BlockDefinition,
    BlockRecord,
    EndRecord,
    ExceptionInfo,
    FlowRecord,
    Frame,
    LinkRecord,
    ReportRecord,
    Skip,
    TransactionRecord,
)
from flowtrail.model.statuses import EXECUTION_STATUSES, OUTCOMES, RELATIONS

_LONGEST_S: Final = (NEWEST_INSTANT_US - OLDEST_INSTANT_US) // 1_000_000

_name: Final = text(MAX_NAME_CHARS)
_findable: Final = text(MAX_OBJECT_ID_CHARS)
_reason: Final = text(MAX_REASON_CHARS)
_any_text: Final = text()
_transaction_id: Final = hex_id(TRANSACTION_ID_BYTES)
_execution_id: Final = hex_id(EXECUTION_ID_BYTES)
_attempt: Final = integer(1, MAX_ATTEMPT)
_count: Final = integer(0, MAX_INTEGER)


def _frame(value: Any, field: str) -> Frame:
    return Frame(**read_fields(an_object(value, field), _FRAME, frozenset(), field))


def _exception(value: Any, field: str, causes: int = MAX_CAUSES) -> ExceptionInfo:
    def cause(value: Any, field: str) -> ExceptionInfo:
        if causes == 0:
            raise Refusal(
                "too_deep", "there are too many causes", field, None, f"at most {MAX_CAUSES} causes in a row"
            )
        return _exception(value, field, causes - 1)

    checks = {**_EXCEPTION, "cause": cause}
    found = read_fields(an_object(value, field), checks, frozenset({"type"}), field)
    return ExceptionInfo(found.pop("type"), **found)


def _skip(value: Any, field: str) -> Skip:
    return Skip(**read_fields(an_object(value, field), _SKIP, frozenset({"predicate"}), field))


def _block_definition(value: Any, field: str) -> BlockDefinition:
    found = read_fields(an_object(value, field), _BLOCK_DEFINITION, frozenset({"name"}), field)
    return BlockDefinition(**found)


def _block_definitions(value: Any, field: str) -> list[BlockDefinition] | None:
    found: list[BlockDefinition] | None = _list_of_definitions(value, field)
    names: set[str] = set()
    for index, each in enumerate(found or ()):
        if each.name in names:
            raise Refusal(
                "repeated_name",
                "the flow has a block of that name already",
                f"{field}[{index}].name",
                each.name,
                "each name once",
            )
        names.add(each.name)
    return found


_list_of_definitions: Final = list_of(_block_definition, MAX_FLOW_BLOCKS)

_FRAME: Final[Mapping[str, Check]] = {
    "module": _any_text,
    "function": _any_text,
    "file": _any_text,
    "line": _count,
    "in_app": boolean,
}
_EXCEPTION: Final[Mapping[str, Check]] = {
    "type": _findable,
    "message": _any_text,
    "module": _any_text,
    "stacktrace": _any_text,
    "frames": list_of(_frame, MAX_RECORD_BYTES),
    "cause": anything,
    "raised_at": instant,
}
_SKIP: Final[Mapping[str, Check]] = {
    "predicate": _name,
    "reason": _reason,
    "expected": anything,
    "actual": anything,
}
_BLOCK_DEFINITION: Final[Mapping[str, Check]] = {
    "name": _name,
    "stage": _name,
    "workers": integer(1, MAX_INTEGER),
}
_COMMON: Final[Mapping[str, Check]] = {
    "kind": _name,
    "at": instant,
    "producer": producer,
    "seq": integer(1, MAX_INTEGER),
}

FIELDS: Final[Mapping[str, Mapping[str, Check]]] = {
    "transaction": {
        **_COMMON,
        "id": _transaction_id,
        "flow": _name,
        "version": _name,
        "object_type": _name,
        "object_id": _findable,
        "keys": names_to(_findable, MAX_KEYS, keep_empty=True),
        "attributes": names_to(anything),
        "created_at": instant,
        "deadline_at": instant,
        "attempt": _attempt,
        "retry_of": _transaction_id,
        "trace": _name,
        "value": decimal,
        "currency": currency,
    },
    "block": {
        **_COMMON,
        "transaction": _transaction_id,
        "id": _execution_id,
        "block": _name,
        "stage": _name,
        "parent": _execution_id,
        "attempt": _attempt,
        "status": one_of(EXECUTION_STATUSES),
        "queued_at": instant,
        "started_at": instant,
        "ended_at": instant,
        "details": names_to(anything),
        "exceptions": list_of(_exception, MAX_EXCEPTIONS),
        "skip": _skip,
        "usage": names_to(number(0, MAX_USAGE)),
        "worker": _name,
    },
    "end": {
        **_COMMON,
        "transaction": _transaction_id,
        "outcome": one_of(OUTCOMES),
        "ended_at": instant,
        "reason": _reason,
        "predicate": _name,
        "attempt": _attempt,
    },
    "link": {
        **_COMMON,
        "parent": _transaction_id,
        "child": _transaction_id,
        "relation": one_of(RELATIONS),
    },
    "flow": {
        **_COMMON,
        "flow": _name,
        "version": _name,
        "stages": list_of(_name, MAX_FLOW_BLOCKS, distinct=True),
        "blocks": _block_definitions,
        "deadline_s": number(0, _LONGEST_S, above=True),
    },
    "report": {
        **_COMMON,
        "produced": _count,
        "sent": _count,
        "dropped": names_to(_count),
    },
}
"""Every field of every kind, in the order the documentation tells them."""

REQUIRED: Final[Mapping[str, frozenset[str]]] = {
    "transaction": frozenset({"kind", "id", "flow", "object_type", "object_id"}),
    "block": frozenset({"kind", "transaction", "id", "block"}),
    "end": frozenset({"kind", "transaction", "outcome"}),
    "link": frozenset({"kind", "parent", "child", "relation"}),
    "flow": frozenset({"kind", "at", "flow", "version"}),
    "report": frozenset({"kind", "at", "producer", "seq", "produced", "sent", "dropped"}),
}


def read_exact(raw: bytes) -> AnyRecord:
    """The canonical record of one JSON text. Raises: Refusal, and nothing else."""
    if len(raw) > MAX_RECORD_BYTES:
        raise Refusal(
            "record_too_large",
            "the record is too large",
            None,
            f"{len(raw)} bytes",
            f"at most {MAX_RECORD_BYTES} bytes",
        )
    try:
        return read_value(an_object(parse_json(raw), None))
    except RecursionError:
        raise Refusal(
            "too_deep", "the JSON is nested too deep", None, None, "8 levels of maps and lists"
        ) from None


def read_value(value: dict[str, Any]) -> AnyRecord:
    """The canonical record of what `parse_json` made of its text, or of a statement in the same terms.

    Raises: Refusal; RecursionError.
    """
    kind = value.get("kind")
    if kind is None:
        raise Refusal("missing_field", "the record does not say its kind", "kind", None, ", ".join(FIELDS))
    check_number(kind, "kind")
    if not isinstance(kind, str) or kind not in FIELDS:
        raise Refusal("unknown_kind", "there is no such kind of record", "kind", kind, ", ".join(FIELDS))
    found = read_fields(value, FIELDS[kind], REQUIRED[kind], None)
    if "seq" in found and "producer" not in found:
        raise Refusal(
            "missing_field", "a sequence counts within a producer", "producer", None, "name/session"
        )
    del found["kind"]
    return _BUILDERS[kind](found)


def _state_at(found: dict[str, Any], *own: str) -> None:
    if "at" not in found:
        stated = [found[name] for name in own if name in found]
        if not stated:
            raise Refusal(
                "missing_instant", "the record says no instant", "at", None, f"one of at, {', '.join(own)}"
            )
        found["at"] = max(stated)


def _transaction(found: dict[str, Any]) -> TransactionRecord:
    _state_at(found, "created_at")
    for name, other in (("currency", "value"), ("value", "currency")):
        if name in found and other not in found:
            raise Refusal(
                "missing_field", f"a {name} needs a {other}", other, None, "value and currency together"
            )
    _not_itself(found, "retry_of", "id", "a transaction does not retry itself; raise its attempt instead")
    return TransactionRecord(**found)


def _block(found: dict[str, Any]) -> BlockRecord:
    _state_at(found, "queued_at", "started_at", "ended_at")
    _not_itself(found, "parent", "id", "an execution is not its own parent")
    found["status"] = settle_status(
        found.get("status"),
        started="started_at" in found,
        ended="ended_at" in found,
        queued="queued_at" in found,
        exceptions="exceptions" in found,
        skip="skip" in found,
    )
    return BlockRecord(**found)


def _end(found: dict[str, Any]) -> EndRecord:
    _state_at(found, "ended_at")
    return EndRecord(**found)


def _link(found: dict[str, Any]) -> LinkRecord:
    _not_itself(found, "child", "parent", "a transaction is not linked to itself")
    return LinkRecord(**found)


def _not_itself(found: dict[str, Any], name: str, other: str, message: str) -> None:
    if name in found and found[name] == found[other]:
        raise Refusal("contradiction", message, name, found[name].hex(), f"another id than {other}")


_BUILDERS: Final[Mapping[str, Callable[[dict[str, Any]], AnyRecord]]] = {
    "transaction": _transaction,
    "block": _block,
    "end": _end,
    "link": _link,
    "flow": lambda found: FlowRecord(**found),
    "report": lambda found: ReportRecord(**found),
}


class _Stamped(msgspec.Struct, gc=False):
    producer: Any = None
    seq: Any = None


_decode_stamped: Final = msgspec.json.Decoder(_Stamped).decode


def read_stamp(raw: bytes) -> tuple[str | None, int | None]:
    """Producer and sequence of a record that was refused, each as far as it can be read and is one."""
    try:
        stamped = _decode_stamped(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None, None
    producer, seq = stamped.producer, stamped.seq
    if not isinstance(producer, str) or "\0" in producer or not is_producer(producer):
        return None, None
    if isinstance(seq, bool) or not isinstance(seq, int) or not 1 <= seq <= MAX_INTEGER:
        return producer, None
    return producer, seq
