"""Producer sessions held to the journal: what every page says of them, joined anew, is what the views have.

Pages are read record by record here, not by column as the projector does.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from flowtrail.ledger.comparison import Moment
from flowtrail.ledger.recount import Gathered, covers
from flowtrail.ledger.report import Report
from flowtrail.projection.cells import Cell, add_into
from flowtrail.projection.producers import (
    Heard,
    Session,
    Stated,
    contribution,
    decode_session,
    encode_session,
    join,
    touched,
)
from flowtrail.storage.interface import Store

Kept = tuple[Session | None, dict[int, bytes]]
"""A session's row and those of its chunks."""

_MISSING = "producer_missing"
_EXTRA = "producer_extra"
_WRONG = "producer"
_TOTAL = "producer_total"


def compare_sessions(store: Store, gathered: Gathered, report: Report, moment: Moment) -> None:
    """Every session is the join of what the journal says of it, and every total the sum of its tenant's sessions."""
    report.counts["producers"] = 0
    totals: dict[str, Cell] = {}
    sessions = gathered.sessions
    for each in store.producers.iter_sessions():
        report.counts["producers"] += 1
        add_into(totals.setdefault(each.tenant, {}), contribution(each.session))
        body = encode_session(each.session)
        size = len(body) + sum(len(row) for _, row in each.chunks)
        sessions.add((each.tenant, each.producer), [None, body, each.chunks], size)
    told = {tenant: store.producers.totals(tenant) for tenant in totals}
    moved = moment.passed(store.changes)
    excused = moved or bool(gathered.doubtful)
    for (tenant, producer), values in sessions.groups():
        held = _held(values)
        due: list[Heard] = []
        ahead: list[Heard] = []
        for value in values:
            if value[0] is not None:
                folded = covers(moment.position, value[0])
                (due if folded else ahead).append(_heard(tenant, producer, value))
        code, said = _difference(held, due, ahead, excused=excused)
        if code is not None:
            report.find(code, f"producer {tenant}/{producer}", said)
    if not moved:
        for tenant, total in totals.items():
            if told[tenant] != total:
                report.find(_TOTAL, f"producers of {tenant}", "the totals are not the sums of the sessions")


def _difference(
    held: Kept, due: Sequence[Heard], ahead: Sequence[Heard], *, excused: bool
) -> tuple[str | None, str]:
    """What is wrong, as a finding's code and words. The views have what is `due`, and of what is `ahead` of their
    position any part: what many producers said is written in parts, the position with the last. Where the views moved
    meanwhile, or pages cannot be believed, they may have more than the journal says, and never less."""
    if held[0] is None:
        return (_MISSING, "the journal says it, the views lack it") if due else (None, "")
    if not due and not ahead:
        return (None, "") if excused else (_EXTRA, "the views have it, the journal does not say it")
    if due and _joined((None, {}), due) == held:
        return None, ""
    if _joined(held, due) == held and (excused or _is_within(held, [*due, *ahead])):
        return None, ""
    return _WRONG, "the views have other sequences, instants or another report than the journal"


def _is_within(held: Kept, told: Sequence[Heard]) -> bool:
    """Whether nothing is held that was not told."""
    return _joined(held, told) == _joined((None, {}), told)


def _joined(kept: Kept, due: Sequence[Heard]) -> Kept:
    session, chunks = kept[0], dict(kept[1])
    for heard in due:
        session, changed = join(session, _own(chunks, heard), heard)
        for chunk, body in changed.items():
            if body is None:
                del chunks[chunk]
            else:
                chunks[chunk] = body
    return session, chunks


def _own(chunks: Mapping[int, bytes], heard: Heard) -> dict[int, bytes]:
    return {chunk: chunks[chunk] for chunk in touched(heard) if chunk in chunks}


def _held(values: Sequence[Sequence[Any]]) -> Kept:
    for page, *row in values:
        if page is None:
            body, chunks = row
            return decode_session(body), {chunk: bytes(packed) for chunk, packed in chunks}
    return None, {}


def _heard(tenant: str, producer: str, value: Sequence[Any]) -> Heard:
    _, at, accepted, rejected, stated = value
    report = None if stated is None else Stated(*stated)
    return Heard(tenant, producer, at, at, accepted, rejected, report)
