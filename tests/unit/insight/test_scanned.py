"""What is added up from rows, where the property tests of statistics have too few of them."""

from flowtrail.insight.ranges import ALL_TIME
from flowtrail.insight.scanned import Scan
from flowtrail.insight.summary import usage
from flowtrail.insight.table import rows
from flowtrail.model.records import BlockRecord
from flowtrail.projection.header import Header
from flowtrail.projection.state import State

T = 1_790_000_000_000_000
SECOND = 1_000_000


def test_sums_over_all_of_time_are_exact_however_many_rows():
    delivered = Header(
        True, "shop", None, "order", "1", "delivered", opened_at=T, updated_at=T, ended_at=T + SECOND
    )
    waiting = Header(True, "shop", None, "order", "2", opened_at=T, updated_at=T)
    scan = Scan(list(ALL_TIME), lambda *_: ("all",), lambda *_: ("all",), T + 10 * SECOND)

    # So that of what opened the offsets pass 64 bits, and of what ended they do not.
    for header in [delivered] * 5_000 + [waiting] * 10_000:
        scan.add(header, State())

    (row,) = rows(scan.finish(), T + 10 * SECOND)
    assert row.working.at_end == 10_000
    assert row.working.total_us == (5_000 + 10 * 10_000) * SECOND


def test_what_was_in_progress_when_the_range_began_is_in_its_first_bucket_though_nothing_happens():
    edges = [T + 10 * SECOND, T + 20 * SECOND, T + 30 * SECOND]
    scan = Scan(edges, lambda *_: ("all",), lambda *_: ("all",), T + 60 * SECOND)
    scan.add(Header(True, "shop", None, "order", "1", opened_at=T, updated_at=T), State())

    (row,) = rows(scan.finish(), T + 60 * SECOND)

    assert (row.bucket, row.waiting.at_start, row.working.at_start, row.working.at_end) == (0, 0, 1, 1)
    assert row.working.total_us == 10 * SECOND


def test_usages_of_a_scan_are_summed_to_the_millionth():
    scan = Scan(list(ALL_TIME), lambda *_: ("all",), lambda *_: ("all",), T + SECOND)
    state = State()
    for number, used in enumerate([{"cpu_seconds": 0.31, "bytes_in": 2048}, {"cpu_seconds": 0.000001}], 1):
        key = bytes([number] * 8)
        state.add_block(
            BlockRecord(b"\1" * 16, T, "shop/1", number, key, "map", "succeeded", T, T, T, usage=used)
        )
    scan.add(Header(True, "shop", None, "order", "1", opened_at=T, updated_at=T), state)

    (row,) = rows(scan.finish(), T + SECOND)

    assert usage(row.tallied.cell) == {
        "bytes_in": {"n": 1, "sum": 2048.0},
        "cpu_seconds": {"n": 2, "sum": 0.310001},
    }
