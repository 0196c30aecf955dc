"""Which statement wins, where what is said reads like something else."""

import pytest
from msgspec.structs import replace

from flowtrail.model.records import BlockRecord, EndRecord, TransactionRecord
from flowtrail.projection.difference import add_record
from flowtrail.projection.state import State
from tests.support.records import BASE, IDS

WORDS = ["pending", "running", "succeeded", "failed", "skipped"]
EXECUTION = BlockRecord(IDS[0], BASE, "shop/1", 1, b"\1" * 8, "map", "running", None, BASE, None)
OPENED = TransactionRecord(IDS[0], BASE, "shop/1", 1, "shop", "order", "4711", created_at=BASE)
ENDED = EndRecord(IDS[0], BASE, "shop/1", 1, "delivered", 1, BASE)


def folded(*records):
    state = State()
    for record in records:
        add_record(state, record)
    return state


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("field", ["block", "stage", "worker"])
def test_a_name_that_reads_like_a_status_wins_by_its_stamp_alone(field, word):
    earlier = replace(EXECUTION, **{field: word})
    later = replace(EXECUTION, **{field: "map", "at": BASE + 1, "seq": 2})

    for told in ([earlier, later], [later, earlier]):
        assert getattr(folded(*told).executions[EXECUTION.id], field) == "map"


@pytest.mark.parametrize("word", WORDS)
def test_a_trace_that_reads_like_a_status_wins_by_its_stamp_alone(word):
    earlier = replace(OPENED, trace=word)
    later = replace(OPENED, trace="a trace", at=BASE + 1, seq=2)

    states = [folded(earlier, later, ENDED), folded(later, ENDED, earlier)]

    assert states[0].encode() == states[1].encode() == folded(later, ENDED, earlier, later).encode()
    assert "a trace" in {record.trace for record in states[0].opened}
    assert word not in {record.trace for record in states[0].opened}


@pytest.mark.parametrize(
    ("one", "other"), [(1, True), (0, False), (1, 1.0), (0.0, -0.0), ([{"a": 1}], [{"a": True}])]
)
def test_values_that_python_holds_equal_are_two_statements(one, other):
    def told(*values):
        return [
            folded(*[replace(OPENED, attributes={"x": value}) for value in values], ENDED).encode(),
            folded(*[replace(EXECUTION, details={"x": value}) for value in values]).encode(),
        ]

    assert told(one, other) == told(other, one)
    assert told(one, other) == told(one, other, one, other)
