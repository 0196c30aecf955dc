"""Where a list's candidates come from: entries of the one index over everything a transaction is found by.

A source is a set of such entries. Each gives its transactions newest first, and MongoDB merges the orders of
several; a page so reads no more than it shows, however deep it stands.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Final

from pymongo import DESCENDING
from pymongo.client_session import ClientSession

from flowtrail.model.conditions import (
    AllOf,
    AnyOf,
    Between,
    BlockHas,
    Condition,
    HasTerm,
    HasTermPrefix,
    IdIs,
    IsLate,
    IsStuck,
    StatusIs,
)
from flowtrail.projection.terms import BLOCK_TERM_STATUSES, block_term, is_counted
from flowtrail.storage.cohorts import cohorts_of
from flowtrail.storage.mongodb.compile import Filter, cohort_keys, prefix_filter
from flowtrail.storage.mongodb.names import Cohort
from flowtrail.storage.mongodb.reading import Rows
from flowtrail.storage.mongodb.rows import (
    found_by_all,
    found_by_deadline,
    found_by_term,
    split_updated,
    tenant_key,
    transaction_key,
    updated_bounds,
)
from flowtrail.storage.mongodb.schema import BY_END, BY_TERM, TERM_TOTALS, TRANSACTIONS, UPDATED, Views

COUNT_BOUND: Final = 1_000
"""Counting further than this to compare two sources costs more than a wrong choice: some 1 ms."""
SMALL: Final = 2_000
"""Candidates that are rather fetched and sorted as a set than walked in another order: some 10 ms."""
MAX_MERGED: Final = 64
"""Entries merged into one order; MongoDB sorts instead above 200."""


@dataclass(frozen=True, slots=True)
class Source:
    """Transactions by a filter that one index answers. `entries` is None where they do not come in order.

    `total` is how many there are over all time, where that is known without counting; `exact` says that being in
    it is all that its condition asks.
    """

    filter: Filter
    entries: int | None
    total: int | None = None
    exact: bool = True
    hint: str | None = BY_TERM

    @property
    def ordered(self) -> bool:
        """Whether its transactions come newest opened first."""
        return self.entries is not None and self.entries <= MAX_MERGED

    def size(self, views: Views, session: ClientSession, opened: Filter, bound: int = COUNT_BOUND) -> int:
        """How many it holds within a range of opened instants, at most `bound`."""
        if self.total is not None and not opened:
            return min(self.total, bound)
        if self.total == 0:
            return 0
        pipeline: list[Filter] = [{"$match": self.filter | opened}, {"$limit": bound}, {"$count": "n"}]
        found = list(views[TRANSACTIONS].aggregate(pipeline, session=session, **hinted(self.hint)))
        return int(found[0]["n"]) if found else 0

    def reach(self, views: Views, session: ClientSession, opened: Filter) -> float:
        """The opened instant down to which its newest `COUNT_BOUND` transactions reach."""
        found = (
            views[TRANSACTIONS]
            .find(self.filter | opened, {"o": 1, "_id": 0}, session=session)
            .sort([("o", DESCENDING), ("_id", DESCENDING)])
            .hint(self.hint or BY_TERM)
            .skip(COUNT_BOUND - 1)
            .limit(1)
        )
        return next((row["o"] for row in found), -inf)


def hinted(hint: str | None) -> dict[str, Any]:
    """Options of a read that name an index, or leave the choice."""
    return {} if hint is None else {"hint": hint}


def everything(tenant: int, totals: Mapping[int, int]) -> Source:
    """All of a tenant's transactions."""
    return Source({"k": found_by_all(tenant)}, 1, sum(totals.values()))


