"""A state in the projector's hands: folds records in and tells what changed, without recounting what did not.

`derive` defines header, terms and contributions of a state. Here the same are kept up to date by differences:
what an arrival costs depends on the arrival, not on how much the transaction has seen before. Property tests hold
the two to each other after every fold.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from flowtrail.model.limits import MAX_EXECUTIONS
from flowtrail.model.records import BlockRecord, EndRecord, TransactionRecord
from flowtrail.projection.chain import Chain
from flowtrail.projection.derive import (
    end_instant,
    execution_terms,
    facts_header,
    facts_terms,
    header_of,
)
from flowtrail.projection.difference import Difference, Folded, add_record, described, fold_first, piece_of
from flowtrail.projection.executions import arrival_at
from flowtrail.projection.header import Header
from flowtrail.projection.kept import Kept, merged
from flowtrail.projection.registers import is_among, merged_block
from flowtrail.projection.state import State
from flowtrail.projection.tally import Scope, Tally


class Tracked:
    """One transaction's state with everything derived from it. Mutable; owned by one projector.

    `locator` is the store's handle, None while it is not stored.
    """

    __slots__ = ("_facts_terms", "_kept", "header", "locator", "state", "tenant")

    def __init__(self, tenant: str, state: State | None = None, locator: Any = None) -> None:
        self.tenant = tenant
        self.state = State()
        self.locator = locator
        self.header: Header | None = None
        self._facts_terms: set[str] = set()
        self._kept: Kept | None = None
        if state is not None:
            self.state = state
            self._derive()

    # --- folding ------------------------------------------------------------------------------------------

    def fold(self, records: Sequence[Folded], tally: Tally) -> Difference | None:
        """Fold records in, tally the difference, and say what to store; None when nothing changed."""
        before = self.header
        if before is None:
            return self._first(records, tally)
        kept = self._kept
        if kept is None:
            kept = self._kept = Kept(self.state.executions)
        blocks = self._arriving(records)
        if blocks is not None:
            end = records[-1] if len(blocks) < len(records) else None
            return self._arrive(blocks, end, before, kept, tally)  # type: ignore[arg-type]
        state = self.state
        if len(state.executions) + len(records) > MAX_EXECUTIONS or any(
            type(record) is TransactionRecord and not is_among(record, state.opened) for record in records
        ):
            return self._again(records, before, tally)
        return self._next(records, before, kept, tally)

    def _arriving(self, records: Sequence[Folded]) -> Sequence[BlockRecord] | None:
        """The statements about executions, when all are about ones nobody spoke of before and nothing else is told
        but, at last, the first end of the present attempt: what an open transaction mostly sees. Else None."""
        state, header = self.state, self.header
        executions = state.executions
        if len(records) == 1:
            record = records[0]
            if type(record) is BlockRecord:
                if record.id in executions or len(executions) >= MAX_EXECUTIONS or state.cap is not None:
                    return None
                return records  # type: ignore[return-value]
        blocks = [record for record in records if type(record) is BlockRecord and record.id not in executions]
        others = len(records) - len(blocks)
        if others > 1 or len(executions) + len(blocks) > MAX_EXECUTIONS or state.cap is not None:
            return None
        if others:
            end = records[-1]
            assert header is not None
            if type(end) is not EndRecord or end.attempt != header.attempt or state.ends:
                return None
            if header.created_at is None:
                return None
        if len(blocks) > 1 and len({record.id for record in blocks}) < len(blocks):
            return None
        return blocks

    def _first(self, records: Sequence[Folded], tally: Tally) -> Difference:
        """A transaction nobody stored yet: told whole, as most are, this is all that is ever done for it."""
        state = self.state
        told, plain = fold_first(state, records)
        header, self._facts_terms, terms = described(state, told)
        self.header = header
        scope = self._scope(tally, header)
        _share(told, scope.names)
        scope.journey(told, header.ended_at)
        self._count_whole(scope, header, 1)
        if len(state.ends) > 1 or header.attempt not in state.ends:
            self._count_earlier(scope, self._ends(), header, 1)
        difference = Difference(None)
        difference.terms_new = sorted(terms)
        difference.facts = state.encode_facts()
        if told:
            difference.piece = piece_of(told) if plain else state.encode_executions()
        return difference

    def _arrive(
        self,
        blocks: Sequence[BlockRecord],
        end: EndRecord | None,
        before: Header,
        kept: Kept,
        tally: Tally,
    ) -> Difference:
        """Fold what `_arriving` found; costs what arrives, whatever came before."""
        state = self.state
        executions = state.executions
        header = self.header = before.copied()
        scope = self._scope(tally, before)
        if end is not None:
            state.ends[end.attempt] = [end]
            header.status, header.ended_at = end.outcome, end_instant([end])
            header.updated_at = max(header.updated_at, end.at)
            for held in kept.unfinished.values():
                scope.execution(-1, held, None)
                scope.execution(1, held, header.ended_at)
        plain = True
        _share(blocks, scope.names)
        for record in blocks:
            executions[record.id] = record
            kept.arrive(record, executions, scope.edge)
            scope.execution(1, record, header.ended_at)
            header.updated_at = max(header.updated_at, record.at)
            plain = plain and record.status == "succeeded" and record.worker is None
        if header.created_at is None:
            arrived = min([arrival_at(record) for record in blocks])
            header.opened_at = min(header.opened_at or arrived, arrived)
        header.current_block = kept.current_block() if header.status == "in_transit" else None
        if end is not None or header.opened_at != before.opened_at:
            self._count_whole(scope, before, -1)
            self._count_whole(scope, header, 1)
        difference = Difference(before)
        if blocks:
            difference.piece = piece_of(blocks)
        if end is not None:
            difference.facts = state.encode_facts()
        if (
            not plain
            or header.opened_at != before.opened_at
            or (end is not None and end.predicate is not None)
        ):
            header.has_failures = kept.failed > 0
            won = [] if plain else [term for record in blocks for term in execution_terms(record)]
            self._change_terms(difference, (), won, kept, ended=end is not None)
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
            if add_record(state, record):
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

    def _next(self, records: Sequence[Folded], before: Header, kept: Kept, tally: Tally) -> Difference | None:
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
        after = self._next_header(before, touched, kept, facts_changed=ended or cut)
        old_scope = self._scope(tally, before)
        self._count_next(old_scope, before, after, touched, kept)
        if ended:
            self._count_ends(old_scope, ends, before, after)
        self.header = after
        return self._difference_next(before, changed, touched, kept, ended=ended, facts=ended or cut)

    # --- headers ------------------------------------------------------------------------------------------

    def _next_header(
        self, before: Header, touched: dict[bytes, BlockRecord | None], kept: Kept, *, facts_changed: bool
    ) -> Header:
        """Update what is kept of executions, and the header from it."""
        header = facts_header(self.state) if facts_changed else before.copied()
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
            kept.replace(old, new, self.state.executions)
        if recount:
            self._recount_instants(header)
        header.has_failures = kept.failed > 0
        header.current_block = kept.current_block() if header.status == "in_transit" else None
        return header

    def _recount_instants(self, header: Header) -> None:
        facts = facts_header(self.state)
        header.updated_at = max([facts.updated_at, *(record.at for record in merged(self.state.executions))])
        if header.created_at is None:
            arrivals = [arrival_at(record) for record in merged(self.state.executions)]
            header.opened_at = min([*arrivals, facts.opened_at] if facts.opened_at else arrivals)

    # --- counting -----------------------------------------------------------------------------------------

    def _scope(self, tally: Tally, header: Header) -> Scope:
        return tally.scope(self.tenant, header.flow, header.version, header.object_type)

    def _derive(self) -> None:
        self._kept = Kept(self.state.executions)
        self._facts_terms = facts_terms(self.state)
        self.header = header_of(self.state)

    def _count_whole(self, scope: Scope, header: Header, sign: int) -> None:
        scope.transaction(sign, header.opened_at, header.ended_at, header.status, header.attempt)

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

        for record in merged(self.state.executions):
            scope.execution(sign, record, header.ended_at)
            chains.setdefault(record.parent, Chain()).insert(record, emit)

    def _count_next(
        self,
        scope: Scope,
        before: Header,
        after: Header,
        touched: dict[bytes, BlockRecord | None],
        kept: Kept,
    ) -> None:
        if (before.opened_at, before.ended_at, before.status, before.attempt) != (
            after.opened_at,
            after.ended_at,
            after.status,
            after.attempt,
        ):
            self._count_whole(scope, before, -1)
            self._count_whole(scope, after, 1)
        executions = self.state.executions
        for key, old in touched.items():
            new = merged_block(executions[key])
            if old is not None:
                scope.execution(-1, old, before.ended_at)
                kept.chain(old.parent).remove(old, scope.edge)
            scope.execution(1, new, after.ended_at)
            kept.chain(new.parent).insert(new, scope.edge)
        if before.ended_at != after.ended_at:
            # The outcome ends what is still open: those move although nobody spoke of them.
            for key, record in kept.unfinished.items():
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
        kept = self._kept
        if kept is None or kept.terms is None:
            return set(self._facts_terms)
        return self._facts_terms.union(kept.terms)

    def _difference_next(
        self,
        before: Header,
        changed: list[BlockRecord],
        touched: dict[bytes, BlockRecord | None],
        kept: Kept,
        *,
        ended: bool,
        facts: bool,
    ) -> Difference:
        difference = Difference(before)
        if changed:
            difference.piece = piece_of(changed)
        if facts:
            difference.facts = self.state.encode_facts()
        lost = [t for old in touched.values() if old is not None for t in execution_terms(old)]
        won = [t for key in touched for t in execution_terms(merged_block(self.state.executions[key]))]
        if ended or lost or won or self._moved(before):
            self._change_terms(difference, lost, won, kept, ended=ended)
        return difference

    def _change_terms(
        self, difference: Difference, lost: Iterable[str], won: Iterable[str], kept: Kept, *, ended: bool
    ) -> None:
        terms = self._terms()
        kept.change_terms(lost, won)
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
        difference.piece = piece_of(changed) if changed else None
        self._tell_terms(difference, terms)
        return difference


def _share(records: Sequence[BlockRecord], names: dict[str, str]) -> None:
    """Let what many records say alike be one object, since they are held for as long as their transactions are open: a
    quarter of what each takes."""
    for record in records:
        record.transaction = records[0].transaction
        record.block = names.setdefault(record.block, record.block)
        if record.producer is not None:
            record.producer = names.setdefault(record.producer, record.producer)
