"""Walking a list: slice after slice of candidates, until the page is full or its time is over.

A slice is the next n candidates of an order, by keyset; what else must hold is asked of these by the same command.
So a page that finds little comes back when its time is over, and knows how far it came.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pymongo.client_session import ClientSession

from flowtrail.model.conditions import AllOf, Between, Condition
from flowtrail.projection.matching import matches, needs_state
from flowtrail.projection.state import State
from flowtrail.storage.budget import Budget
from flowtrail.storage.cohorts import cohorts_of
from flowtrail.storage.interface import Cursor, Selected, Selection
from flowtrail.storage.mongodb.changelog import count_changed
from flowtrail.storage.mongodb.compile import COLUMNS, Compiled, Compiler, Filter, all_of
from flowtrail.storage.mongodb.connection import Document
from flowtrail.storage.mongodb.names import Cohort
from flowtrail.storage.mongodb.orders import ALL, EndedOrder, OpenedOrder, Order, SetOrder, UpdatedOrder
from flowtrail.storage.mongodb.reading import Rows
from flowtrail.storage.mongodb.rows import decode_header, id_of
from flowtrail.storage.mongodb.sources import COUNT_BOUND, SMALL, Source, Sources, everything

FIRST_SLICE: Final = 256
LARGEST_SLICE: Final = 8_192
"""Some 30 ms: the clock is looked at between slices."""
FIRST_COUNT: Final = 512
LARGEST_COUNT: Final = 8_192
"""A count looks at twice as many each time: asking documents takes 5 to 10 µs each, and one that will not end in time
is to be known as such within some 10 ms."""
CHECK_EVERY: Final = 256

Key = tuple[int, bytes]
"""Instant and transaction key: where a walk stands. Walks go down."""


@dataclass(frozen=True, slots=True)
class Plan:
    """An order of candidates, and what is left to ask of each."""

    order: Order
    rest: Compiled


class Walk:
    """One call of `select` or `count` inside one snapshot."""

    def __init__(
        self,
        rows: Rows,
        selection: Selection,
        tenant: int,
        cohorts: Mapping[int, tuple[Cohort, int]],
    ) -> None:
        self._rows = rows
        self._selection = selection
        self._tenant = tenant
        self._cohorts = {number: cohort for number, (cohort, _) in cohorts.items()}
        self._totals = {number: total for number, (_, total) in cohorts.items()}
        self._budget = Budget(selection.budget_s)
        self._needs_state = needs_state(selection.condition)

    @property
    def _session(self) -> ClientSession:
        assert self._rows.session is not None, "a walk is many reads of one moment"
        return self._rows.session

    def select(self, revision: int) -> Selected:
        """A page; `revision` is the snapshot's."""
        selection = self._selection
        pinned = revision if selection.after is None else selection.after.pinned
        plan = self._plan(pinned)
        after = (
            None if selection.after is None else (selection.after.instant, self._rows.key(selection.after.id))
        )
        found: list[tuple[Key, Document]] = []
        reached: Key | None = None
        for key, row in self._matching(plan, after):
            if row is None:
                reached = key
                continue
            found.append((key, row))
            if len(found) > selection.limit:
                break
        short = reached is not None and len(found) < selection.limit
        following = reached
        if len(found) > selection.limit or (reached is not None and found and len(found) == selection.limit):
            found = found[: selection.limit]
            following = found[-1][0] if found else after
        stored = [self._rows.stored(row, pieces=None) for _, row in found]
        cursor = None if following is None else Cursor(int(following[0]), id_of(following[1]), int(pinned))
        return Selected(stored, cursor, short, int(pinned), self._changed_since(revision, pinned))

    def count(self) -> tuple[int, bool]:
        """How many match, and whether that is exact."""
        plan = self._plan(None)
        whole = plan.order.total()
        if plan.rest.everything and whole is not None:
            return whole, True
        if not plan.rest.exact:
            return self._count_matching(plan)
        total, looked_at, after, size = 0, 0, None, FIRST_COUNT
        while True:
            counted, after = plan.order.count(after, size, plan.rest.filter)
            total += counted
            if after is None:
                return total, True
            looked_at += size
            if self._budget.hopeless(looked_at, whole):
                return total, False
            size = min(2 * size, LARGEST_COUNT)

    def _count_matching(self, plan: Plan) -> tuple[int, bool]:
        total = 0
        for _, row in self._matching(plan, None):
            if row is None:
                return total, False
            total += 1
        return total, True

    # --- choosing the way ---

    def _plan(self, pinned: int | None) -> Plan:
        """The cheapest way through the list."""
        selection = self._selection
        opened, within, parts = self._bounds()
        source, answered = self._choose(parts, opened)
        sort = COLUMNS[selection.sort]
        order: Order
        if selection.sort == "opened" and source.ordered:
            order = OpenedOrder(self._rows, source, opened)
        elif source.size(self._rows.views, self._session, _column("o", opened), SMALL) < SMALL:
            order = SetOrder(self._rows, source, sort, _column("o", opened) | _column(sort, within))
        elif selection.sort == "updated":
            order, answered = UpdatedOrder(self._rows, self._tenant, within), ()
        elif selection.sort == "ended":
            order, answered = EndedOrder(self._rows, self._tenant, within), ()
        else:
            order, answered = OpenedOrder(self._rows, everything(self._tenant, self._totals), opened), ()
        compiler = Compiler(self._tenant, self._cohorts, selection.moment)
        rest = compiler.filter(AllOf(tuple(part for part in parts if part not in answered)))
        if selection.sort != "opened":
            more = [Compiled(_column("o", opened))] if opened else []
            if pinned is not None:
                more.append(Compiled({"r": {"$lte": pinned}}))
            rest = all_of([rest, *more])
        return Plan(order, rest)

    def _bounds(self) -> tuple[Filter, Filter, list[Condition]]:
        """The range of opened instants, the range of the sort's, and the conditions that are left."""
        selection = self._selection
        condition = selection.condition
        opened = _narrowed({}, selection.since, selection.until)
        within: Filter = {}
        kept: list[Condition] = []
        for part in condition.parts if isinstance(condition, AllOf) else (condition,):
            if isinstance(part, Between) and part.instant == "opened":
                opened = _narrowed(opened, part.since, part.until)
            elif isinstance(part, Between) and part.instant == selection.sort:
                within = _narrowed(within, part.since, part.until)
            else:
                kept.append(part)
        return opened, within, kept

    def _choose(self, parts: Sequence[Condition], opened: Filter) -> tuple[Source, Sequence[Condition]]:
        """The smallest source, and the conditions that are answered by being in it."""
        sources = Sources(self._tenant, self._cohorts, self._totals, self._rows)
        counted = tuple(part for part in parts if cohorts_of(part, self._cohorts) is not None)
        offers: list[tuple[Source, Sequence[Condition]]] = []
        for part in parts:
            found = None if part in counted else sources.of(part)
            if found is not None:
                offers.append((found, (part,) if found.exact else ()))
        if counted:
            together = cohorts_of(AllOf(counted), self._cohorts) or frozenset()
            if len(together) < len(self._cohorts):
                offers.append((sources.of_cohorts(together), counted))
            elif not offers:
                return everything(self._tenant, self._totals), counted
        if not offers:
            return everything(self._tenant, self._totals), ()
        if len(offers) == 1:
            return offers[0]
        range_ = _column("o", opened)
        return min(offers, key=lambda offer: self._density(offer[0], range_))

    def _density(self, source: Source, opened: Filter) -> tuple[int, float]:
        """Less is sparser: how many there are; of sources that hold many, the one whose newest reach further back."""
        size = source.size(self._rows.views, self._session, opened)
        if size < COUNT_BOUND or not source.ordered:
            return size, 0
        return size, source.reach(self._rows.views, self._session, opened)

    # --- walking ---

    def _matching(self, plan: Plan, after: Key | None) -> Iterator[tuple[Key, Document | None]]:
        """The rows that match, in order; a key without a row where the time was over before the end."""
        size = max(FIRST_SLICE, self._selection.limit + 1)
        # What the database cannot ask itself may strike out any number of rows.
        wanted = self._selection.limit + 1 if plan.rest.exact else ALL
        if plan.rest.everything:
            size = self._selection.limit + 1
        while True:
            rows, end = plan.order.slice(after, size, plan.rest.filter, wanted)
            for asked, (key, row) in enumerate(rows, 1):
                if plan.rest.exact or self._matches(row):
                    yield key, row
                if not plan.rest.exact and asked % CHECK_EVERY == 0 and self._budget.over:
                    yield key, None
                    return
            after = end()
            if after is None:
                return
            if self._budget.over:
                yield after, None
                return
            size = min(max(size, FIRST_SLICE) * 4, LARGEST_SLICE)

    def _matches(self, row: Document) -> bool:
        state: State | None = None
        if self._needs_state:
            facts, pieces = self._rows.bodies(row["_id"])
            state = State.load(facts, pieces)
        condition, moment = self._selection.condition, self._selection.moment
        return matches(condition, id_of(row["_id"]), decode_header(row["h"]), state, moment)

    def _changed_since(self, revision: int, pinned: int) -> int:
        if revision <= pinned:
            return 0
        moved = self._selection.sort == "opened"
        return count_changed(self._rows.views, self._session, self._tenant, pinned, moved=moved)


def _narrowed(bounds: Filter, since: int | None, until: int | None) -> Filter:
    found: dict[str, Any] = dict(bounds)
    if since is not None:
        found["$gte"] = max(since, found.get("$gte", since))
    if until is not None:
        found["$lt"] = min(until, found.get("$lt", until))
    return found


def _column(name: str, bounds: Filter) -> Filter:
    return {name: bounds} if bounds else {}
