"""The yardstick: `json.loads` line by line, on one core, over the same records in the same run."""

import json
from collections.abc import Sequence
from statistics import median
from time import perf_counter

_ROUNDS = 5
_RECORDS = 60_000


def reference_rate(bodies: Sequence[bytes]) -> float:
    """Records a second, median of five rounds over at most sixty thousand records."""
    lines: list[bytes] = []
    for body in bodies:
        lines += body.split(b"\n")
        if len(lines) >= _RECORDS:
            break
    rates = []
    for _ in range(_ROUNDS):
        began = perf_counter()
        for line in lines:
            json.loads(line)
        rates.append(len(lines) / (perf_counter() - began))
    return median(rates)
