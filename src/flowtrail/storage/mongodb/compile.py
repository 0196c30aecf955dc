"""Conditions as MongoDB filters over a transaction's document.

A leaf that the document's columns cannot answer exactly compiles to something wider; the caller then asks the
reference evaluator about what comes back. Subtrees on flow, type, status and failures alone become a set of cohorts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from flowtrail.model.conditions import (
    AllOf,
    AnyOf,
    Between,
    BlockHas,
    Condition,
    DurationIs,
    HasTerm,
    HasTermPrefix,
    IdIs,
    IsLate,
    IsStuck,
    Moment,
    Not,
    StatusIs,
)
from flowtrail.projection.terms import BLOCK_TERM_STATUSES, block_term
from flowtrail.storage.cohorts import cohorts_of
from flowtrail.storage.mongodb.names import Cohort
from flowtrail.storage.mongodb.rows import found_by_cohort, found_by_term, transaction_key

Filter = dict[str, Any]
COLUMNS: Final = {"opened": "o", "updated": "u", "ended": "e"}


@dataclass(frozen=True, slots=True)
class Compiled:
    """A filter, and whether it says exactly what the condition says.

    Where it does not, it is wider: it holds for all that match, and for some that do not.
    """

    filter: Filter
    exact: bool = True

    @property
    def everything(self) -> bool:
        """Whether it leaves nothing out, exactly."""
        return self.exact and not self.filter


EVERY: Final = Compiled({})
UNKNOWN: Final = Compiled({}, exact=False)


def nothing() -> Compiled:
    """What no document meets."""
    return Compiled({"_id": {"$in": []}})


class Compiler:
    """Compiles conditions of one tenant. `cohorts` are all of the tenant's in the reader's snapshot."""

    def __init__(self, tenant: int, cohorts: Mapping[int, Cohort], moment: Moment) -> None:
        self._tenant = tenant
        self._cohorts = cohorts
        self._moment = moment

    def filter(self, condition: Condition) -> Compiled:
        """The condition over a transaction's document."""
        cohorts = cohorts_of(condition, self._cohorts)
        if cohorts is not None:
            return self._in_cohorts(cohorts)
        match condition:
            case AllOf(parts):
                return all_of([self.filter(part) for part in parts])
            case AnyOf(parts):
                return _any_of([self.filter(part) for part in parts])
            case Not(part):
                inner = self.filter(part)
                return Compiled({"$nor": [inner.filter]}) if inner.exact else UNKNOWN
            case HasTerm(term):
                return Compiled({"k": found_by_term(self._tenant, term)})
            case HasTermPrefix(prefix):
                return Compiled(prefix_filter(self._tenant, prefix)) if prefix else UNKNOWN
            case IdIs(key):
                return Compiled({"_id": transaction_key(self._tenant, key)})
            case Between(instant, since, until):
                return _within(COLUMNS[instant], since, until)
            case _:
                return self._derived(condition)

    def _derived(self, condition: Condition) -> Compiled:
        match condition:
            case DurationIs(least, most):
                took = {"$subtract": ["$e", "$o"]}
                bounds = [{"$gte": [took, least]}] if least is not None else []
                bounds += [{"$lte": [took, most]}] if most is not None else []
                ended: Filter = {"e": {"$exists": True}}
                return Compiled(ended | ({"$expr": {"$and": bounds}} if bounds else {}))
            case IsLate():
                over = {"$gt": [{"$ifNull": ["$e", self._moment.now]}, "$d"]}
                return Compiled({"d": {"$exists": True}, "$expr": over})
            case IsStuck():
                return self._stuck()
            case BlockHas(block, status) if status in BLOCK_TERM_STATUSES:
                indexed = {"k": found_by_term(self._tenant, block_term(block, status))}
                return Compiled(indexed, exact=condition.since is None and condition.until is None)
            case _:
                return UNKNOWN

    def _in_cohorts(self, cohorts: frozenset[int]) -> Compiled:
        if len(cohorts) == len(self._cohorts):
            return EVERY
        return Compiled({"k": {"$in": cohort_keys(self._tenant, cohorts)}}) if cohorts else nothing()

    def _stuck(self) -> Compiled:
        """Wider: whoever has been silent for the shortest patience of all; blocks are told apart afterwards."""
        transit = self.filter(StatusIs("in_transit"))
        shortest = min([self._moment.patience_us("", ""), *self._moment.patience.values()])
        silent = Compiled({"u": {"$lt": self._moment.now - shortest}}, exact=False)
        return all_of([transit, silent])


def cohort_keys(tenant: int, cohorts: frozenset[int]) -> list[str]:
    """What the transactions of some cohorts are found by."""
    return [found_by_cohort(tenant, number) for number in sorted(cohorts)]


def prefix_filter(tenant: int, prefix: str) -> Filter:
    """Some term starts with this text."""
    front = found_by_term(tenant, prefix)
    return {"k": {"$elemMatch": {"$gte": front, "$lt": after_prefix(front)}}}


def _within(column: str, since: int | None, until: int | None) -> Compiled:
    bounds: Filter = {"$exists": True}
    if since is not None:
        bounds["$gte"] = since
    if until is not None:
        bounds["$lt"] = until
    return Compiled({column: bounds})


def all_of(parts: Sequence[Compiled]) -> Compiled:
    """Every part holds."""
    exact = all(part.exact for part in parts)
    filters = [part.filter for part in parts if part.filter]
    if not filters:
        return Compiled({}, exact)
    return Compiled(filters[0] if len(filters) == 1 else {"$and": filters}, exact)


def _any_of(parts: Sequence[Compiled]) -> Compiled:
    if not parts:
        return nothing()
    exact = all(part.exact for part in parts)
    if any(not part.filter for part in parts):
        return Compiled({}, exact or any(part.everything for part in parts))
    return Compiled({"$or": [part.filter for part in parts]}, exact)


def after_prefix(prefix: str) -> str:
    """The least text above every text with that prefix."""
    highest = "\U0010ffff"
    kept = prefix.rstrip(highest)
    following = ord(kept[-1]) + 1
    # Surrogates are not characters: the range between them is skipped.
    return kept[:-1] + chr(0xE000 if 0xD800 <= following < 0xE000 else following)
