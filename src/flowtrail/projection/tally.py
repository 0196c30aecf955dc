"""Adds up what transactions contribute to cells: signed rows in, one cell per minute and group out, then widened.

What is counted is only noted when it comes, and added up by column when the cells are asked for (`counting`).
A tally is a sum: the order of rows does not matter, and a row with sign -1 takes its twin back exactly.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from flowtrail.model.records import BlockRecord
from flowtrail.projection import cells as code
from flowtrail.projection.cells import Cell, CellKey, add_into, start_of, widened
from flowtrail.projection.counting import (
    MINUTE,
    NONE,
    Executions,
    Ints,
    Minutes,
    Places,
    count_edges,
    count_executions,
    count_transactions,
)
from flowtrail.projection.edges import edges_of

_STATUS: Final[dict[str | None, int]] = {None: 0, "pending": 0, "running": 0, "in_transit": 0}
_STATUS.update(code.STATUS_CODES)

Group = tuple[str, ...]


class Blocks(dict[str, int]):
    """Numbers of one scope's blocks, given when first asked for; "" is the transaction as a whole."""

    __slots__ = ("_scope", "_tally")

    def __init__(self, tally: "Tally", scope: tuple[str, str, str, str]) -> None:
        super().__init__()
        self._tally = tally
        self._scope = scope

    def __missing__(self, block: str) -> int:
        tenant, flow, version, object_type = self._scope
        number = self[block] = self._tally.group(tenant, code.EVENTS, (flow, version, block, object_type))
        return number


class Scope:
    """The groups of one (tenant, flow, version, object type): numbers for its blocks and edges, given once."""

    __slots__ = (
        "_cohorts",
        "_edges",
        "_tally",
        "blocks",
        "flow",
        "names",
        "object_type",
        "tenant",
        "version",
    )

    def __init__(self, tally: "Tally", tenant: str, flow: str, version: str, object_type: str) -> None:
        self._tally = tally
        self.tenant, self.flow, self.version, self.object_type = tenant, flow, version, object_type
        self.blocks = Blocks(tally, (tenant, flow, version, object_type))
        self._edges: dict[tuple[str, str], int] = {}
        self._cohorts: dict[str, int] = {}
        self.names: dict[str, str] = {}
        """One object for each name that is held of records counted here."""

    def edge(self, sign: int, source: str, target: str, instant: int, time: int) -> None:
        """Count an edge; `time` is negative when the two overlap."""
        number = self._edges.get((source, target))
        if number is None:
            group = (self.flow, self.version, source, target, self.object_type)
            number = self._tally.group(self.tenant, code.EDGES, group)
            self._edges[source, target] = number
        self._tally.edges.extend((sign, number, instant, time))

    def transaction(self, sign: int, opened_at: int, ended_at: int | None, status: str, attempt: int) -> None:
        """Count a transaction as a whole and in its cohort, with its present outcome."""
        number = self._cohorts.get(status)
        if number is None:
            group = (self.flow, self.version, self.object_type, status)
            number = self._cohorts[status] = self._tally.group(self.tenant, code.COHORT, group)
        ended = NONE if ended_at is None else ended_at
        self._tally.wholes.extend(
            (sign, self.blocks[""], opened_at, ended, _STATUS[status], attempt - 1, number)
        )

    def earlier_end(self, sign: int, ended_at: int, outcome: str) -> None:
        """Count the end of an attempt that was tried again since."""
        self._tally.point(sign, self.blocks[""], ended_at, _STATUS[outcome], 1)

    def execution(self, sign: int, record: BlockRecord, closed_at: int | None) -> None:
        """Count a merged execution; `closed_at` is where the transaction's outcome ends what is still open."""
        self._tally.single.add(sign, self.blocks[record.block], record, closed_at)

    def journey(self, records: Sequence[BlockRecord], closed_at: int | None) -> None:
        """Count all executions of one transaction, merged, with the edges between them."""
        self._tally.journeys.extend(self.blocks, records, closed_at)


class _Noted:
    """Executions to count, as parallel lists."""

    __slots__ = ("closed", "groups", "lengths", "records", "signs")

    def __init__(self) -> None:
        self.records: list[BlockRecord] = []
        self.groups: list[int] = []
        self.closed: list[int] = []
        self.signs: list[int] = []
        self.lengths: list[int] = []

    def add(self, sign: int, group: int, record: BlockRecord, closed_at: int | None) -> None:
        self.signs.append(sign)
        self.groups.append(group)
        self.records.append(record)
        self.closed.append(NONE if closed_at is None else closed_at)

    def extend(self, blocks: dict[str, int], records: Sequence[BlockRecord], closed_at: int | None) -> None:
        self.groups += [blocks[record.block] for record in records]
        self.records += records
        self.closed += (NONE if closed_at is None else closed_at,) * len(records)
        self.lengths.append(len(records))

    def columns(self) -> Executions:
        records = self.records
        return Executions(
            _ints(self.signs) if self.signs else np.ones(len(records), dtype=np.int64),
            _ints(self.groups),
            _instants([record.queued_at for record in records]),
            _instants([record.started_at for record in records]),
            _instants([record.ended_at for record in records]),
            _ints([_STATUS[record.status] for record in records]),
            _ints(self.closed),
            _ints([record.at for record in records]),
            np.array([record.attempt not in _FIRST for record in records], dtype=np.bool_),
        )


