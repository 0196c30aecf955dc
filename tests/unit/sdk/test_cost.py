"""What a block costs the thread of its host, in CPU time against a span of OpenTelemetry's SDK in the same run.

The bounds are loose, since a test has no time for many rounds; benchmarks/host_cost.py has, and prints the ratios.
"""

import importlib.util
from pathlib import Path

import pytest

from flowtrail.sdk.notices import forget
from flowtrail.sdk.producer import Unheard, producer

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "host_cost.py"


@pytest.fixture(scope="module")
def cost():
    """The medians of a few rounds, by what is compared."""
    spec = importlib.util.spec_from_file_location("host_cost", BENCHMARK)
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    measured = benchmark.measure(rounds=5) | benchmark.measure_delivering(rounds=5)
    producer.flow = ""
    producer.listen(Unheard("the test is over"))
    forget()
    return {name: benchmark.summary(pairs) for name, pairs in measured.items()}


def test_a_block_costs_a_fraction_of_a_span(cost):
    assert cost["span / block"]["ratio"] > 16


def test_a_block_that_fails_costs_a_fraction_of_a_span_that_does(cost):
    assert cost["span / block, both with exception"]["ratio"] > 10


def test_a_dead_server_and_a_full_queue_make_a_block_little_dearer(cost):
    assert cost["block, server dead and queue full / waiting"]["ratio"] < 1.7
