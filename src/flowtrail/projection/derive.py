"""What follows from one state: its header, its terms and what it contributes to cells.

These are the definitions. The projector computes the same from differences (`projection.tracked`); tests and
`check` hold it to what stands here.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from flowtrail.model.records import BlockRecord, EndRecord, TransactionRecord
from flowtrail.projection import terms as term
from flowtrail.projection.chain import Chain
from flowtrail.projection.executions import arrival_at, current_key
from flowtrail.projection.fingerprint import fingerprint
from flowtrail.projection.header import Header
from flowtrail.projection.registers import merged_block, merged_transaction
from flowtrail.projection.state import State

if TYPE_CHECKING:  # a tally counts with numpy, which an application that only folds does not have
    from flowtrail.projection.tally import Tally


def executions(state: State) -> Iterator[BlockRecord]:
    """The state's executions, merged, in no particular order."""
    for held in state.executions.values():
        yield held if isinstance(held, BlockRecord) else merged_block(held)


def header_of(state: State) -> Header:
    """The header of a state."""
    header = facts_header(state)
    opened = header.opened_at
    for record in executions(state):
        header.updated_at = max(header.updated_at, record.at)
        if record.status == "failed":
            header.has_failures = True
        if header.created_at is None and (opened == 0 or arrival_at(record) < opened):
            opened = arrival_at(record)
    header.opened_at = opened
    if header.status == "in_transit":
        header.current_block = current_block(state)
    return header


def current_block(state: State) -> str | None:
    """Where a transaction in transit stands: its running execution that began last, else the one that began last."""
    found: tuple[bool, tuple[int, bytes], str] | None = None
    for record in executions(state):
        standing = (record.status == "running", current_key(record), record.block)
        if found is None or standing > found:
            found = standing
    return None if found is None else found[2]


def facts_header(state: State) -> Header:
    """The header as far as it follows from a state's facts, without its executions."""
    if not state.opened:
        header, earliest = Header(truncated=state.truncated), []
    else:
        merged = merged_transaction(state.opened)
        updated = state.opened[-1].at
        header = Header(
            True,
            merged.flow,
            merged.version,
            merged.object_type,
            merged.object_id,
            "in_transit",
            merged.attempt or 1,
            merged.created_at or 0,
            updated,
            merged.created_at,
            None,
            merged.deadline_at,
            None,
            False,
            state.truncated,
        )
        earliest = [state.opened[0].at]
    for attempt, ends in state.ends.items():
        header.attempt = max(header.attempt, attempt)
        header.updated_at = max(header.updated_at, ends[-1].at)
        earliest.append(end_instant(ends))
    present = state.ends.get(header.attempt)
    if present is not None:
        header.status, header.ended_at = present[-1].outcome, end_instant(present)
    if header.created_at is None:
        header.opened_at = min(earliest, default=0)
    return header


def end_instant(ends: list[EndRecord]) -> int:
    """Where an attempt ended: as stated, else when it was stated. A pruned end is one record."""
    ended = ends[-1].ended_at
    return ends[-1].at if ended is None else ended


def terms_of(state: State) -> set[str]:
    """The state's rows of the inverted index."""
    found = facts_terms(state)
    for record in executions(state):
        found.update(execution_terms(record))
    return found


def facts_terms(state: State) -> set[str]:
    """The terms that follow from a state's facts."""
    found = announced_terms(merged_transaction(state.opened)) if state.opened else set()
    for ends in state.ends.values():
        if ends[-1].predicate is not None:
            found.add(term.predicate_term(ends[-1].predicate))
    return found


def announced_terms(merged: TransactionRecord) -> set[str]:
    """The terms of what was announced."""
    found = {term.object_term(merged.object_id, merged.object_type)}
    if merged.keys:
        found.update([term.key_term(name, value) for name, value in merged.keys.items()])
    if merged.version is not None:
        found.add(term.version_term(merged.version))
    if merged.trace is not None:
        found.add(term.trace_term(merged.trace))
    return found


def execution_terms(record: BlockRecord) -> Iterable[str]:
    """The terms of one merged execution."""
    status, worker = record.status, record.worker
    if worker is None and status == "succeeded":
        return ()
    found = set() if worker is None else {term.worker_term(worker)}
    if status in term.BLOCK_TERM_STATUSES:
        found.add(term.block_term(record.block, status))
    if status == "skipped" and record.skip is not None:
        found.add(term.predicate_term(record.skip.predicate))
    if status == "failed":
        found.add(term.problem_term(fingerprint(record)))
        for exception in record.exceptions or ():
            held = exception
            while True:
                found.add(term.exception_term(held.kind))
                if held.cause is None:
                    break
                held = held.cause
    return found


def tally_state(tally: "Tally", tenant: str, state: State, header: Header, sign: int) -> None:
    """Add everything one transaction contributes to cells. `header` is the state's."""
    scope = tally.scope(tenant, header.flow, header.version, header.object_type)
    scope.transaction(sign, header.opened_at, header.ended_at, header.status, header.attempt)
    for attempt, ends in state.ends.items():
        if attempt != header.attempt:
            scope.earlier_end(sign, end_instant(ends), ends[-1].outcome)
    chains: dict[bytes | None, Chain] = {}

    def edge(part: int, source: str, target: str, instant: int, time: int) -> None:
        scope.edge(sign * part, source, target, instant, time)

    for record in executions(state):
        scope.execution(sign, record, header.ended_at)
        chain = chains.get(record.parent)
        if chain is None:
            chain = chains[record.parent] = Chain()
        chain.insert(record, edge)


def transaction_of(state: State) -> TransactionRecord | None:
    """What was announced of the transaction, as one record; None when nobody announced it."""
    return merged_transaction(state.opened) if state.opened else None
