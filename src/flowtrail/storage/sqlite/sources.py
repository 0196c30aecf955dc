"""Where candidates come from: parts of the indexes, each able to say how many it holds.

A source that is *ordered* gives its transactions by opened instant, newest first, so that a page reads no more than
it shows; any source gives them as a set, which is sorted when it is small.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

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
    KeyStarts,
    StatusIs,
)
from flowtrail.projection.terms import BLOCK_TERM_STATUSES, block_term, key_value_prefix
from flowtrail.storage.cohorts import cohorts_of
from flowtrail.storage.sqlite.compile import Sql, after_prefix
from flowtrail.storage.sqlite.names import Cohort
from flowtrail.storage.sqlite.rows import TICK_BITS

MAX_MERGED: Final = 64
"""Index ranges merged into one order: each is read as far as a page may need it."""

LATE: Final = (
    "tx INDEXED BY tx_late WHERE tenant = ? AND deadline IS NOT NULL AND (ended IS NULL OR ended > deadline)"
)
"""The index's own condition, word by word: SQLite asks for that."""

LEAST: Final = -(1 << 63)
GREATEST: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Range:
    """Instants in [since, until)."""

    since: int = LEAST
    until: int = GREATEST

    def narrowed(self, since: int | None, until: int | None) -> "Range":
        """What both allow."""
        return Range(
            self.since if since is None else max(self.since, since),
            self.until if until is None else min(self.until, until),
        )

    @property
    def open(self) -> bool:
        """Whether it excludes nothing."""
        return self.since == LEAST and self.until == GREATEST


class Source(Protocol):
    """A part of an index."""

    @property
    def ordered(self) -> bool:
        """Whether it gives its transactions by opened instant."""

    def size(self, connection: sqlite3.Connection, opened: Range, most: int) -> int:
        """How many it holds within the opened range; more than `most` where it is more than that."""

    def members(self, opened: Range) -> Sql:
        """A query for the row numbers."""

    def ranges(self) -> Sequence[Sql]:
        """Where ordered: queries' FROM and WHERE over (opened, id), one for each index range."""


@dataclass(frozen=True, slots=True)
class Term:
    """The transactions with a term."""

    tenant: int
    term: str
    ordered: bool = True

    def size(self, connection: sqlite3.Connection, opened: Range, most: int) -> int:
        query = "SELECT 1 FROM term WHERE tenant = ? AND term = ? AND opened >= ? AND opened < ?"
        return _bounded(connection, query, (self.tenant, self.term, opened.since, opened.until), most)

    def total(self, connection: sqlite3.Connection) -> int | None:
        """How many have it over all time, where its kind is counted."""
        row = connection.execute(
            "SELECT total FROM term_total WHERE tenant = ? AND term = ?", (self.tenant, self.term)
        ).fetchone()
        return None if row is None else row[0]

    def members(self, opened: Range) -> Sql:
        return Sql(
            "SELECT m.row FROM term AS x CROSS JOIN tx AS m ON m.tenant = x.tenant AND m.id = x.id"
            " WHERE x.tenant = ? AND x.term = ? AND x.opened >= ? AND x.opened < ?",
            (self.tenant, self.term, opened.since, opened.until),
        )

    def ranges(self) -> Sequence[Sql]:
        return [Sql("term WHERE tenant = ? AND term = ?", (self.tenant, self.term))]


@dataclass(frozen=True, slots=True)
class Prefix:
    """The transactions with a term that starts with a text."""

    tenant: int
    prefix: str
    ordered: bool = False

    def size(self, connection: sqlite3.Connection, opened: Range, most: int) -> int:
        query = "SELECT 1 FROM term WHERE tenant = ? AND term >= ? AND term < ?"
        return _bounded(connection, query, (self.tenant, self.prefix, after_prefix(self.prefix)), most)

    def members(self, opened: Range) -> Sql:
        # Once each: the values of two keys may begin alike.
        return Sql(
            "SELECT DISTINCT m.row FROM term AS x CROSS JOIN tx AS m ON m.tenant = x.tenant AND m.id = x.id"
            " WHERE x.tenant = ? AND x.term >= ? AND x.term < ?",
            (self.tenant, self.prefix, after_prefix(self.prefix)),
        )

    def ranges(self) -> Sequence[Sql]:
        return []


@dataclass(frozen=True, slots=True)
class Id:
    """One transaction."""

    tenant: int
    key: bytes
    ordered: bool = False

    def size(self, connection: sqlite3.Connection, opened: Range, most: int) -> int:
        return 1

    def members(self, opened: Range) -> Sql:
        return Sql("SELECT row FROM tx WHERE tenant = ? AND id = ?", (self.tenant, self.key))

    def ranges(self) -> Sequence[Sql]:
        return []


@dataclass(frozen=True, slots=True)
class Cohorts:
    """The transactions of some cohorts; `total` is how many they hold over all time."""

    numbers: tuple[int, ...]
    total: int

    @property
    def ordered(self) -> bool:
        return len(self.numbers) <= MAX_MERGED

    def size(self, connection: sqlite3.Connection, opened: Range, most: int) -> int:
        if opened.open or self.total == 0:
            return self.total
        query = f"SELECT 1 FROM tx INDEXED BY tx_cohort WHERE cohort IN ({self._list()}) AND opened >= ? AND opened < ?"
        return _bounded(connection, query, (opened.since, opened.until), most)

    def members(self, opened: Range) -> Sql:
        return Sql(
            f"SELECT row FROM tx INDEXED BY tx_cohort WHERE cohort IN ({self._list()}) AND opened >= ? AND opened < ?",
            (opened.since, opened.until),
        )

    def ranges(self) -> Sequence[Sql]:
        return [Sql("tx INDEXED BY tx_cohort WHERE cohort = ?", (number,)) for number in self.numbers]

    def _list(self) -> str:
        return ",".join(map(str, self.numbers))


