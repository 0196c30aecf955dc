"""Cells as stores keep them, and counters that outgrow 64 bits."""

from hypothesis import given
from hypothesis import strategies as st

from flowtrail.model.records import BlockRecord, EndRecord, TransactionRecord
from flowtrail.projection.cells import WORK_OUT_OFFSET, CellKey, decode_cell, encode_cell, start_of, widened
from flowtrail.projection.contributions import contributions
from flowtrail.projection.difference import add_record
from flowtrail.projection.state import State

counters = st.dictionaries(st.integers(1, 7_000) | st.text(min_size=3, max_size=9), st.integers(), max_size=6)


@given(counters)
def test_a_cell_comes_back_as_it_was_kept_however_large_its_counters(cell):
    assert decode_cell(encode_cell(cell)) == cell


def test_a_year_of_many_executions_outgrows_64_bits_and_is_kept_all_the_same():
    late = start_of("year", 1_790_000_000_000_000) + 360 * 86_400_000_000
    minute = {WORK_OUT_OFFSET - 1: 1_000_000, WORK_OUT_OFFSET: 7}

    year = widened(minute, late, start_of("year", late))

    assert year[WORK_OUT_OFFSET] > 1 << 64
    assert decode_cell(encode_cell(year)) == year


def test_usage_is_summed_exactly_beyond_what_a_float_can_say():
    at = 1_790_000_000_000_000
    state = State()
    for record in (
        TransactionRecord(id=b"t" * 16, at=at, flow="f", object_type="o", object_id="1", created_at=at),
        *(
            BlockRecord(
                transaction=b"t" * 16,
                at=at,
                id=bytes([n]) * 8,
                block="copy",
                status="succeeded",
                ended_at=at,
                usage={"bytes_in": 1e12},
            )
            for n in (1, 2, 3)
        ),
        EndRecord(transaction=b"t" * 16, at=at, outcome="delivered", ended_at=at),
    ):
        add_record(state, record)

    cells = contributions("default", state)

    key = CellKey("default", "events", "year", start_of("year", at), ("f", "", "copy", "o"))
    assert cells[key]["u:bytes_in"] == 3 * 10**18
