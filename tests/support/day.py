"""The reference answers of a day of spans, worked out from steps: of rows of a file as well as of a server's answers.

Times are microseconds. Percentiles are interpolated, as the reference has them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from tests.support.reading import Json, Told, micros
from tests.support.recount import Recount

Step = tuple[int, int, int, str, int | None]
"""Started, ended, id, `service :: operation`, the parent's id."""

ORDER = "frontend :: hipstershop.CheckoutService/PlaceOrder"
PERCENTILES = (5, 25, 50, 75, 90, 95, 99)
# Which services a fault hurts most is a judgement of the reference, and no fact of the log.
JUDGED = "faults"


def recounted(recount: Recount) -> Iterator[list[Step]]:
    """The steps of every trace, as the rows have them."""
    for way in recount.ways.values():
        yield way.steps


def told_steps(told: Told) -> Iterator[list[Step]]:
    """The steps of every transaction, as the server tells them one transaction at a time, page by page."""
    for row in told.transactions():
        yield [
            (
                micros(block["started_at"]),
                micros(block["ended_at"]),
                int(block["id"], 16),
                block["block"],
                None if block["parent"] is None else int(block["parent"], 16),
            )
            for block in told.blocks(row["id"])
        ]


def answers(traces: Iterable[Sequence[Step]]) -> Json:
    """What the reference answers."""
    spans, orphans, roots = 0, 0, []
    minutes: Counter[str] = Counter()
    works: dict[str, list[int]] = defaultdict(list)
    selves: dict[str, list[int]] = defaultdict(list)
    traces_with: Counter[str] = Counter()
    count = 0
    for steps in traces:
        count += 1
        spans += len(steps)
        ids, spent = {step[2] for step in steps}, Counter[int | None]()
        for start, end, _, block, parent in steps:
            works[block].append(end - start)
            spent[parent] += end - start
            orphans += parent is not None and parent not in ids
            if parent is None:
                roots.append(end - start)
                minutes[datetime.fromtimestamp(start // 1_000_000, UTC).strftime("%H:%M")] += 1
        for start, end, key, block, _ in steps:
            selves[_service(block)].append(max(0, end - start - spent[key]))
        if any(step[3] == ORDER for step in steps):
            traces_with.update({_service(step[3]) for step in steps})
    return {
        "spans": spans,
        "traces": count,
        "roots": len(roots),
        "orphans": orphans,
        "services": len(selves),
        "operations": len({block.split(" :: ")[1] for block in works}),
        "requests_per_minute": dict(minutes),
        "root_duration_us": summary(roots),
        "operations_us": {block: summary(values) for block, values in works.items()},
        "orders": {
            "count": len(works[ORDER]),
            "duration_us": summary(works[ORDER]),
            "with_confirmation_mail": traces_with["emailservice"],
            "with_payment": traces_with["paymentservice"],
        }
        if ORDER in works
        else None,
        "self_time_us_by_service": {service: summary(values) for service, values in selves.items()},
    }


def _service(block: str) -> str:
    return block.split(" :: ", maxsplit=1)[0]


def of_reference(reference: Json) -> Json:
    """A reference of a day with one phase in the same form."""
    (roots,) = reference["root_duration_us"].values()
    told = {name: value for name, value in reference.items() if name not in {"day", JUDGED}}
    orders = {name: value for name, value in reference["orders"].items() if name != "rule"}
    return {**told, "root_duration_us": roots, "orders": orders}


def summary(values: Sequence[int]) -> dict[str, float]:
    """Number, sum, extremes, mean and percentiles."""
    return {
        "n": len(values),
        "sum": sum(values),
        "min": min(values),
        "max": max(values),
        "mean": round(sum(values) / len(values), 6),
        **{
            f"p{percent}": round(float(value), 6)
            for percent, value in zip(PERCENTILES, np.percentile(values, PERCENTILES), strict=True)
        },
    }


def differences(found: Any, truth: Any, where: str = "") -> list[str]:
    """Every entry that is not the same, by its path."""
    if isinstance(found, dict) and isinstance(truth, dict):
        names = sorted(found.keys() | truth.keys())
        return [
            told
            for name in names
            for told in differences(found.get(name), truth.get(name), f"{where}/{name}")
        ]
    return [] if found == truth else [f"{where}: {found!r} is not {truth!r}"]
