"""Conditions on transactions as plain data: what the query parser makes and every store compiles.

The tree is normalised: `AllOf(())` matches everything, `AnyOf(())` nothing, and `Not` stands on leaves only
(of a `block:` leaf it means "no execution has"). The meaning of each leaf is defined by
`projection.matching.matches`; a compiler that differs from it is wrong.
"""

from dataclasses import dataclass, field
from typing import Literal

SortKey = Literal["opened", "updated", "ended"]
Instant = Literal["opened", "ended", "updated"]


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part matches."""

    parts: tuple["Condition", ...] = ()


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part matches."""

    parts: tuple["Condition", ...] = ()


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not match."""

    part: "Condition"


@dataclass(frozen=True, slots=True)
class StatusIs:
    """The transaction's status."""

    status: str


@dataclass(frozen=True, slots=True)
class FlowIs:
    """The flow's exact name."""

    flow: str


@dataclass(frozen=True, slots=True)
class TypeIs:
    """The object type's exact name."""

    object_type: str


@dataclass(frozen=True, slots=True)
class HasTerm:
    """One row of the inverted index: `term` as `projection.terms` writes it.

    Covers version, worker, trace, exact object ids, exact key values by name, predicate, exception type,
    problem, and a block's failed, skipped or running.
    """

    term: str


@dataclass(frozen=True, slots=True)
class HasTermPrefix:
    """Some term of the transaction starts with this text: a bare word's key values, prefixes. A scan."""

    prefix: str


@dataclass(frozen=True, slots=True)
class KeyStarts:
    """The key of that name has a value that starts with this text. A scan."""

    name: str
    prefix: str


@dataclass(frozen=True, slots=True)
class IdIs:
    """The transaction's id."""

    id: bytes


@dataclass(frozen=True, slots=True)
class BlockHas:
    """Some execution of `block` has `status` now (any when None).

    With `since`/`until` (microseconds, half open) the execution's own instant lies between them, the one its cell
    counts it at: with a status `executions.moment_at` (the end of final ones, the start of running ones), without
    one the arrival (earliest of queued, started, ended).
    """

    block: str
    status: str | None = None
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class AnyBlockHas:
    """As `BlockHas`, of an execution of whatever block. A scan."""

    status: str | None = None
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """Some attempt, perhaps one that was tried again since, ended with that outcome in [since, until). A scan."""

    outcome: str
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Between:
    """The instant lies in [since, until), microseconds; None is open. An absent instant never matches."""

    instant: Instant
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class DurationIs:
    """Ended minus opened, in microseconds, lies in [least, most]; a transaction in transit never matches."""

    least: int | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True)
class HasFailures:
    """Some execution's present result is failed."""


@dataclass(frozen=True, slots=True)
class IsLate:
    """Past its deadline: ended after it, or in transit with the deadline before now."""


@dataclass(frozen=True, slots=True)
class IsStuck:
    """In transit, and silent for longer than `Moment.patience` grants its current block."""


Leaf = (
    StatusIs
    | FlowIs
    | TypeIs
    | HasTerm
    | HasTermPrefix
    | KeyStarts
    | IdIs
    | BlockHas
    | AnyBlockHas
    | AttemptEnded
    | Between
    | DurationIs
    | HasFailures
    | IsLate
    | IsStuck
)
Condition = AllOf | AnyOf | Not | Leaf

EVERYTHING = AllOf(())

DEFAULT_PATIENCE_US = 3_600_000_000
"""Silence after which a transaction is stuck where its block has no history: one hour."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What time-dependent conditions are asked against.

    `patience` maps (flow, block) to the silence in microseconds that is normal there.
    """

    now: int
    patience: dict[tuple[str, str], int] = field(default_factory=dict)

    def patience_us(self, flow: str, block: str | None) -> int:
        """The silence granted to a transaction of `flow` whose current block is `block`."""
        return self.patience.get((flow, block or ""), DEFAULT_PATIENCE_US)
