"""A transaction that nobody stored yet and that is told whole at once, as most are: what to store, in one pass.

The same comes out of folding its records into an empty state, at twice the price; property tests hold the two to each
other. Whoever is told in any other way (twice, in parts, tried again, without an end) goes that way.
"""

from collections.abc import Sequence

from flowtrail.model.limits import MAX_EXECUTIONS
from flowtrail.model.records import BlockRecord, EndRecord, TransactionRecord, encode_record
from flowtrail.projection.derive import announced_terms, execution_terms
from flowtrail.projection.difference import Folded, by_id
from flowtrail.projection.header import Header
from flowtrail.projection.tally import Tally
from flowtrail.projection.terms import predicate_term

Told = tuple[Header, bytes, bytes | None, list[str]]
"""The header; facts and piece as stores keep them, None without executions; the terms in order."""


def fold_whole(tenant: str, records: Sequence[Folded], tally: Tally) -> Told | None:
    """Count a transaction of which these are all records, in any order, and give what is stored of it.

    None, and nothing counted, unless they are one announcement with its creation, one statement about each execution
    and one end of the announced attempt.
    """
    opened: TransactionRecord | None = None
    end: EndRecord | None = None
    blocks: list[BlockRecord] = []
    for record in records:
        if type(record) is BlockRecord:
            blocks.append(record)
        elif type(record) is EndRecord and end is None:
            end = record
        elif type(record) is TransactionRecord and opened is None:
            opened = record
        else:
            return None
    if opened is None or end is None or end.attempt != (opened.attempt or 1) or opened.created_at is None:
        return None
    if len(blocks) > MAX_EXECUTIONS or len({record.id for record in blocks}) < len(blocks):
        return None
    ended_at = end.at if end.ended_at is None else end.ended_at
    terms = announced_terms(opened)
    has_failures = False
    for record in blocks:
        if record.status != "succeeded" or record.worker is not None:
            terms.update(execution_terms(record))
            has_failures = has_failures or record.status == "failed"
    if end.predicate is not None:
        terms.add(predicate_term(end.predicate))
    header = Header(
        True,
        opened.flow,
        opened.version,
        opened.object_type,
        opened.object_id,
        end.outcome,
        end.attempt,
        opened.created_at,
        max([record.at for record in records]),
        opened.created_at,
        ended_at,
        opened.deadline_at,
        None,
        has_failures,
        False,
    )
    scope = tally.scope(tenant, opened.flow, opened.version, opened.object_type)
    scope.journey(blocks, ended_at)
    scope.transaction(1, opened.created_at, ended_at, end.outcome, end.attempt)
    # What `Facts` encodes to.
    facts = encode_record(((opened,), (end,), False, None))
    blocks.sort(key=by_id)
    return header, facts, encode_record(blocks) if blocks else None, sorted(terms)
