"""How a list is walked: from which index, in which order, and what is left to ask of each candidate.

A walk goes in slices: the next n candidates of the index, by keyset; what else must hold is asked of these in the
same statement. So a page that finds little comes back when its time is over, and knows how far it came.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from flowtrail.model.conditions import AllOf, AnyOf, Between, BlockHas, Condition, IsStuck, KeyStarts
from flowtrail.storage.interface import Selection
from flowtrail.storage.sqlite.compile import Compiler, Sql, both, cohorts_of
from flowtrail.storage.sqlite.names import Cohort
from flowtrail.storage.sqlite.rows import TICK_BITS
from flowtrail.storage.sqlite.sources import (
    MAX_MERGED,
    Opened,
    Range,
    Source,
    Term,
    sources_of,
)

SMALL: Final = 8_000
"""Candidates that are rather fetched and sorted as a set than walked in another order: some 20 ms."""

LOWEST_ID: Final = b"\0" * 16
"""Below every id: none is all zero."""

NO_CANDIDATE: Final = "SELECT 0 AS instant, 0 AS id, 0 AS row WHERE 0"

Key = tuple[int, bytes]
"""Instant and id: where a walk stands. Walks go down."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`slice` picks candidates as `s` (instant, id, and `row` where `by_row`); `rest` is asked of each as `t`.

    `whole` plans have all their candidates in one slice.
    """

    tenant: int
    sort: str
    sources: Sequence[Source]
    within: Range
    """Of the sort's instant."""
    opened: Range
    rest: Sql
    whole: bool

    def slice(self, after: Key | None, size: int) -> Sql:
        """A query for (instant, id, row) of the next candidates below `after`, some `size` of them."""
        if self.whole:
            return self._set(after)
        if self.sort == "updated":
            return self._ticks(after, size)
        column = self.sort
        bound, values = f"{column} >= ? AND {column} < ?", (self.within.since, self.within.until)
        if after is not None:
            # The instant is bounded by itself too, or SQLite would not start reading there.
            bound += f" AND {column} <= ? AND ({column}, id) < (?, ?)"
            values += (after[0], *after)  # type: ignore[assignment]
        row = "row" if self.by_row else "NULL"
        ranges = self._ranges()
        texts = [
            f"SELECT {column} AS instant, id, {row} AS row FROM {part.text} AND {bound}"
            f" ORDER BY {column} DESC, id DESC LIMIT {size}"
            for part in ranges
        ]
        if len(texts) == 1:
            return Sql(texts[0], ranges[0].values + values)
        union = " UNION ".join(f"SELECT * FROM ({text})" for text in texts) or NO_CANDIDATE
        bound_values = tuple(value for part in ranges for value in part.values + values)
        return Sql(f"SELECT * FROM ({union}) ORDER BY instant DESC, id DESC LIMIT {size}", bound_values)

    def end(self, connection: sqlite3.Connection, after: Key | None, size: int) -> Key | None:
        """Where the slice below `after` ends and the next one goes on; None when nothing can follow it."""
        if self.whole:
            return None
        if self.sort == "updated":
            tick = connection.execute(*self._lowest_tick(after, size)).fetchone()
            return None if tick is None else (tick[0] << TICK_BITS, LOWEST_ID)
        part = self.slice(after, size)
        row = connection.execute(
            f"SELECT instant, id FROM ({part.text}) ORDER BY instant DESC, id DESC LIMIT 1 OFFSET {size - 1}",
            part.values,
        ).fetchone()
        return None if row is None else (row[0], row[1])

    # Whoever is updated often stays in one place of the index for a second: slices are whole ticks, sorted.

    def _lowest_tick(self, after: Key | None, size: int) -> tuple[str, tuple[int, ...]]:
        query = (
            "SELECT tick FROM tx INDEXED BY tx_tick WHERE tenant = ? AND tick >= ? AND tick <= ?"
            f" ORDER BY tick DESC LIMIT 1 OFFSET {size - 1}"
        )
        return query, (self.tenant, self.within.since >> TICK_BITS, self._highest_tick(after))

    def _highest_tick(self, after: Key | None) -> int:
        highest = self.within.until - 1
        if after is not None:
            instant, key = after
            highest = min(highest, instant if key > LOWEST_ID else instant - 1)
        return highest >> TICK_BITS

    def _ticks(self, after: Key | None, size: int) -> Sql:
        since, until = self.within.since, self.within.until
        lowest, values = self._lowest_tick(after, size)
        text = (
            "SELECT updated AS instant, id, row FROM tx INDEXED BY tx_tick WHERE tenant = ? AND tick <= ?"
            f" AND tick >= coalesce(({lowest}), ?) AND updated >= ? AND updated < ?"
        )
        bounds = (self.tenant, self._highest_tick(after), *values, since >> TICK_BITS, since, until)
        if after is None:
            return Sql(text, bounds)
        return Sql(f"{text} AND (updated, id) < (?, ?)", (*bounds, *after))

    def _ranges(self) -> Sequence[Sql]:
        if self.sort == "opened":
            return [part for source in self.sources for part in source.ranges()]
        return [Sql("tx INDEXED BY tx_ended WHERE tenant = ? AND ended IS NOT NULL", (self.tenant,))]

    def _set(self, after: Key | None) -> Sql:
        members = [source.members(self.opened) for source in self.sources]
        union = " UNION ".join(part.text for part in members) or NO_CANDIDATE
        values = [value for part in members for value in part.values]
        column = f"m.{self.sort}"
        text = (
            f"SELECT {column} AS instant, m.id AS id, m.row AS row FROM ({union}) AS u"
            f" CROSS JOIN tx AS m ON m.row = u.row WHERE {column} >= ? AND {column} < ?"
        )
        values += (self.within.since, self.within.until)
        if after is not None:
            text += f" AND ({column}, m.id) < (?, ?)"
            values += after
        return Sql(text, tuple(values))

    @property
    def by_row(self) -> bool:
        """Whether slices carry row numbers."""
        return (
            self.whole
            or self.sort != "opened"
            or not any(isinstance(source, Term) for source in self.sources)
        )

    @property
    def joined(self) -> str:
        """How `s` meets `t`."""
        return "t.row = s.row" if self.by_row else f"t.tenant = {self.tenant} AND t.id = s.id"


