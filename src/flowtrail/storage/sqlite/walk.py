"""Walking a list: slice after slice of candidates, until the page is full or its time is over."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from flowtrail.model.conditions import AllOf, Between
from flowtrail.projection.matching import matches, needs_state
from flowtrail.storage.budget import Budget
from flowtrail.storage.cohorts import cohorts_of
from flowtrail.storage.interface import Cursor, Selected, Selection
from flowtrail.storage.sqlite.changelog import count_changed
from flowtrail.storage.sqlite.compile import EVERY
from flowtrail.storage.sqlite.plan import Scene, covering, plan
from flowtrail.storage.sqlite.slices import Key, Way
from flowtrail.storage.sqlite.snapshot import STORED_COLUMNS, Snapshot
from flowtrail.storage.sqlite.spans import read_spans

FIRST_SLICE: Final = 256
LARGEST_SLICE: Final = 8_192
"""Some 10 ms: the clock is looked at between slices."""
COUNT_SLICE: Final = 32_768
CHECK_EVERY: Final = 256


class Walk:
    """One call of `select` or `count` inside one snapshot."""

    def __init__(self, snapshot: Snapshot, selection: Selection) -> None:
        self._snapshot = snapshot
        self._selection = selection
        self._connection = snapshot.connection
        self._budget = Budget(selection.budget_s)
        self._needs_state = needs_state(selection.condition)

    def select(self) -> Selected:
        """A page."""
        selection = self._selection
        revision: int = self._connection.execute("SELECT revision FROM present").fetchone()[0]
        pinned = revision if selection.after is None else selection.after.pinned
        tenant = self._snapshot.names.tenant(self._connection, selection.tenant)
        if tenant is None:
            return Selected([], None, short=False, pinned=pinned, changed_since=0)
        after = None if selection.after is None else (selection.after.instant, selection.after.id)
        way = plan(self._scene(tenant), selection, pinned, after=after)
        found: list[tuple[Key, Sequence[Any]]] = []
        reached: Key | None = None
        for key, row in self._matching(way, after):
            if row is None:
                reached = key
                continue
            found.append((key, row))
            if len(found) > selection.limit:
                break
        following: Key | None = reached
        short = reached is not None and len(found) < selection.limit
        if len(found) > selection.limit or (reached is not None and len(found) == selection.limit and found):
            found = found[: selection.limit]
            following = found[-1][0] if found else after
        rows = [self._snapshot.stored(selection.tenant, row, pieces=False) for _, row in found]
        cursor = None if following is None else Cursor(*following, pinned)
        return Selected(rows, cursor, short, pinned, self._changed_since(tenant, revision, pinned))

    def count(self) -> tuple[int, bool]:
        """How many match, and whether that is exact."""
        selection = self._selection
        tenant = self._snapshot.names.tenant(self._connection, selection.tenant)
        if tenant is None:
            return 0, True
        scene = self._scene(tenant)
        if (selection.since, selection.until) == (None, None) and selection.sort != "ended":
            numbers = cohorts_of(selection.condition, scene.cohorts)
            if numbers is not None:
                return sum(scene.totals[number] for number in numbers), True
        selection = _in_any_order(selection)
        way = plan(scene, selection, None, after=None)
        if way.empty:
            return 0, True
        if not way.rest.exact:
            return self._count_matching(way)
        whole = way.total(self._connection, scene.totals)
        if whole is not None and way.rest.text == EVERY.text:
            return whole, True
        ways = covering(scene, selection) if way.asks_every_row else ()
        return self._count_rows(ways or [way], whole)

    def _count_rows(self, ways: Sequence[Way], whole: int | None) -> tuple[int, bool]:
        """Where it is known how many candidates there are (`whole`), a count that will not end in time ends early."""
        total = looked_at = 0
        for way in ways:
            size = LARGEST_SLICE if way.rest.reads_row else COUNT_SLICE
            after: Key | None = None
            while True:
                following = way.end(self._connection, after, size)
                total += self._count_slice(way, after, size, is_full=following is not None)
                if following is None:
                    break
                looked_at += size
                if self._budget.hopeless(looked_at, whole):
                    return total, False
                after = following
        return total, True

    def _count_slice(self, way: Way, after: Key | None, size: int, *, is_full: bool) -> int:
        if is_full and way.rest.text == EVERY.text:
            return size
        part = way.slice(after, size)
        joined = f"CROSS JOIN tx AS t ON {way.joined}" if way.rest.reads_row else ""
        query = f"SELECT count(*) FROM ({part.text}) AS s {joined} WHERE {way.rest.text}"
        count: int = self._connection.execute(query, part.values + way.rest.values).fetchone()[0]
        return count

    def _count_matching(self, way: Way) -> tuple[int, bool]:
        total = 0
        for _, row in self._matching(way, None):
            if row is None:
                return total, False
            total += 1
        return total, True

    def _scene(self, tenant: int) -> Scene:
        names = self._snapshot.names
        rows = self._connection.execute("SELECT number, total FROM cohort WHERE tenant = ?", (tenant,))
        totals: dict[int, int] = dict(rows.fetchall())
        cohorts = {number: names.cohort(self._connection, number) for number in totals}
        return Scene(self._connection, tenant, cohorts, totals, read_spans(self._connection, tenant))

    def _matching(self, way: Way, after: Key | None) -> Iterator[tuple[Key, Sequence[Any] | None]]:
        """The rows that match, in order; a key without a row where the time was over before the end."""
        if way.empty:
            return
        size = max(FIRST_SLICE, self._selection.limit + 1)
        if way.rest.text == EVERY.text and way.rest.exact:
            size = self._selection.limit + 1
        # Of a set that is sorted, no more need be kept than a page shows.
        limit = f" LIMIT {self._selection.limit + 1}" if way.rest.exact else ""
        while True:
            part = way.slice(after, size)
            rows = self._connection.execute(
                f"SELECT s.instant, {STORED_COLUMNS} FROM ({part.text}) AS s CROSS JOIN tx AS t ON {way.joined}"
                f" WHERE {way.rest.text} ORDER BY s.instant DESC, s.id DESC{limit}",
                part.values + way.rest.values,
            )
            for asked, (instant, *row) in enumerate(rows, 1):
                key = (instant, row[0])
                if way.rest.exact or self._matches(row):
                    yield key, row
                if not way.rest.exact and asked % CHECK_EVERY == 0 and self._budget.over:
                    yield key, None
                    return
            after = way.end(self._connection, after, size)
            if after is None:
                return
            if self._budget.over:
                yield after, None
                return
            size = min(max(size, FIRST_SLICE) * 4, LARGEST_SLICE)

    def _matches(self, row: Sequence[Any]) -> bool:
        state = self._snapshot.state(row) if self._needs_state else None
        return matches(
            self._selection.condition, row[0], self._snapshot.header(row), state, self._selection.moment
        )

    def _changed_since(self, tenant: int, revision: int, pinned: int) -> int:
        if revision <= pinned:
            return 0
        if self._selection.sort != "opened":
            return count_changed(self._connection, tenant, pinned)
        row = self._connection.execute(
            "SELECT count(*) FROM tx WHERE tenant = ? AND corrected > ? AND born <= ?",
            (tenant, pinned, pinned),
        ).fetchone()
        count: int = row[0]
        return count


def _in_any_order(selection: Selection) -> Selection:
    """The same transactions in the order that is walked best; those that are not ended stay left out."""
    condition = selection.condition
    if selection.sort == "ended":
        parts = condition.parts if isinstance(condition, AllOf) else (condition,)
        condition = AllOf((*parts, Between("ended")))
    return replace(selection, sort="opened", condition=condition)
