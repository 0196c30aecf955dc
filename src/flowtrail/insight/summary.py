"""Counters as answers show them: durations in seconds, usages in their own unit."""

from collections.abc import Mapping
from typing import Any, Final

from flowtrail.insight.histogram import percentiles_of_cell, percentiles_of_values
from flowtrail.insight.table import Level, Tallied
from flowtrail.projection import cells as code
from flowtrail.projection.cells import Cell

MICROS: Final = 1_000_000
EXECUTION_COUNTS: Final = {
    "arrivals": code.ARRIVALS,
    "succeeded": code.SUCCEEDED,
    "failed": code.FAILED,
    "skipped": code.SKIPPED,
    "retries": code.RETRIES,
}
TRANSACTION_COUNTS: Final = {
    "arrivals": code.ARRIVALS,
    "delivered": code.DELIVERED,
    "failed": code.FAILED,
    "filtered": code.FILTERED,
    "cancelled": code.CANCELLED,
    "retries": code.RETRIES,
}

Json = dict[str, Any]


def counts(cell: Cell, names: Mapping[str, int], seconds: float) -> Json:
    """The named counters, and arrivals a second over `seconds` of time that has passed (null where none has)."""
    found: Json = {name: cell.get(counter, 0) for name, counter in names.items()}
    found["arrivals_per_s"] = found["arrivals"] / seconds if seconds > 0 else None
    return found


def waits(tallied: Tallied) -> Json:
    """The waits of executions."""
    counters = (code.WAIT_N, code.WAIT_SUM, code.WAIT_SKEWED)
    return _times(tallied.cell, counters, code.WAIT_HISTOGRAM, tallied.waits)


def works(tallied: Tallied) -> Json:
    """The work of executions, or the durations of transactions."""
    counters = (code.WORK_N, code.WORK_SUM, code.WORK_SKEWED)
    return _times(tallied.cell, counters, code.WORK_HISTOGRAM, tallied.works)


def edge_times(cell: Cell) -> Json:
    """The times of an edge."""
    return _times(cell, (code.TIME_N, code.TIME_SUM, code.TIME_SKEWED), code.WORK_HISTOGRAM, None)


def _times(cell: Cell, counters: tuple[int, int, int], base: int, values: Any) -> Json:
    number, total, skewed = (cell.get(counter, 0) for counter in counters)
    ordered = None if values is None else sorted(values)
    found = percentiles_of_cell(cell, base) if ordered is None else percentiles_of_values(ordered)
    times: Json = {"n": number, "sum": total / MICROS}
    for percent in (50, 95, 99):
        times[f"p{percent}"] = found[percent] / MICROS if found else None
    times["skewed"] = skewed
    if ordered is not None:
        times["min"] = ordered[0] / MICROS if ordered else None
        times["max"] = ordered[-1] / MICROS if ordered else None
    return times


def level(held: Level, seconds: float) -> Json:
    """How many were in progress at once, and the time they took together; the average is over `seconds`."""
    total = held.total_us / MICROS
    return {
        "at_start": held.at_start,
        "at_end": held.at_end,
        "average": total / seconds if seconds > 0 else None,
        "total_s": total,
    }


def usage(cell: Cell) -> Json:
    """Sums of usages by name, each with the number of executions that told it."""
    names = [key[2:] for key in cell if key.__class__ is str and key.startswith(code.USAGE_COUNT_PREFIX)]
    return {
        name: {
            "n": cell[code.USAGE_COUNT_PREFIX + name],
            "sum": cell.get(code.USAGE_PREFIX + name, 0) / MICROS,
        }
        for name in sorted(names)
    }
