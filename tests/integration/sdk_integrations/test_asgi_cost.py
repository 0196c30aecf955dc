"""What the middleware costs, as a part of what OpenTelemetry's costs in the same run. CPU time, not the clock."""

import flowtrail
from benchmarks.asgi_cost import measure

TRIES = 3
"""Whoever else uses the machine can spoil one measurement, and hardly three."""


def test_the_middleware_costs_less_than_a_tenth_of_opentelemetrys():
    ratios = []
    try:
        while len(ratios) < TRIES and not (ratios and min(ratios) < 0.1):
            spent = measure(rounds=5, requests=400)
            ratios.append((spent["flowtrail"] - spent["bare"]) / (spent["opentelemetry"] - spent["bare"]))
    finally:
        flowtrail.shutdown()

    assert min(ratios) < 0.1, ratios
