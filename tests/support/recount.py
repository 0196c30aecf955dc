"""What a log says, counted in plain Python straight from its rows: shares no code with importers or projection.

Instants and durations are microseconds; blocks are keyed by (flow, block).
"""

import ast
import csv
import gzip
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Any

FAILED = {"failed delivery", "item out of stock"}
LAST = {"pay order", "create package", "package delivered"}
FLOWS = {"orders": "order", "items": "item", "packages": "package"}


@dataclass
class Way:
    """One transaction: `steps` are (started, ended, number in the file, block, parent's number or None)."""

    created: int
    ended: int | None = None
    steps: list[tuple[int, int, int, str, int | None]] = field(default_factory=list)


@dataclass
class Recount:
    """Everything a log must come out as."""

    ways: dict[tuple[str, str], Way] = field(default_factory=dict)
    executions: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    waits: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(list))
    works: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(list))
    links: set[tuple[str, str, str]] = field(default_factory=set)

    def edges(self) -> dict[tuple[str, str, str], list[int]]:
        """(flow, from, to) -> times from the end of the one to the start of the other, negative ones too."""
        found: dict[tuple[str, str, str], list[int]] = defaultdict(list)
        for (flow, _), way in self.ways.items():
            levels = defaultdict(list)
            for step in way.steps:
                levels[step[4]].append(step)
            for level in levels.values():
                level.sort(key=lambda step: step[:3])
                for before, after in pairwise(level):
                    found[flow, before[3], after[3]].append(after[0] - before[1])
        return found

    def lifecycles(self, flow: str) -> list[int]:
        """Durations of the ended transactions of a flow."""
        return [
            way.ended - way.created
            for (of, _), way in self.ways.items()
            if of == flow and way.ended is not None
        ]


def nearest_rank(values: list[int], quantile: float) -> int:
    """The smallest value that at least that part of all values does not exceed."""
    ordered = sorted(values)
    return ordered[max(ceil(quantile * len(ordered)), 1) - 1]


def _rows(file: Path) -> list[dict[str, str]]:
    opened = gzip.open if file.suffix == ".gz" else open
    with opened(file, "rt", encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def _micros(text: str) -> int:
    moment = datetime.strptime(text, "%Y-%m-%d %H:%M:%S.%fZ").replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def recount_ocel(file: Path) -> Recount:
    """An object-centric log, as issue and design say it is to be read."""
    told = Recount()
    last: dict[tuple[str, str], str] = {}
    for number, row in enumerate(_rows(file), 1):
        activity, at = row["ocel:activity"], _micros(row["ocel:timestamp"])
        objects = {
            name: ast.literal_eval(cell) if (cell := row[f"ocel:type:{name}"].strip()) else []
            for name in FLOWS
        }
        for name, flow in FLOWS.items():
            for each in objects[name]:
                way = told.ways.get((flow, each))
                if way is None:
                    way = told.ways[flow, each] = Way(at)
                else:
                    told.waits[flow, activity].append(at - way.steps[-1][0])
                told.works[flow, activity].append(0)
                way.steps.append((at, at, number, activity, None))
                told.executions[flow, activity, "failed" if activity in FAILED else "succeeded"] += 1
                last[flow, each] = activity
        told.links |= {(o, i, "split") for o in objects["orders"] for i in objects["items"]}
        told.links |= {(i, p, "merge") for i in objects["items"] for p in objects["packages"]}
    for key, way in told.ways.items():
        if last[key] in LAST:
            way.ended = way.steps[-1][0]
    return told


def recount_spans(rows: list[dict[str, Any]], flow: str = "traces") -> Recount:
    """Spans; `parent` is a row's number from 0, negative at a root."""
    told = Recount()
    for number, row in enumerate(rows):
        block, start, end = (
            f"{row['service']} :: {row['operation']}",
            row["start_us"],
            row["start_us"] + row["dur_us"],
        )
        way = told.ways.setdefault((flow, row["trace_id"]), Way(start))
        root = row["parent"] < 0
        if root:
            way.created, way.ended = start, end
        way.steps.append((start, end, number + 1, block, None if root else row["parent"] + 1))
        told.works[flow, block].append(row["dur_us"])
        told.executions[flow, block, "succeeded"] += 1
    return told


def self_times(rows: list[dict[str, Any]]) -> dict[str, int]:
    """By service: the sum of what its spans did not spend in their children, never less than zero a span."""
    children: dict[int, int] = defaultdict(int)
    for row in rows:
        children[row["parent"]] += row["dur_us"]
    sums: dict[str, int] = defaultdict(int)
    for number, row in enumerate(rows):
        sums[row["service"]] += max(0, row["dur_us"] - children[number])
    return dict(sums)
