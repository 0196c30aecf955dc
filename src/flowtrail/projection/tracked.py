"""A state in the projector's hands: folds records in and tells what changed, without recounting what did not.

`derive` defines header, terms and contributions of a state. Here the same are kept up to date by differences:
what an arrival costs depends on the arrival, not on how much the transaction has seen before. Property tests hold
the two to each other after every fold.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from copy import copy
from typing import Any

from flowtrail.model.limits import MAX_EXECUTIONS
from flowtrail.model.records import BlockRecord, EndRecord, TransactionRecord, encode_record
from flowtrail.projection.chain import Chain
from flowtrail.projection.derive import (
    current_block,
    end_instant,
    execution_terms,
    facts_header,
    facts_terms,
    header_of,
)
from flowtrail.projection.executions import FINAL, NEVER, arrival_at, current_key, end_at
from flowtrail.projection.header import Header
from flowtrail.projection.registers import join, merged_block
from flowtrail.projection.state import State
from flowtrail.projection.tally import Scope, Tally

Folded = TransactionRecord | BlockRecord | EndRecord


class Difference:
    """What one fold changed: facts and piece as bytes to store (None: not changed), terms, and the header before."""

    __slots__ = ("before", "facts", "piece", "terms_gone", "terms_new")

    def __init__(self, before: Header | None) -> None:
        self.before = before
        self.facts: bytes | None = None
        self.piece: bytes | None = None
        self.terms_gone: Sequence[str] = ()
        self.terms_new: Sequence[str] = ()


class Tracked:
    """One transaction's state with everything derived from it. Mutable; owned by one projector.

    `locator` is the store's handle, None while it is not stored.
    """

    __slots__ = (
        "_chains",
        "_execution_terms",
        "_facts_terms",
        "_indexed",
        "_failed",
        "_latest",
        "_unfinished",
        "header",
        "locator",
        "state",
        "tenant",
    )

    def __init__(self, tenant: str, state: State | None = None, locator: Any = None) -> None:
        self.tenant = tenant
        self.state = State()
        self.locator = locator
        self.header: Header | None = None
        self._facts_terms: set[str] = set()
        self._clear()
        if state is not None:
            self.state = state
            self._derive()

    def _clear(self) -> None:
        self._indexed = False
        self._chains: dict[bytes | None, Chain] = {}
        self._execution_terms: Counter[str] | None = None
        self._failed = 0
        self._latest: BlockRecord | None = None
        self._unfinished: dict[bytes, BlockRecord] = {}

    # --- folding ------------------------------------------------------------------------------------------

    def fold(self, records: Sequence[Folded], tally: Tally) -> Difference | None:
        """Fold records in, tally the difference, and say what to store; None when nothing changed."""
        before = self.header
        if before is None:
            return self._first(records, tally)
        if not self._indexed:
            self._index()
        state = self.state
        if len(records) == 1 and type(record := records[0]) is BlockRecord:
            if record.id not in state.executions and len(state.executions) < MAX_EXECUTIONS:
                return self._arrive(record, before, tally)
        elif len(state.executions) + len(records) > MAX_EXECUTIONS or any(
            type(record) is TransactionRecord and record not in state.opened for record in records
        ):
            return self._again(records, before, tally)
        return self._next(records, before, tally)

    def _first(self, records: Sequence[Folded], tally: Tally) -> Difference:
        """A transaction nobody stored yet: told whole, as most are, this is all that is ever done for it."""
        state = self.state
        executions = state.executions
        for record in records:
            if (
                type(record) is BlockRecord
                and record.id not in executions
                and len(executions) < MAX_EXECUTIONS
            ):
                executions[record.id] = record
            else:
                self._add(state, record)
        header, terms = self._count_first(tally)
        self.header = header
        difference = Difference(None)
        difference.terms_new = sorted(terms)
        difference.facts = state.encode_facts()
        if executions:
            difference.piece = state.encode_executions()
        return difference

    def _count_first(self, tally: Tally) -> tuple[Header, set[str]]:
        """Header, terms and cells of the whole state in one pass; what later folds need is made when they come."""
        state = self.state
        header = facts_header(state)
        terms = self._facts_terms = facts_terms(state)
        scope = self._scope(tally, header)
        closed_at, updated, opened = header.ended_at, header.updated_at, header.opened_at
        announced, count = header.created_at is not None, scope.execution
        levels: dict[bytes | None, list[Step]] = {}
        for held in state.executions.values():
            record = held if type(held) is BlockRecord else merged_block(held)
            count(1, record, closed_at)
            status, ended, first = record.status, record.ended_at, record.started_at
            updated = max(updated, record.at)
            if status == "failed":
                header.has_failures = True
            if status != "succeeded" or record.worker is not None:
                terms = terms.union(execution_terms(record))
            if not announced and (not opened or arrival_at(record) < opened):
                opened = arrival_at(record)
            if first is None:
                first = ended
                if first is None:
                    continue
            over = (end_at(record) if ended is None else ended) if status in FINAL else None
            step = (first, NEVER if ended is None else ended, record.id, record.block, over)
            level = levels.get(record.parent)
            if level is None:
                levels[record.parent] = [step]
            else:
                level.append(step)
        for level in levels.values():
            _count_level(scope, level)
        header.opened_at, header.updated_at = opened, updated
        if header.status == "in_transit":
            header.current_block = current_block(state)
        self._count_whole(scope, header, 1)
        if len(state.ends) > 1 or header.attempt not in state.ends:
            self._count_earlier(scope, self._ends(), header, 1)
        return header, terms

    @staticmethod
    def _add(state: State, record: Folded) -> bool:
        if type(record) is BlockRecord:
            return state.add_block(record)
        if type(record) is EndRecord:
            return state.add_end(record)
        return state.add_transaction(record)  # type: ignore[arg-type]

    def _arrive(self, record: BlockRecord, before: Header, tally: Tally) -> Difference | None:
        """One statement about an execution nobody spoke of before: what an open transaction mostly sees."""
        state = self.state
        truncated = state.truncated
        if not state.add_block(record):
            return None
        header = copy(before)
        header.updated_at = max(header.updated_at, record.at)
        if header.created_at is None:
            header.opened_at = min(header.opened_at or arrival_at(record), arrival_at(record))
        self._replace(None, record)
        header.has_failures = self._failed > 0
        if header.status == "in_transit":
            header.current_block = self._current()
        scope = self._scope(tally, before)
        if header.opened_at != before.opened_at:
            self._count_whole(scope, before, -1)
            self._count_whole(scope, header, 1)
        scope.execution(1, record, header.ended_at)
        chain = self._chains.get(record.parent)
        if chain is None:
            chain = self._chains[record.parent] = Chain()
        chain.insert(record, scope.edge)
        self.header = header
        difference = Difference(before)
        difference.piece = encode_record([record])
        if truncated != state.truncated:
            difference.facts = state.encode_facts()
        if record.status != "succeeded" or record.worker is not None or self._moved(before):
            self._change_terms(difference, (), execution_terms(record), ended=False)
        return difference

    def _again(self, records: Sequence[Folded], before: Header, tally: Tally) -> Difference | None:
        """Facts that place everything else may change: take all back, fold, and count all again."""
        state = self.state
        terms = self._terms()
        facts, old_scope = state.encode_facts(), self._scope(tally, before)
        self._count_all(old_scope, before, -1)
        changed: list[BlockRecord] = []
        moved = False
        for record in records:
            if self._add(state, record):
                moved = True
                if type(record) is BlockRecord:
                    changed.append(record)
        if not moved:
            self._count_all(old_scope, before, 1)
            return None
        self._derive()
        assert self.header is not None
        self._count_all(self._scope(tally, self.header), self.header, 1)
        return self._difference(before, facts, changed, terms)

    def _next(self, records: Sequence[Folded], before: Header, tally: Tally) -> Difference | None:
        """The usual arrival: statements about executions, perhaps an end; only what they touch is counted."""
        state = self.state
        touched: dict[bytes, BlockRecord | None] = {}
        changed: list[BlockRecord] = []
        ended = cut = False
        cut_before = state.truncated
        ends = self._ends() if len(state.ends) > 0 else {}
        for record in records:
            if type(record) is BlockRecord:
                held = state.executions.get(record.id)
                if not state.add_block(record):
                    continue
                changed.append(record)
                if record.id not in touched:
                    touched[record.id] = None if held is None else merged_block(held)
            elif type(record) is EndRecord:
                ended = state.add_end(record) or ended
        cut = state.truncated != cut_before
        if not touched and not ended:
            return None
        after = self._next_header(before, touched, facts_changed=ended or cut)
        old_scope = self._scope(tally, before)
        self._count_next(old_scope, before, after, touched)
        if ended:
            self._count_ends(old_scope, ends, before, after)
        self.header = after
        return self._difference_next(before, changed, touched, ended=ended, facts=ended or cut)

    # --- headers ------------------------------------------------------------------------------------------

    def _next_header(
        self, before: Header, touched: dict[bytes, BlockRecord | None], *, facts_changed: bool
    ) -> Header:
        """Update what is kept of executions, and the header from it."""
        header = facts_header(self.state) if facts_changed else copy(before)
        if facts_changed:
            header.updated_at = max(header.updated_at, before.updated_at)
            if header.created_at is None:
                header.opened_at = min(header.opened_at or before.opened_at, before.opened_at)
        recount = facts_changed and header.created_at is None
        for key, old in touched.items():
            new = merged_block(self.state.executions[key])
            if old is None:
                header.updated_at = max(header.updated_at, new.at)
                if header.created_at is None:
                    header.opened_at = min(header.opened_at or arrival_at(new), arrival_at(new))
            else:
                # The statement that was the latest, or the earliest, may have lost its last register.
                recount = recount or old.at == before.updated_at > new.at
                recount = recount or (header.created_at is None and arrival_at(old) == before.opened_at)
                if header.created_at is None:
                    header.opened_at = min(header.opened_at or arrival_at(new), arrival_at(new))
                header.updated_at = max(header.updated_at, new.at)
            self._replace(old, new)
        if recount:
            self._recount_instants(header)
        header.has_failures = self._failed > 0
        header.current_block = self._current() if header.status == "in_transit" else None
        return header

    def _replace(self, old: BlockRecord | None, new: BlockRecord) -> None:
        if old is not None and old.status == "failed":
            self._failed -= 1
        if new.status == "failed":
            self._failed += 1
        if new.status in FINAL:
            self._unfinished.pop(new.id, None)
        else:
            self._unfinished[new.id] = new
        latest = self._latest
        if latest is None or current_key(new) >= current_key(latest):
            self._latest = new
        elif latest.id == new.id:
            self._latest = max(self._executions(), key=current_key)

    def _recount_instants(self, header: Header) -> None:
        facts = facts_header(self.state)
        header.updated_at = max([facts.updated_at, *(record.at for record in self._executions())])
        if header.created_at is None:
            arrivals = [arrival_at(record) for record in self._executions()]
            header.opened_at = min([*arrivals, facts.opened_at] if facts.opened_at else arrivals)

    def _current(self) -> str | None:
        running = [record for record in self._unfinished.values() if record.status == "running"]
        if running:
            return max(running, key=current_key).block
        return None if self._latest is None else self._latest.block

    def _executions(self) -> Iterable[BlockRecord]:
        return map(merged_block, self.state.executions.values())

    # --- counting -----------------------------------------------------------------------------------------

    def _scope(self, tally: Tally, header: Header) -> Scope:
        return tally.scope(self.tenant, header.flow, header.version, header.object_type)

    def _index(self) -> None:
        """Derive from the state what folds by difference need."""
        self._clear()
        self._indexed = True
        terms: Counter[str] = Counter()
        latest: BlockRecord | None = None
        for record in self._executions():
            self._chains.setdefault(record.parent, Chain()).insert(record, _ignore)
            if record.status == "failed":
                self._failed += 1
            if record.status not in FINAL:
                self._unfinished[record.id] = record
            terms.update(execution_terms(record))
            if latest is None or current_key(record) > current_key(latest):
                latest = record
        self._latest = latest
        self._execution_terms = terms or None

    def _derive(self) -> None:
        self._index()
        self._facts_terms = facts_terms(self.state)
        self.header = header_of(self.state)

    def _count_whole(self, scope: Scope, header: Header, sign: int) -> None:
        scope.transaction(sign, header.opened_at, header.ended_at, header.status, header.attempt)
        scope.cohort(sign, header.opened_at, header.status)

    def _ends(self) -> dict[int, tuple[int, str]]:
        return {attempt: (end_instant(ends), ends[-1].outcome) for attempt, ends in self.state.ends.items()}

    @staticmethod
    def _count_earlier(scope: Scope, ends: dict[int, tuple[int, str]], header: Header, sign: int) -> None:
        for attempt, (instant, outcome) in ends.items():
            if attempt != header.attempt:
                scope.earlier_end(sign, instant, outcome)

    def _count_all(self, scope: Scope, header: Header, sign: int) -> None:
        self._count_whole(scope, header, sign)
        self._count_earlier(scope, self._ends(), header, sign)
        chains: dict[bytes | None, Chain] = {}

        def emit(part: int, source: str, target: str, instant: int, time: int) -> None:
            scope.edge(sign * part, source, target, instant, time)

        for record in self._executions():
            scope.execution(sign, record, header.ended_at)
            chains.setdefault(record.parent, Chain()).insert(record, emit)

    def _count_next(
        self, scope: Scope, before: Header, after: Header, touched: dict[bytes, BlockRecord | None]
    ) -> None:
        if (before.opened_at, before.ended_at, before.status, before.attempt) != (
            after.opened_at,
            after.ended_at,
            after.status,
            after.attempt,
        ):
            self._count_whole(scope, before, -1)
            self._count_whole(scope, after, 1)
        executions, chains = self.state.executions, self._chains
        for key, old in touched.items():
            new = merged_block(executions[key])
            if old is not None:
                scope.execution(-1, old, before.ended_at)
                chains[old.parent].remove(old, scope.edge)
            scope.execution(1, new, after.ended_at)
            chain = chains.get(new.parent)
            if chain is None:
                chain = chains[new.parent] = Chain()
            chain.insert(new, scope.edge)
        if before.ended_at != after.ended_at:
            # The outcome ends what is still open: those move although nobody spoke of them.
            for key, record in self._unfinished.items():
                if key not in touched:
                    scope.execution(-1, record, before.ended_at)
                    scope.execution(1, record, after.ended_at)

    def _count_ends(
        self, scope: Scope, ends: dict[int, tuple[int, str]], before: Header, after: Header
    ) -> None:
        self._count_earlier(scope, ends, before, -1)
        self._count_earlier(scope, self._ends(), after, 1)

    # --- terms and what to store --------------------------------------------------------------------------

    def _terms(self) -> set[str]:
        if self._execution_terms is None:
            return set(self._facts_terms)
        return self._facts_terms.union(self._execution_terms)

    def _difference_next(
        self,
        before: Header,
        changed: list[BlockRecord],
        touched: dict[bytes, BlockRecord | None],
        *,
        ended: bool,
        facts: bool,
    ) -> Difference:
        difference = Difference(before)
        if changed:
            difference.piece = _piece(changed)
        if facts:
            difference.facts = self.state.encode_facts()
        lost = [t for old in touched.values() if old is not None for t in execution_terms(old)]
        won = [t for key in touched for t in execution_terms(merged_block(self.state.executions[key]))]
        if ended or lost or won or self._moved(before):
            self._change_terms(difference, lost, won, ended=ended)
        return difference

    def _change_terms(
        self, difference: Difference, lost: Iterable[str], won: Iterable[str], *, ended: bool
    ) -> None:
        terms = self._terms()
        counts = self._execution_terms or Counter()
        counts.update(won)
        for term in lost:
            counts[term] -= 1
            if not counts[term]:
                del counts[term]
        self._execution_terms = counts or None
        if ended:
            self._facts_terms = facts_terms(self.state)
        self._tell_terms(difference, terms)

    def _moved(self, before: Header) -> bool:
        """Whether the opened instant changed: every term stands under it."""
        return self.header is not None and self.header.opened_at != before.opened_at

    def _tell_terms(self, difference: Difference, terms: set[str]) -> None:
        after = self._terms()
        if difference.before is not None and self._moved(difference.before):
            difference.terms_gone, difference.terms_new = sorted(terms), sorted(after)
        else:
            difference.terms_gone, difference.terms_new = sorted(terms - after), sorted(after - terms)

    def _difference(
        self, before: Header, facts: bytes, changed: list[BlockRecord], terms: set[str]
    ) -> Difference:
        difference = Difference(before)
        new_facts = self.state.encode_facts()
        difference.facts = None if new_facts == facts else new_facts
        difference.piece = _piece(changed) if changed else None
        self._tell_terms(difference, terms)
        return difference


Step = tuple[int, int, bytes, str, int | None]
"""`executions.order_key` of an execution, its block, and where it ended (None while it is not final)."""


def _count_level(scope: Scope, level: list[Step]) -> None:
    """The edges of one nesting level, as `Chain` would emit them one by one."""
    level.sort()
    source, left_at = "", None
    for first, _, _, block, over in level:
        if left_at is not None:
            scope.edge(1, source, block, first, first - left_at)
        if over is not None:
            source, left_at = block, over


def _ignore(sign: int, source: str, target: str, instant: int, time: int) -> None:
    """An edge that is not counted: the state was counted when it was stored."""


def _piece(changed: list[BlockRecord]) -> bytes:
    """The canonical bytes of what these statements say together."""
    if len(changed) == 1:
        return encode_record(changed)
    by_id: dict[bytes, list[BlockRecord]] = {}
    for record in changed:
        by_id.setdefault(record.id, []).append(record)
    found: list[BlockRecord] = []
    for key in sorted(by_id):
        statements = by_id[key]
        found.extend(statements if len(statements) == 1 else join(statements)[0])
    return encode_record(found)
