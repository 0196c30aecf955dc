"""What statistics can be grouped by, and where each grouping comes from.

Cells know flow, version, block and object type; of transactions alone also their present status. Everything else is
a fact of the rows.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from flowtrail.insight.table import Group
from flowtrail.model.conditions import AllOf, AnyOf, Condition, FlowIs, HasTerm, HasTermPrefix, Not, TypeIs
from flowtrail.model.errors import Refusal
from flowtrail.model.records import BlockRecord
from flowtrail.projection.cells import CellKey
from flowtrail.projection.derive import transaction_of
from flowtrail.projection.fingerprint import fingerprint
from flowtrail.projection.header import Header
from flowtrail.projection.state import State
from flowtrail.projection.terms import version_term

TRANSACTIONS: Final = "transactions"
EXECUTIONS: Final = "executions"
"""The units: the first part of every group, since the two are never added up."""

KEY_PREFIX: Final = "key."
MAX_GROUPINGS: Final = 4
_NAME: Final = re.compile(r'\s*key\."((?:[^"\\]|\\["\\])*)"\s*(?=,|\Z)|[^,]*')
_ESCAPED: Final = re.compile(r"\\(.)")

_OF_EVENTS: Final = {"flow": 0, "version": 1, "block": 2, "type": 3}
_OF_COHORTS: Final = {"flow": 0, "version": 1, "type": 2, "status": 3}
_OF_HEADERS: Final[dict[str, Callable[[Header], str]]] = {
    "flow": lambda header: header.flow,
    "version": lambda header: header.version or "",
    "type": lambda header: header.object_type,
    "status": lambda header: header.status,
}
_OF_EXECUTIONS: Final[dict[str, Callable[[BlockRecord], str]]] = {
    "block": lambda record: record.block,
    "stage": lambda record: record.stage or "",
    "worker": lambda record: record.worker or "",
    "predicate": lambda record: record.skip.predicate if record.skip else "",
    "exception": lambda record: record.exceptions[0].kind if record.exceptions else "",
    "problem": lambda record: fingerprint(record) if record.status == "failed" else "",
}
GROUPINGS: Final = (*_OF_HEADERS, *_OF_EXECUTIONS)
_ALLOWED: Final = ", ".join([*GROUPINGS, "key.NAME", 'key."NAME"'])

GroupOf = Callable[[CellKey], Group | None]


class Of(NamedTuple):
    """Whose a cell is."""

    flow: str
    version: str
    object_type: str


CellFilter = Callable[[Of], bool]
"""Whether such cells are meant."""


def read_group_by(text: str | None) -> tuple[str, ...]:
    """The groupings in their order; none when absent. A key's name may stand in quotes, as in queries, but is told
    without. Raises: Refusal (400 `out_of_range`)."""
    names = tuple(_split(text)) if text else ()
    for name in names:
        if name not in GROUPINGS and not _may_be_key(name):
            raise _nothing(name, text)
    if len(set(names)) != len(names) or len(names) > MAX_GROUPINGS:
        message = f"at most {MAX_GROUPINGS} different groupings"
        raise Refusal("out_of_range", message, "group_by", text, _ALLOWED)
    return names


def _split(text: str) -> Iterator[str]:
    at = -1
    while at < len(text):
        found = _NAME.match(text, at + 1)
        assert found is not None
        at = found.end()
        if found[1] is None:
            name = found[0].strip()
            # A quote that is not a whole name's would be taken for part of it.
            if name.startswith(f'{KEY_PREFIX}"'):
                raise _nothing(name, text)
            yield name
        else:
            yield KEY_PREFIX + _ESCAPED.sub(r"\1", found[1])


def _may_be_key(name: str) -> bool:
    return name.startswith(KEY_PREFIX) and len(name) > len(KEY_PREFIX) and "\0" not in name


def _nothing(name: str, text: str | None) -> Refusal:
    return Refusal("out_of_range", f"{name!r} is nothing to group by", "group_by", text, _ALLOWED)


def of_events(group_by: Sequence[str], wanted: CellFilter) -> GroupOf | None:
    """How cells of events group; None when they cannot."""
    if any(name not in _OF_EVENTS for name in group_by):
        return None
    places = [_OF_EVENTS[name] for name in group_by]
    known: dict[tuple[str, ...], Group | None] = {}

    def group_of(key: CellKey) -> Group | None:
        group = key.group
        if group not in known:
            known[group] = _event_group(group, places) if wanted(Of(group[0], group[1], group[3])) else None
        return known[group]

    return group_of


def _event_group(group: tuple[str, ...], places: list[int]) -> Group:
    if group[2]:
        return (EXECUTIONS, *(group[place] for place in places))
    return (TRANSACTIONS, *(None if place == _OF_EVENTS["block"] else group[place] for place in places))


def of_cohorts(group_by: Sequence[str], wanted: CellFilter) -> GroupOf | None:
    """How cells of cohorts group; None when they cannot, or when nobody asked for a status."""
    if "status" not in group_by or any(name not in _OF_COHORTS for name in group_by):
        return None
    places = [_OF_COHORTS[name] for name in group_by]

    def group_of(key: CellKey) -> Group | None:
        flow, version, object_type, _ = key.group
        if not wanted(Of(flow, version, object_type)):
            return None
        return (TRANSACTIONS, *(key.group[place] for place in places))

    return group_of


def whole_group(group_by: Sequence[str]) -> Callable[[Header, State], Group]:
    """The group of a transaction; what only executions have is None."""

    def group_of(header: Header, state: State) -> Group:
        values = [_whole_value(name, header, state) for name in group_by]
        return (TRANSACTIONS, *values)

    return group_of


def _whole_value(name: str, header: Header, state: State) -> str | None:
    if name in _OF_HEADERS:
        return _OF_HEADERS[name](header)
    if name in _OF_EXECUTIONS:
        return None
    announced = transaction_of(state)
    # An empty value is one too: who has it is found by it, and who lacks the key by that.
    return ((announced.keys if announced else None) or {}).get(name.removeprefix(KEY_PREFIX))


def execution_group(group_by: Sequence[str]) -> Callable[[Group, BlockRecord], Group]:
    """The group of an execution, of its transaction's."""
    readers = [
        (place, _OF_EXECUTIONS[name]) for place, name in enumerate(group_by, 1) if name in _OF_EXECUTIONS
    ]

    def group_of(whole: Group, record: BlockRecord) -> Group:
        values: list[str | None] = [EXECUTIONS, *whole[1:]]
        for place, read in readers:
            values[place] = read(record)
        return tuple(values)

    return group_of


def cell_filter(condition: Condition) -> CellFilter | None:
    """The condition as a choice of cells; None when it asks for more than cells know."""
    match condition:
        case FlowIs(name):
            return lambda of: of.flow == name
        case TypeIs(name):
            return lambda of: of.object_type == name
        case HasTerm(term) if term.startswith(version_term("")):
            return lambda of: of.version != "" and version_term(of.version) == term
        case HasTermPrefix(prefix) if prefix == version_term(""):
            return lambda of: of.version != ""
        case Not(part):
            inner = cell_filter(part)
            return None if inner is None else lambda of: not inner(of)
        case AllOf(parts) | AnyOf(parts):
            filters = [cell_filter(part) for part in parts]
            if any(each is None for each in filters):
                return None
            decide = all if isinstance(condition, AllOf) else any
            return lambda of: decide(each(of) for each in filters if each is not None)
        case _:
            return None


def only_flow(condition: Condition) -> str | None:
    """The one flow the condition allows, where that is plain to see: so the others' cells need not be read."""
    if isinstance(condition, FlowIs):
        return condition.flow
    if isinstance(condition, AllOf):
        return next((part.flow for part in condition.parts if isinstance(part, FlowIs)), None)
    return None
