"""The reference evaluator: what every leaf of a condition means, asked of one transaction.

Stores compile conditions to something faster; where a compiled condition differs from this, it is wrong. Stores
also ask it about candidates that their indexes could only narrow down.
"""

from collections.abc import Iterator

from flowtrail.model.conditions import (
    AllOf,
    AnyBlockHas,
    AnyOf,
    AttemptEnded,
    Between,
    BlockHas,
    Condition,
    DurationIs,
    FlowIs,
    HasFailures,
    HasTerm,
    HasTermPrefix,
    IdIs,
    IsLate,
    IsStuck,
    KeyStarts,
    Leaf,
    Moment,
    Not,
    StatusIs,
    TypeIs,
)
from flowtrail.projection.derive import end_instant, executions, terms_of, transaction_of
from flowtrail.projection.executions import arrival_at, moment_at
from flowtrail.projection.header import Header
from flowtrail.projection.state import State

_STATE_LEAVES = (HasTerm, HasTermPrefix, KeyStarts, BlockHas, AnyBlockHas, AttemptEnded)


def needs_state(condition: Condition) -> bool:
    """Whether the condition asks for more than a header tells."""
    match condition:
        case AllOf(parts) | AnyOf(parts):
            return any(map(needs_state, parts))
        case Not(part):
            return needs_state(part)
        case _:
            return isinstance(condition, _STATE_LEAVES)


def matches(condition: Condition, id: bytes, header: Header, state: State | None, moment: Moment) -> bool:
    """Whether the transaction matches now. `state` may be None where `needs_state` says so.

    Raises: ValueError when a state is needed and None was given.
    """
    return _Subject(id, header, state, moment).matches(condition)


class _Subject:
    """One transaction that is asked; its terms are derived once, when a leaf first wants them."""

    __slots__ = ("_header", "_id", "_moment", "_state", "_terms")

    def __init__(self, id: bytes, header: Header, state: State | None, moment: Moment) -> None:
        self._id, self._header, self._state, self._moment = id, header, state, moment
        self._terms: set[str] | None = None

    def matches(self, condition: Condition) -> bool:
        match condition:
            case AllOf(parts):
                return all(map(self.matches, parts))
            case AnyOf(parts):
                return any(map(self.matches, parts))
            case Not(part):
                return not self.matches(part)
            case _:
                if isinstance(condition, _STATE_LEAVES):
                    return self._state_matches(condition)
                return self._header_matches(condition)

    def _header_matches(self, leaf: Leaf) -> bool:
        header = self._header
        match leaf:
            case StatusIs(status):
                return header.status == status
            case FlowIs(flow):
                return header.flow == flow
            case TypeIs(object_type):
                return header.object_type == object_type
            case IdIs(id):
                return self._id == id
            case HasFailures():
                return header.has_failures
            case Between(instant, since, until):
                return _lies(_instant(header, instant), since, until)
            case DurationIs(least, most):
                if header.ended_at is None:
                    return False
                duration = header.ended_at - header.opened_at
                return (least is None or duration >= least) and (most is None or duration <= most)
            case IsLate():
                at = self._moment.now if header.ended_at is None else header.ended_at
                return header.deadline_at is not None and at > header.deadline_at
            case IsStuck():
                silent = self._moment.now - header.updated_at
                patience = self._moment.patience_us(header.flow, header.current_block)
                return header.status == "in_transit" and silent > patience
            case _:
                raise TypeError(f"{leaf!r} is not a condition on headers")

    def _state_matches(self, leaf: Leaf) -> bool:
        state = self._state
        if state is None:
            raise ValueError(f"{leaf!r} needs a state")
        if isinstance(leaf, BlockHas | AnyBlockHas):
            return any(_execution_matches(leaf, state))
        if isinstance(leaf, AttemptEnded):
            return any(
                ends[-1].outcome == leaf.outcome and _lies(end_instant(ends), leaf.since, leaf.until)
                for ends in state.ends.values()
            )
        if isinstance(leaf, KeyStarts):
            announced = transaction_of(state)
            value = None if announced is None else (announced.keys or {}).get(leaf.name)
            return value is not None and value.startswith(leaf.prefix)
        if self._terms is None:
            self._terms = terms_of(state)
        if isinstance(leaf, HasTerm):
            return leaf.term in self._terms
        if isinstance(leaf, HasTermPrefix):
            return any(term.startswith(leaf.prefix) for term in self._terms)
        raise TypeError(f"{leaf!r} is not a condition on states")


def _execution_matches(leaf: BlockHas | AnyBlockHas, state: State) -> Iterator[bool]:
    block = leaf.block if isinstance(leaf, BlockHas) else None
    bounded = leaf.since is not None or leaf.until is not None
    for record in executions(state):
        # An execution of which no statement told a status yet is pending.
        if block not in (None, record.block) or leaf.status not in (None, record.status or "pending"):
            continue
        if not bounded:
            yield True
            continue
        yield _lies(arrival_at(record) if leaf.status is None else moment_at(record), leaf.since, leaf.until)


def _instant(header: Header, name: str) -> int | None:
    if name == "opened":
        return header.opened_at
    return header.ended_at if name == "ended" else header.updated_at


def _lies(instant: int | None, since: int | None, until: int | None) -> bool:
    if instant is None:
        return False
    return (since is None or instant >= since) and (until is None or instant < until)
