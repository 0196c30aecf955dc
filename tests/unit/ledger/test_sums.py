"""Cells added up by `check`: what is wrong, and what cannot be told while a server writes."""

from types import SimpleNamespace

from flowtrail.ledger.recount import Refold
from flowtrail.ledger.report import Report
from flowtrail.ledger.sums import Sums
from flowtrail.projection.cells import ARRIVALS, CellKey
from flowtrail.projection.header import Header
from flowtrail.projection.state import State


def cell_of(flow, start=0):
    return CellKey("default", "events", "minute", start, (flow, "", "map", "order"))


def told(cells, *moving, steady):
    sums, report = Sums(), Report()
    sums.read_cells(SimpleNamespace(cells=SimpleNamespace(iter_cells=lambda: iter(cells))))
    for flow in moving:
        sums.moving("default", Refold(State(), Header(flow=flow), set()))
    sums.compare_cells(report, steady=steady)
    sums.close()
    return report


def test_a_cell_of_a_flow_in_motion_is_not_called_wrong():
    report = told([(cell_of("shop"), {ARRIVALS: 1})], "shop", steady=False)

    assert report.ok
    assert "not proven" in report.notes[0]


def test_a_cell_of_another_flow_is_wrong_all_the_same():
    report = told([(cell_of("bill"), {ARRIVALS: 1})], "shop", steady=False)

    assert not report.ok


def test_a_cell_that_was_read_at_the_moment_itself_is_held_to_the_recount():
    assert not told([(cell_of("shop"), {ARRIVALS: 1})], "shop", steady=True).ok


def test_a_counter_beyond_64_bits_is_told_as_it_is():
    report = told([(cell_of("shop"), {ARRIVALS: 1 << 70})], steady=True)

    assert any(str(1 << 70) in line for line in report.lines())
