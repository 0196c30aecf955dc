"""Statistics counted the plain way: every fact of every transaction, looked at for one bucket at a time."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from flowtrail.model.records import BlockRecord
from flowtrail.projection.derive import executions
from flowtrail.projection.header import Header
from flowtrail.projection.state import State
from flowtrail.storage.memory.store import MemoryStore

FINAL = {"succeeded", "failed", "skipped"}
INFINITY = 1 << 62


@dataclass
class Facts:
    """What one execution, or one transaction as a whole, adds up to: (instant, name) events and timed values."""

    transaction: bytes
    group: tuple[str | None, ...]
    events: list[tuple[int, str]] = field(default_factory=list)
    values: list[tuple[int, str, int]] = field(default_factory=list)
    intervals: list[tuple[str, int, int | None]] = field(default_factory=list)


def end_of(record: BlockRecord) -> int:
    """Where a final execution ended."""
    known = [record.ended_at, record.started_at, record.queued_at, record.at]
    return next(instant for instant in known if instant is not None)


def arrival_of(record: BlockRecord) -> int:
    """The earliest instant known of an execution."""
    known = [record.queued_at, record.started_at, record.ended_at]
    return min((instant for instant in known if instant is not None), default=record.at)


def execution_facts(id: bytes, header: Header, record: BlockRecord, group: tuple[str | None, ...]) -> Facts:
    """Everything one execution adds."""
    facts = Facts(id, group)
    facts.events.append((arrival_of(record), "arrivals"))
    if (record.attempt or 1) > 1:
        facts.events.append((arrival_of(record), "retries"))
    over = header.ended_at
    if record.status in FINAL:
        over = end_of(record)
        facts.events.append((over, str(record.status)))
    if record.queued_at is not None:
        if record.started_at is not None and record.started_at >= record.queued_at:
            facts.values.append((record.started_at, "wait", record.started_at - record.queued_at))
        facts.intervals.append(("wait", record.queued_at, record.started_at or over))
    if record.started_at is not None:
        ended = record.ended_at
        if record.status in FINAL and ended is not None and ended >= record.started_at:
            facts.values.append((ended, "work", ended - record.started_at))
        facts.intervals.append(("work", record.started_at, over))
    return facts


def whole_facts(id: bytes, header: Header, state: State, group: tuple[str | None, ...]) -> Facts:
    """Everything a transaction as a whole adds."""
    facts = Facts(id, group)
    facts.events.append((header.opened_at, "arrivals"))
    facts.events.extend([(header.opened_at, "retries")] * (header.attempt - 1))
    for ends in state.ends.values():
        ended = ends[-1].ended_at
        facts.events.append((ends[-1].at if ended is None else ended, ends[-1].outcome))
    if header.ended_at is not None and header.ended_at >= header.opened_at:
        facts.values.append((header.ended_at, "work", header.ended_at - header.opened_at))
    facts.intervals.append(("work", header.opened_at, header.ended_at))
    return facts


def all_facts(store: MemoryStore, group_by: list[str]) -> Iterator[tuple[str, Facts]]:
    """(unit, facts) of everything in the store."""
    for stored in store.transactions.iter_states():
        header = stored.header
        state = State.load(stored.facts, stored.pieces or ())
        values: dict[str, str | None] = {
            "flow": header.flow or None,
            "version": header.version,
            "type": header.object_type or None,
            "status": header.status,
            "block": None,
        }
        group = tuple(values[name] for name in group_by)
        yield "transactions", whole_facts(stored.id, header, state, group)
        for record in executions(state):
            group = tuple({**values, "block": record.block}[name] for name in group_by)
            yield "executions", execution_facts(stored.id, header, record, group)


class Counted:
    """The facts of one unit and group, asked about one bucket."""

    def __init__(self, facts: list[Facts], since: int, until: int, now: int) -> None:
        self.facts, self.since, self.until, self.now = facts, since, until, now

    def _within(self, instant: int) -> bool:
        return self.since <= instant < self.until

    def count(self, name: str) -> int:
        """How often it happened."""
        return sum(self._within(at) and event == name for facts in self.facts for at, event in facts.events)

    def who(self, name: str) -> set[str]:
        """The transactions it happened to."""
        return {
            facts.transaction.hex()
            for facts in self.facts
            if any(self._within(at) and event == name for at, event in facts.events)
        }

    def values(self, name: str) -> list[int]:
        """The times that count here, ascending."""
        return sorted(
            value
            for facts in self.facts
            for at, kind, value in facts.values
            if kind == name and self._within(at)
        )

    def skewed(self, name: str) -> int:
        """Intervals that ended before they began, where they ended."""
        return sum(
            kind == name and over is not None and over < began and self._within(over)
            for facts in self.facts
            for kind, began, over in facts.intervals
        )

    def level(self, name: str) -> dict[str, Any]:
        """How many intervals were open at both ends, and their time within the bucket until now."""
        open_ = [
            (began, INFINITY if over is None else over)
            for facts in self.facts
            for kind, began, over in facts.intervals
            if kind == name and (over is None or over >= began)
        ]
        until = min(self.until, self.now)
        total = sum(max(min(over, until) - max(began, self.since), 0) for began, over in open_)
        return {
            "at_start": sum(began < self.since <= over for began, over in open_),
            "at_end": sum(began < self.until <= over for began, over in open_),
            "total_s": total / 1e6,
        }


def edges_of(store: MemoryStore, flow: str, since: int, until: int) -> dict[tuple[str, str], list[int]]:
    """The times of every edge (negative where the two overlap) that counts in the range."""
    found: dict[tuple[str, str], list[int]] = {}
    for stored in store.transactions.iter_states():
        if stored.header.flow != flow:
            continue
        levels: dict[bytes | None, list[tuple[int, int, bytes, BlockRecord]]] = {}
        for record in executions(State.load(stored.facts, stored.pieces or ())):
            first = record.started_at if record.started_at is not None else record.ended_at
            if first is not None:
                last = INFINITY if record.ended_at is None else record.ended_at
                levels.setdefault(record.parent, []).append((first, last, record.id, record))
        for level in levels.values():
            level.sort(key=lambda step: step[:3])
            for index, (first, _, _, record) in enumerate(level):
                before = [step[3] for step in level[:index] if step[3].status in FINAL]
                if before and since <= first < until:
                    edge = (before[-1].block, record.block)
                    found.setdefault(edge, []).append(first - end_of(before[-1]))
    return found
