"""W3C Trace Context and Baggage as text: read from headers of anyone, written by the specification.

What does not follow the grammar is ignored, as the specification asks; nothing here raises. Our own facts travel as
the member `flowtrail` of `tracestate`, and the object's names, which `tracestate` has no room for, as members of
`baggage`.
"""

import re
from typing import Any, Final
from urllib.parse import quote, unquote

import msgspec

from flowtrail.model.limits import MAX_ATTEMPT, MAX_NAME_CHARS, MAX_OBJECT_ID_CHARS
from flowtrail.sdk.values import tidy_text

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
BAGGAGE: Final = "baggage"
HEADERS: Final = (TRACEPARENT, TRACESTATE, BAGGAGE)

_MOST_STATE_MEMBERS: Final = 32
_MOST_STATE_CHARS: Final = 512
_LONG_STATE_MEMBER: Final = 128
"""Longer ones go first when room is scarce, as the specification says."""
_MOST_BAGGAGE_MEMBERS: Final = 64
_MOST_BAGGAGE_CHARS: Final = 8_192

_PARENT: Final = re.compile(
    r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.{0,200})?", re.ASCII
)
_STATE_KEY: Final = re.compile(r"[a-z0-9][a-z0-9_*/@-]{0,255}")
_STATE_VALUE: Final = re.compile(r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]")
_BAGGAGE_KEY: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_BAGGAGE_VALUE: Final = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{0,4096}")
_BAGGAGE_PROPERTIES: Final = re.compile(r"[\x20\x09\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]{0,512}")
_OURS: Final = re.compile(r"1-([0-9a-f]{32})-([0-9a-f]{16})-([1-9][0-9]{0,6})-(h?)")

_MEMBER: Final = "flowtrail"
_NAMES: Final = (
    ("flowtrail.flow", "flow", MAX_NAME_CHARS),
    ("flowtrail.version", "version", MAX_NAME_CHARS),
    ("flowtrail.type", "object_type", MAX_NAME_CHARS),
    ("flowtrail.object", "object_id", MAX_OBJECT_ID_CHARS),
)
_ZEROS: Final = "0" * 16

Members = tuple[tuple[str, str], ...]


class Carried(msgspec.Struct, kw_only=True):
    """What headers said. `transaction` is None where they are none of ours; `parent` an execution of it.

    `trace` is the id of the trace, `state` and `baggage` the members of others, which travel on as they came.
    """

    transaction: str | None = None
    parent: str | None = None
    attempt: int = 1
    handover: bool = False
    trace: str | None = None
    flags: str = "01"
    flow: str | None = None
    version: str | None = None
    object_type: str | None = None
    object_id: str | None = None
    state: Members = ()
    baggage: Members = ()


def read(traceparents: list[str], tracestates: list[str], baggages: list[str]) -> Carried:
    """What these headers say; each is the list of all headers of that name, in order."""
    carried = Carried()
    match = _PARENT.fullmatch(traceparents[0].strip(" \t")) if len(traceparents) == 1 else None
    if match is not None and _is_parent(match):
        carried.trace, carried.flags = match[2], f"{int(match[4], 16) & 1:02x}"
        carried.state = _read_state(",".join(tracestates))
    _read_ours(carried)
    _read_baggage(",".join(baggages), carried)
    return carried


def _is_parent(match: re.Match[str]) -> bool:
    version, trace, parent, _, more = match.groups()
    if version == "ff" or (version == "00" and more is not None):
        return False
    return bool(trace.strip("0") and parent.strip("0"))


def _read_state(text: str) -> Members:
    members: dict[str, str] = {}
    for member in text.split(",")[: 4 * _MOST_STATE_MEMBERS]:
        stripped = member.strip(" \t")
        if not stripped:
            continue
        key, _, value = stripped.partition("=")
        if key in members or not (_STATE_KEY.fullmatch(key) and _STATE_VALUE.fullmatch(value)):
            return ()
        members[key] = value
    return tuple(members.items()) if len(members) <= _MOST_STATE_MEMBERS else ()


def _read_ours(carried: Carried) -> None:
    own = dict(carried.state).get(_MEMBER)
    if own is None:
        return
    carried.state = tuple(member for member in carried.state if member[0] != _MEMBER)
    match = _OURS.fullmatch(own)
    if match is None or not match[1].strip("0") or int(match[3]) > MAX_ATTEMPT:
        return
    carried.transaction, carried.attempt = match[1], int(match[3])
    carried.parent = match[2] if match[2] != _ZEROS else None
    carried.handover = match[4] == "h"


def _read_baggage(text: str, carried: Carried) -> None:
    others = []
    for member in text[: 2 * _MOST_BAGGAGE_CHARS].split(",")[: 2 * _MOST_BAGGAGE_MEMBERS]:
        pair, mark, properties = member.partition(";")
        key, equals, value = (part.strip(" \t") for part in pair.partition("="))
        if not (equals and _BAGGAGE_KEY.fullmatch(key) and _BAGGAGE_VALUE.fullmatch(value)):
            continue
        field = next(((each, most) for name, each, most in _NAMES if name == key), None)
        if field is not None:
            decoded = tidy_text(unquote(value, errors="replace"))
            if 0 < len(decoded) <= field[1]:
                setattr(carried, field[0], decoded)
        elif _BAGGAGE_PROPERTIES.fullmatch(properties):
            others.append((key, f"{value}{mark}{properties.rstrip()}"))
    carried.baggage = tuple(others[:_MOST_BAGGAGE_MEMBERS])


def write(carried: Carried, span: str) -> dict[str, str]:
    """The headers that say it; `span` is the id of the execution, or of whatever else, that calls."""
    headers = {
        TRACEPARENT: f"00-{carried.trace or carried.transaction}-{span}-{carried.flags}",
        TRACESTATE: _write_state(carried),
    }
    baggage = _write_baggage(carried)
    if baggage:
        headers[BAGGAGE] = baggage
    return headers


def _write_state(carried: Carried) -> str:
    flag = "h" if carried.handover else ""
    own = f"{_MEMBER}=1-{carried.transaction}-{carried.parent or _ZEROS}-{carried.attempt}-{flag}"
    others = [f"{key}={value}" for key, value in carried.state][: _MOST_STATE_MEMBERS - 1]
    if _length(own, others) > _MOST_STATE_CHARS:
        others = [member for member in others if len(member) <= _LONG_STATE_MEMBER]
    while others and _length(own, others) > _MOST_STATE_CHARS:
        others.pop()
    return ",".join([own, *others])


def _length(own: str, others: list[str]) -> int:
    return len(own) + sum(len(each) + 1 for each in others)


def _write_baggage(carried: Carried) -> str:
    """Members of others as they are, and ours before them as far as there is room: a transaction is found without."""
    others = [f"{key}={value}" for key, value in carried.baggage][:_MOST_BAGGAGE_MEMBERS]
    while others and _baggage_length(others) > _MOST_BAGGAGE_CHARS:
        others.pop()
    values: list[tuple[str, Any]] = [(name, getattr(carried, field)) for name, field, _ in _NAMES]
    ours: list[str] = []
    for name, value in values:
        if value is None or len(ours) + len(others) == _MOST_BAGGAGE_MEMBERS:
            continue
        member = f"{name}={quote(value, safe='')}"
        if _baggage_length([*ours, member, *others]) <= _MOST_BAGGAGE_CHARS:
            ours.append(member)
    return ",".join([*ours, *others])


def _baggage_length(members: list[str]) -> int:
    return sum(len(each) + 1 for each in members) - 1