def plan(
    connection: sqlite3.Connection,
    selection: Selection,
    tenant: int,
    cohorts: Mapping[int, Cohort],
    totals: Mapping[int, int],
    pinned: int | None,
) -> Plan:
    """The cheapest way through a list."""
    opened, within, parts = _bounds(selection)
    sources, answered, whole = _choose(connection, selection.sort, opened, parts, tenant, cohorts, totals)
    rest = Compiler(tenant, cohorts, selection.moment).sql(
        AllOf(tuple(part for part in parts if part not in answered))
    )
    if selection.sort != "opened":
        if not opened.open:
            rest = both(rest, Sql("t.opened >= ? AND t.opened < ?", (opened.since, opened.until)))
        if pinned is not None:
            rest = both(rest, Sql("t.revision <= ?", (pinned,)))
    return Plan(
        tenant, selection.sort, sources, opened if selection.sort == "opened" else within, opened, rest, whole
    )


def _bounds(selection: Selection) -> tuple[Range, Range, list[Condition]]:
    """The range of opened instants, the range of the sort's, and the conditions that are left."""
    condition = selection.condition
    opened = Range().narrowed(selection.since, selection.until)
    within = Range()
    kept: list[Condition] = []
    for part in condition.parts if isinstance(condition, AllOf) else (condition,):
        if isinstance(part, Between) and part.instant == "opened":
            opened = opened.narrowed(part.since, part.until)
        elif isinstance(part, Between) and part.instant == selection.sort:
            within = within.narrowed(part.since, part.until)
        else:
            kept.append(part)
    return opened, within, kept


def _choose(
    connection: sqlite3.Connection,
    sort: str,
    opened: Range,
    parts: Sequence[Condition],
    tenant: int,
    cohorts: Mapping[int, Cohort],
    totals: Mapping[int, int],
) -> tuple[Sequence[Source], Sequence[Condition], bool]:
    """Sources, the conditions that are answered by being in them, and whether they are sorted as a set."""
    offers: list[tuple[Sequence[Source], Sequence[Condition]]] = []
    counted = [part for part in parts if cohorts_of(part, cohorts) is not None]
    for part in parts:
        found = None if part in counted else sources_of(part, tenant, cohorts, totals)
        if found is not None:
            offers.append((found, (part,) if _says_all(part) else ()))
    if counted:
        offers.append((sources_of(AllOf(tuple(counted)), tenant, cohorts, totals) or (), counted))
    offers.append(((Opened(tenant),), ()))
    sized = [
        (sum(source.size(connection, opened) for source in sources), sources, answered)
        for sources, answered in offers
    ]
    for size, sources, answered in sorted(sized, key=lambda offer: offer[0]):
        if sort == "opened" and _mergeable(sources):
            return sources, answered, False
        if size <= SMALL:
            return sources, answered, True
    return (Opened(tenant),), (), False


def _mergeable(sources: Sequence[Source]) -> bool:
    return (
        all(source.ordered for source in sources)
        and sum(len(source.ranges()) for source in sources) <= MAX_MERGED
    )


def _says_all(part: Condition) -> bool:
    """Whether being in its sources is all the part asks for."""
    if isinstance(part, AnyOf):
        return all(_says_all(inner) for inner in part.parts)
    if isinstance(part, BlockHas):
        return part.since is None and part.until is None
    return not isinstance(part, AllOf | IsStuck | KeyStarts)
