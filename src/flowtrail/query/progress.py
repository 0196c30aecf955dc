"""How far along a transaction is: by block, by stage, and as a whole.

A block's executions are judged together: by those of its highest attempt, so a retry that succeeded is a success and
one failed part of a parallel run is a failure. Where the flow is declared, done of expected counts its declared
blocks; elsewhere there is no expectation, and none is invented.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from flowtrail.model.records import BlockRecord
from flowtrail.model.statuses import FINAL
from flowtrail.projection.executions import arrival_at, end_at
from flowtrail.query.definitions import DEFAULT_STAGE, Declared
from flowtrail.query.items import Json, instant, seconds, wait_us, work_us

_BEGUN: Final = "running", "succeeded", "failed", "skipped"


@dataclass(frozen=True, slots=True)
class BlockStanding:
    """One block of one transaction; instants in microseconds."""

    block: str
    stage: str
    status: str
    attempts: int
    executions: int
    started_at: int | None
    ended_at: int | None
    wait: int | None
    work: int | None
    declared: bool


def block_standings(records: Sequence[BlockRecord], declared: Declared | None) -> list[BlockStanding]:
    """Every block of the flow, declared ones first and in their order, then others as they were first met.

    `records` are the transaction's executions in the order they are shown in.
    """
    by_block: dict[str, list[BlockRecord]] = {}
    stages: dict[str, str] = {}
    if declared is not None:
        by_block = {block.name: [] for block in declared.blocks}
        stages = declared.block_stages
    expected = set(by_block)
    for record in records:
        by_block.setdefault(record.block, []).append(record)
    return [
        _standing(block, own, stages.get(block), declared=block in expected)
        for block, own in by_block.items()
    ]


def _standing(block: str, own: list[BlockRecord], stage: str | None, *, declared: bool) -> BlockStanding:
    told = next((record.stage for record in own if record.stage), None)
    starts = [record.started_at for record in own if record.started_at is not None]
    finished = bool(own) and all(record.status in FINAL for record in own)
    waits = [wait for record in own if (wait := wait_us(record)) is not None]
    works = [work for record in own if (work := work_us(record)) is not None]
    return BlockStanding(
        block,
        stage or told or DEFAULT_STAGE,
        _status(own),
        max((record.attempt or 1 for record in own), default=0),
        len(own),
        min(starts, default=None),
        max(map(end_at, own)) if finished else None,
        sum(waits) if waits else None,
        sum(works) if works else None,
        declared,
    )


def _status(own: list[BlockRecord]) -> str:
    statuses = {record.status or "pending" for record in own}
    if "running" in statuses:
        return "running"
    if not own or "pending" in statuses:
        return "pending"
    newest = max(record.attempt or 1 for record in own)
    last = {record.status for record in own if (record.attempt or 1) == newest}
    return next(status for status in ("failed", "succeeded", "skipped") if status in last)


def block_progress(standings: Sequence[BlockStanding]) -> list[Json]:
    """TransactionBlockProgress, as answers show it."""
    return [
        {
            "block": standing.block or None,
            "stage": standing.stage,
            "status": standing.status,
            "attempts": standing.attempts,
            "executions": standing.executions,
            "started_at": instant(standing.started_at),
            "ended_at": instant(standing.ended_at),
            "wait_s": seconds(standing.wait),
            "work_s": seconds(standing.work),
        }
        for standing in standings
    ]


def progress(
    records: Sequence[BlockRecord],
    standings: Sequence[BlockStanding],
    declared: Declared | None,
    status: str,
    current_block: str | None,
) -> Json:
    """TransactionProgress, as answers show it. `status` is the transaction's."""
    stages = list(declared.stages) if declared is not None else []
    stages += [stage for stage in dict.fromkeys(each.stage for each in standings) if stage not in stages]
    by_stage: dict[str, list[BlockStanding]] = {stage: [] for stage in stages}
    for standing in standings:
        by_stage[standing.stage].append(standing)
    stage_of = {standing.block: standing.stage for standing in standings}
    instants: dict[str, list[BlockRecord]] = {}
    for record in records:
        instants.setdefault(stage_of[record.block], []).append(record)
    return {
        **_counts(standings, declared),
        "current_block": current_block,
        "stages": [
            _stage(stage, own, instants.get(stage, []), declared, in_transit=status == "in_transit")
            for stage, own in by_stage.items()
        ],
    }


def _counts(standings: Sequence[BlockStanding], declared: Declared | None) -> Json:
    counted = [standing for standing in standings if standing.declared or declared is None]
    return {
        "done": sum(standing.status in FINAL for standing in counted),
        "open": sum(standing.status not in FINAL and standing.executions > 0 for standing in standings),
        "expected": None if declared is None else len(counted),
    }


def _stage(
    stage: str,
    own: list[BlockStanding],
    records: list[BlockRecord],
    declared: Declared | None,
    *,
    in_transit: bool,
) -> Json:
    state = _state(own, in_transit=in_transit)
    over = state not in {"pending", "running"}
    return {
        "stage": stage,
        "state": state,
        **_counts(own, declared),
        "started_at": instant(min(map(arrival_at, records), default=None)),
        "ended_at": instant(max((end_at(each) for each in records if each.status in FINAL), default=None))
        if over
        else None,
    }


def _state(own: list[BlockStanding], *, in_transit: bool) -> str:
    """A stage's state, in the words of executions.

    Running while a block of it runs, or while some are done, others are not and the transaction is still in transit.
    """
    statuses = {standing.status for standing in own}
    if "running" in statuses:
        return "running"
    if not statuses & set(_BEGUN):
        return "pending"
    if "failed" in statuses:
        return "failed"
    if "pending" in statuses and in_transit:
        return "running"
    return "succeeded" if "succeeded" in statuses else "skipped"