_FIRST: Final = frozenset({None, 1})


def _ints(values: list[int]) -> Ints:
    # Twice as fast as `np.array`, which looks at every value before it decides for a type.
    return np.fromiter(values, dtype=np.int64, count=len(values))


def _instants(values: list[int | None]) -> Ints:
    try:
        return np.fromiter(values, dtype=np.int64, count=len(values))
    except TypeError:
        return _ints([NONE if value is None else value for value in values])


class Tally:
    """Notes what to count; `cells` adds it up. Owned by one thread."""

    __slots__ = ("_groups", "_points", "_scopes", "edges", "journeys", "names", "single", "wholes")

    def __init__(self) -> None:
        self.single = _Noted()
        self.journeys = _Noted()
        self.wholes: list[int] = []
        self.edges: list[int] = []
        self.names: list[tuple[str, str, Group]] = []
        self._groups: dict[tuple[str, str, Group], int] = {}
        self._scopes: dict[tuple[str, str, str | None, str], Scope] = {}
        self._points: Minutes = {}

    def scope(self, tenant: str, flow: str, version: str | None, object_type: str) -> Scope:
        """Where a transaction of that flow counts."""
        key = (tenant, flow, version, object_type)
        scope = self._scopes.get(key)
        if scope is None:
            scope = self._scopes[key] = Scope(self, tenant, flow, version or "", object_type)
        return scope

    def group(self, tenant: str, kind: str, group: Group) -> int:
        """The number of a group in this tally."""
        key = (tenant, kind, group)
        number = self._groups.get(key)
        if number is None:
            number = self._groups[key] = len(self.names)
            self.names.append(key)
        return number

    def point(self, sign: int, group: int, instant: int, counter: int | str, amount: int) -> None:
        """Add to one counter at one instant."""
        cell = self._points.setdefault((group, instant // MINUTE), {})
        cell[counter] = cell.get(counter, 0) + sign * amount

    def cells(self) -> dict[CellKey, Cell]:
        """The sum of all that was noted, at every width; cells without counters are left out."""
        minutes: Minutes = {}
        for noted in (self.single, self.journeys):
            if noted.records:
                self._count_noted(minutes, noted)
        if self.wholes:
            table = _ints(self.wholes).reshape(-1, 7)
            count_transactions(minutes, table)
            Places(table[:, 6], table[:, 2]).add(minutes, code.COUNT, table[:, 0])
        if self.edges:
            count_edges(minutes, _ints(self.edges).reshape(-1, 4).T)
        for key, cell in self._points.items():
            add_into(minutes.setdefault(key, {}), cell)
        # Scopes and tally know each other: apart, both go at once, also where cycles are not looked for.
        self._scopes.clear()
        return self._widen(minutes)

    def _count_noted(self, minutes: Minutes, noted: _Noted) -> None:
        columns = noted.columns()
        count_executions(minutes, columns)
        if noted.lengths:
            edges = edges_of(noted.records, columns, _ints(noted.lengths), self._edge)
            if edges is not None:
                count_edges(minutes, edges)
        signs = noted.signs or (1,) * len(noted.records)
        for sign, group, record in zip(signs, noted.groups, noted.records, strict=True):
            if record.usage:
                self._usage(sign, group, record)

    def _usage(self, sign: int, group: int, record: BlockRecord) -> None:
        """Add an execution's usage, in micro-units, where it ended or was last heard of."""
        known = (record.ended_at, record.started_at, record.queued_at)
        instant = next((each for each in known if each is not None), record.at)
        for name, amount in (record.usage or {}).items():
            self.point(sign, group, instant, code.USAGE_PREFIX + name, round(amount * 1_000_000))
            self.point(sign, group, instant, code.USAGE_COUNT_PREFIX + name, 1)

    def _edge(self, source: int, target: int) -> int:
        """The number of the edge between two blocks of one scope, by their numbers."""
        tenant, _, (flow, version, block, object_type) = self.names[source]
        return self.group(tenant, code.EDGES, (flow, version, block, self.names[target][2][2], object_type))

    def _widen(self, minutes: Minutes) -> dict[CellKey, Cell]:
        found: dict[CellKey, Cell] = {}
        narrow = {(group, minute * MINUTE): cell for (group, minute), cell in minutes.items() if cell}
        for width in code.WIDTHS:
            wide: dict[tuple[int, int], Cell] = {}
            starts: dict[int, int] = {}
            for (group, start), cell in narrow.items():
                first = starts.get(start)
                if first is None:
                    first = starts[start] = start_of(width, start)
                held = wide.get((group, first))
                if held is None:
                    wide[group, first] = widened(cell, start, first)
                else:
                    add_into(held, widened(cell, start, first) if first != start else cell)
            for (group, start), cell in wide.items():
                if cell:
                    tenant, kind, name = self.names[group]
                    found[CellKey(tenant, kind, width, start, name)] = cell
            narrow = wide
        return found
