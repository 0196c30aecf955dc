"""What OTLP is measured with is what it says it is: the reference reads the very records that the spans become."""

import pytest

from flowtrail.intake.foreign.otlp import PROTOBUF, trace_reader
from flowtrail.intake.foreign.otlp_settings import TraceSettings
from flowtrail.intake.wire import decode_body
from flowtrail.model.records import TransactionRecord
from flowtrail.simulator.spans import SPANS_A_TRACE, Traces, bodies, lines, trace_id


def without_stamp(record):
    # A guess is dated 2000-01-01, which a record on the wire would have to say.
    if isinstance(record, TransactionRecord):
        record.at = 0
    return record


@pytest.mark.parametrize("open_traces", [1, 20])
def test_the_reference_is_the_same_spans_written_as_records(open_traces):
    workload = Traces(40, open_traces)
    read = trace_reader(TraceSettings())
    told = [
        record
        for body, _ in bodies(workload, 50)
        for record in read("default", body, PROTOBUF, None, 0).records
    ]
    written = decode_body(b"\n".join(lines(workload)), "application/x-ndjson", None, 0).records

    def order(record):
        return repr(record)

    assert sorted(map(without_stamp, told), key=order) == sorted(map(without_stamp, written), key=order)


def test_spans_have_the_size_they_are_said_to_have():
    told = list(bodies(Traces(200)))
    spans = sum(count for _, count in told)

    assert spans == 200 * SPANS_A_TRACE
    assert 200 <= sum(len(body) for body, _ in told) / spans <= 220


def test_scattered_traces_come_in_different_requests():
    workload = Traces(100, 100)
    first, _ = next(bodies(workload, 100))

    assert all(first.count(trace_id(workload, number)) == 1 for number in range(100))