@dataclass(frozen=True, slots=True)
class Opened:
    """The tenant's transactions by opened instant."""

    tenant: int
    ordered: bool = True

    def size(self, connection: sqlite3.Connection, opened: Range, most: int) -> int:
        query = "SELECT 1 FROM tx INDEXED BY tx_opened WHERE tenant = ? AND opened >= ? AND opened < ?"
        return _bounded(connection, query, (self.tenant, opened.since, opened.until), most)

    def members(self, opened: Range) -> Sql:
        return Sql(
            "SELECT row FROM tx INDEXED BY tx_opened WHERE tenant = ? AND opened >= ? AND opened < ?",
            (self.tenant, opened.since, opened.until),
        )

    def ranges(self) -> Sequence[Sql]:
        return [Sql("tx INDEXED BY tx_opened WHERE tenant = ?", (self.tenant,))]


@dataclass(frozen=True, slots=True)
class Late:
    """The transactions that ended after their deadline, and those with one that have not ended."""

    tenant: int
    ordered: bool = True

    def size(self, connection: sqlite3.Connection, opened: Range, most: int) -> int:
        query = f"SELECT 1 FROM {LATE} AND opened >= ? AND opened < ?"
        return _bounded(connection, query, (self.tenant, opened.since, opened.until), most)

    def members(self, opened: Range) -> Sql:
        text = f"SELECT row FROM {LATE} AND opened >= ? AND opened < ?"
        return Sql(text, (self.tenant, opened.since, opened.until))

    def ranges(self) -> Sequence[Sql]:
        return [Sql(LATE, (self.tenant,))]


@dataclass(frozen=True, slots=True)
class Moved:
    """The transactions updated or ended in a range."""

    tenant: int
    column: str
    within: Range
    ordered: bool = False

    def size(self, connection: sqlite3.Connection, opened: Range, most: int) -> int:
        return _bounded(connection, f"SELECT 1 FROM {self._where()}", self._values(), most)

    def members(self, opened: Range) -> Sql:
        return Sql(f"SELECT row FROM {self._where()}", self._values())

    def ranges(self) -> Sequence[Sql]:
        return []

    def _where(self) -> str:
        if self.column == "ended":
            return (
                "tx INDEXED BY tx_ended WHERE tenant = ? AND ended IS NOT NULL AND ended >= ? AND ended < ?"
            )
        return "tx INDEXED BY tx_tick WHERE tenant = ? AND tick >= ? AND tick <= ? AND updated >= ? AND updated < ?"

    def _values(self) -> tuple[Any, ...]:
        since, until = self.within.since, self.within.until
        if self.column == "ended":
            return (self.tenant, since, until)
        return (self.tenant, since >> TICK_BITS, until >> TICK_BITS, since, until)


def sources_of(
    condition: Condition, tenant: int, cohorts: Mapping[int, Cohort], totals: Mapping[int, int]
) -> Sequence[Source] | None:
    """Sources whose union holds everything that matches; None when no index helps."""
    numbers = cohorts_of(condition, cohorts)
    if numbers is not None:
        return _cohorts(numbers, totals)
    match condition:
        case HasTerm(term):
            return [Term(tenant, term)]
        case HasTermPrefix(prefix):
            return [Prefix(tenant, prefix)] if prefix else None
        case KeyStarts(_, prefix):
            return [Prefix(tenant, key_value_prefix(prefix))]
        case IdIs(key):
            return [Id(tenant, key)]
        case Between(instant, since, until) if instant != "opened":
            return [Moved(tenant, instant, Range().narrowed(since, until))]
        case BlockHas(block, status) if status in BLOCK_TERM_STATUSES:
            return [Term(tenant, block_term(block, status))]
        case IsLate():
            return [Late(tenant)]
        case IsStuck():
            return _cohorts(cohorts_of(StatusIs("in_transit"), cohorts) or frozenset(), totals)
        case AllOf(parts):
            for part in parts:
                found = sources_of(part, tenant, cohorts, totals)
                if found is not None:
                    return found
            return None
        case AnyOf(parts):
            union: list[Source] = []
            for part in parts:
                found = sources_of(part, tenant, cohorts, totals)
                if found is None:
                    return None
                union.extend(found)
            return union
        case _:
            return None


def _cohorts(numbers: frozenset[int], totals: Mapping[int, int]) -> Sequence[Source]:
    if not numbers:
        return []
    return [Cohorts(tuple(sorted(numbers)), sum(totals.get(number, 0) for number in numbers))]


def _bounded(connection: sqlite3.Connection, query: str, values: tuple[Any, ...], most: int) -> int:
    found = connection.execute(f"SELECT count(*) FROM ({query} LIMIT {most + 1})", values)
    size: int = found.fetchone()[0]
    return size
