"""Flows: what runs, and one flow as a graph of blocks and edges with counts and times."""

from typing import Any, Final

from flowtrail.insight.counted import count_cohorts, count_edges, count_events, extent
from flowtrail.insight.ranges import ALL_TIME, minute_ceiling, minute_floor
from flowtrail.insight.summary import (
    EXECUTION_COUNTS,
    MICROS,
    TRANSACTION_COUNTS,
    counts,
    edge_times,
    waits,
    works,
)
from flowtrail.insight.table import Tallied
from flowtrail.model.clock import now_us
from flowtrail.model.errors import Refusal
from flowtrail.model.instants import format_instant
from flowtrail.model.statuses import TRANSACTION_STATUSES
from flowtrail.projection.cells import COHORT, COUNT, EVENTS, CellKey
from flowtrail.query.definitions import DEFAULT_STAGE, Declared, declared_flows
from flowtrail.query.grouping import EXECUTIONS, TRANSACTIONS
from flowtrail.query.items import Json
from flowtrail.query.listings import Listings, span_text
from flowtrail.query.parameters import read_range
from flowtrail.query.tries import ever_tried_again
from flowtrail.storage.interface import Store

_VERSION, _BLOCK = 1, 2
"""Places in the groups of cells."""
_GROUP_BY: Final = ("flow", "block")


def list_flows(store: Store, tenant: str, now: int) -> Json:
    """Every flow that is declared or has transactions, by name, with how these stand now."""
    declared = declared_flows(store, tenant)
    found: dict[str, Json] = {flow: _bare(flow) for flow in declared}
    table = count_cohorts(store.cells, tenant, list(ALL_TIME), lambda key: key.group)
    for (_, group), tallied in table.tallied.items():
        flow, version, object_type, status = (value or "" for value in group)
        entry = found.setdefault(flow, _bare(flow))
        number = tallied.cell.get(COUNT, 0)
        entry["transactions"][status] += number
        entry["transactions"]["total"] += number
        entry["versions"].add(version)
        entry["object_types"].add(object_type)
    for flow, versions in declared.items():
        found[flow]["versions"].update(each.version for each in versions)
        found[flow]["declared"] = True
    return {
        "at": format_instant(now),
        "flows": [
            {
                **found[flow],
                "versions": sorted(version for version in found[flow]["versions"] if version),
                "object_types": sorted(name for name in found[flow]["object_types"] if name),
            }
            for flow in sorted(found)
        ],
    }


def _bare(flow: str) -> Json:
    # Transactions that nobody announced yet belong to no flow; they are counted under null.
    return {
        "flow": flow or None,
        "declared": False,
        "versions": set(),
        "object_types": set(),
        "transactions": {"total": 0, **dict.fromkeys(TRANSACTION_STATUSES, 0)},
    }


def get_flow(
    store: Store,
    tenant: str,
    flow: str,
    from_: str | None = None,
    to: str | None = None,
    now: int | None = None,
) -> Json:
    """One flow's blocks and edges with counts and times, from cells of whole minutes; absent ends mean all time.

    Declared blocks come first and in their order, with what the latest declared version says of them; an edge leads
    from an execution to the one that came next at the same nesting. Raises: Refusal (400, 404).
    """
    moment = now_us() if now is None else now
    since, until = read_range(from_, to)
    edges = [
        ALL_TIME[0] if since is None else minute_floor(since),
        ALL_TIME[1] if until is None else minute_ceiling(until),
    ]
    versions = declared_flows(store, tenant).get(flow, [])
    known = _cohort_keys(store, tenant, flow)
    if not versions and not known:
        raise Refusal("not_found", "nothing is known of this flow", "flow", flow, status=404)
    span = span_text(None if since is None else edges[0], None if until is None else edges[1])
    shown = _shown(store, tenant, edges, moment)
    seconds = max(min(shown[1], moment) - shown[0], 0) / MICROS
    listings = Listings("", _GROUP_BY, tried_again=ever_tried_again(store, tenant))
    by_block = _by_block(store, tenant, flow, edges)
    whole = by_block.pop(None, Tallied())
    told = counts(whole.cell, TRANSACTION_COUNTS, seconds)
    return {
        "flow": flow,
        "versions": sorted(
            {each.version for each in versions} | {key.group[_VERSION] for key in known} - {""}
        ),
        "declared": _declaration(versions[0]) if versions else None,
        "from": format_instant(shown[0]),
        "to": format_instant(shown[1]),
        "transactions": {**told, **listings.transactions(told, (TRANSACTIONS, flow, None), span)},
        "duration_s": works(whole),
        "blocks": _blocks(by_block, versions[0] if versions else None, flow, listings, span, seconds),
        "edges": [
            {"from": source, "to": target, "count": cell.get(COUNT, 0), "time_s": edge_times(cell)}
            for (source, target), cell in sorted(
                count_edges(store.cells, tenant, flow, edges[0], edges[1]).items()
            )
        ],
    }


def _cohort_keys(store: Store, tenant: str, flow: str) -> list[CellKey]:
    return [key for key, _ in store.cells.cells(tenant, COHORT, "year", *ALL_TIME, flow)]


def _shown(store: Store, tenant: str, edges: list[int], now: int) -> tuple[int, int]:
    known = extent(store.cells, tenant, EVENTS) or (now, now)
    first = known[0] if edges[0] == ALL_TIME[0] else edges[0]
    if edges[1] != ALL_TIME[1]:
        return min(first, edges[1]), edges[1]
    return first, max(first, min(known[1], minute_ceiling(now)))


def _by_block(store: Store, tenant: str, flow: str, edges: list[int]) -> dict[str | None, Tallied]:
    """What was counted by block; None is the transaction as a whole."""
    table = count_events(
        store.cells, tenant, edges, lambda key: (EXECUTIONS, key.group[_BLOCK] or None), flow
    )
    return {group[1]: tallied for (_, group), tallied in table.tallied.items()}


def _blocks(
    by_block: dict[str | None, Tallied],
    declared: Declared | None,
    flow: str,
    listings: Listings,
    span: str,
    seconds: float,
) -> list[Json]:
    names = [block.name for block in declared.blocks] if declared else []
    stages = declared.block_stages if declared else {}
    workers = {block.name: block.workers for block in declared.blocks} if declared else {}
    names += sorted(name for name in by_block if name is not None and name not in workers)
    found = []
    for name in names:
        tallied = by_block.get(name, Tallied())
        told = counts(tallied.cell, EXECUTION_COUNTS, seconds)
        found.append(
            {
                "block": name,
                "stage": stages.get(name, DEFAULT_STAGE if name in workers else None),
                "declared": name in workers,
                "workers": workers.get(name),
                "executions": {**told, **listings.executions(told, (EXECUTIONS, flow, name), span)},
                "wait_s": waits(tallied),
                "work_s": works(tallied),
            }
        )
    return found


def _declaration(declared: Declared) -> dict[str, Any]:
    return {
        "version": declared.version,
        "at": format_instant(declared.at),
        "stages": list(declared.stages),
        "blocks": [
            {"name": block.name, "stage": block.stage, "workers": block.workers} for block in declared.blocks
        ],
        "deadline_s": declared.deadline_s,
    }