class Sources:
    """Finds sources for conditions of one tenant."""

    def __init__(
        self, tenant: int, cohorts: Mapping[int, Cohort], totals: Mapping[int, int], rows: Rows
    ) -> None:
        self._rows = rows
        self._tenant = tenant
        self._cohorts = cohorts
        self._totals = totals

    def of(self, condition: Condition) -> Source | None:
        """A source that holds everything that matches; None when no index helps."""
        numbers = cohorts_of(condition, self._cohorts)
        if numbers is not None:
            return self.of_cohorts(numbers)
        match condition:
            case HasTerm(term):
                return self._term(term)
            case BlockHas(block, status) if status in BLOCK_TERM_STATUSES:
                whole = condition.since is None and condition.until is None
                return self._term(block_term(block, status), exact=whole)
            case HasTermPrefix(prefix):
                return Source(prefix_filter(self._tenant, prefix), None) if prefix else None
            case IdIs(key):
                return Source({"_id": transaction_key(self._tenant, key)}, None, 1, hint="_id_")
            case Between("ended"):
                return Source({"t": self._tenant, "e": _range(condition)}, None, hint=BY_END)
            case Between("updated"):
                return self._updated(condition)
            case IsLate():
                marks = [found_by_deadline(self._tenant, late=late) for late in (True, False)]
                return Source({"k": {"$in": marks}}, 2, exact=False)
            case IsStuck():
                transit = cohorts_of(StatusIs("in_transit"), self._cohorts) or frozenset()
                return _wider(self.of_cohorts(transit))
            case AllOf(parts):
                found = [source for part in parts if (source := self.of(part)) is not None]
                return _wider(found[0]) if found else None
            case AnyOf(parts):
                return self._union([self.of(part) for part in parts])
            case _:
                return None

    def of_cohorts(self, numbers: frozenset[int]) -> Source:
        """The transactions of some cohorts."""
        total = sum(self._totals.get(number, 0) for number in numbers)
        return Source({"k": {"$in": cohort_keys(self._tenant, numbers)}}, max(len(numbers), 1), total)

    def _term(self, term: str, *, exact: bool = True) -> Source:
        found = found_by_term(self._tenant, term)
        total = None
        if is_counted(term):
            held = self._rows.views[TERM_TOTALS].find_one({"_id": found}, session=self._rows.session)
            total = None if held is None else held["n"]
        return Source({"k": found}, 1, total, exact=exact)

    def _updated(self, condition: Between) -> Source | None:
        """Who was updated in a range, while these are few: their order is kept beside their documents."""
        bounds = updated_bounds(tenant_key(self._tenant), condition.since, condition.until)
        found = self._rows.views[UPDATED].find({"_id": bounds}, session=self._rows.session).limit(SMALL)
        keys = [split_updated(row["_id"])[1] for row in found]
        if len(keys) == SMALL:
            return None
        return Source({"_id": {"$in": keys}}, None, len(keys), exact=False, hint="_id_")

    @staticmethod
    def _union(sources: Sequence[Source | None]) -> Source | None:
        found: list[Source] = [source for source in sources if source is not None]
        if len(found) < len(sources):
            return None
        exact = all(source.exact for source in found)
        if any(source.entries is None for source in found):
            # Ranges, or of several indexes: MongoDB reads each in its own, where it is left the choice.
            hint = BY_TERM if all(source.hint == BY_TERM for source in found) else None
            return Source({"$or": [source.filter for source in found]}, None, exact=exact, hint=hint)
        keys: list[Any] = []
        for source in found:
            wanted = source.filter["k"]
            keys.extend(wanted["$in"] if isinstance(wanted, dict) else [wanted])
        keys = list(dict.fromkeys(keys))
        return Source({"k": {"$in": keys}}, max(len(keys), 1), exact=exact)


def _range(condition: Between) -> Filter:
    """An index range; without bounds it holds every instant there is."""
    bounds: Filter = {"$gte": 0 if condition.since is None else condition.since}
    return bounds if condition.until is None else bounds | {"$lt": condition.until}


def _wider(source: Source) -> Source:
    return Source(source.filter, source.entries, source.total, exact=False, hint=source.hint)
