"""From items to lines."""

import msgspec
import pytest

from flowtrail.model.limits import MAX_RECORD_BYTES
from flowtrail.sdk.counts import Tally
from flowtrail.sdk.outbox import Outbox
from flowtrail.sdk.parcels import Bounds, Parcel, Queued, new_session
from tests.support.items import Told

PRODUCER = "shop-1/7f3a"


@pytest.fixture
def box():
    return Outbox(1 << 24, lambda: True)


def queued(box, tally=None, most_bytes=100_000):
    return Queued(box, tally or Tally(), PRODUCER, Bounds(most_bytes, 2_000))


def none():
    return None


def read(parcel):
    return [msgspec.json.decode(line) for line in parcel.lines]


def test_records_get_producer_and_number_when_they_leave_the_queue(box):
    source = queued(box)
    for number in range(3):
        box.put(Told(id=str(number)))

    parcel = source.next(none)

    assert read(parcel) == [
        {"producer": PRODUCER, "seq": number + 1, "kind": "transaction", "id": str(number)}
        for number in range(3)
    ]
    assert source.next(none) is None


def test_a_parcel_is_no_larger_than_wanted_but_for_its_last_records(box):
    source = queued(box, most_bytes=2_000)
    for _ in range(50):
        box.put(Told(cost=100_000, text="x" * 500))

    first = source.next(none)

    assert 2_000 <= sum(map(len, first.lines)) < 2_700
    assert box.waiting == 50 - len(first.lines)


def test_what_cannot_be_encoded_is_counted_and_spoils_no_other(box):
    class Broken(Told):
        def record(self):
            raise RuntimeError

    tally = Tally()
    source = queued(box, tally)
    box.put(Told(text="\ud800"))
    box.put(Broken())
    box.put(Told(value=object()))
    box.put(Told(text="x" * MAX_RECORD_BYTES))
    box.put(Told(text="good"))

    parcel = source.next(none)

    assert [record["text"] for record in read(parcel)] == ["good"]
    assert parcel.lines[0].startswith(b'{"producer":"shop-1/7f3a","seq":1,')
    assert tally.dropped == {"unencodable": 3, "record_too_large": 1}
    assert tally.in_hand == 1


def test_a_report_stands_last_and_counts_itself_out(box):
    tally = Tally()
    source = queued(box, tally)
    box.put(Told())

    parcel = source.next(lambda: {"kind": "report"})

    assert [record["seq"] for record in read(parcel)] == [1, 2]
    assert (parcel.records, parcel.reports, tally.reports, tally.in_hand) == (1, frozenset([1]), 1, 1)


def test_halves_are_the_whole():
    lines = [b"%d" % number for number in range(7)]
    parcel = Parcel(lines, frozenset([1, 4]))

    first, second = parcel.halves()

    assert first.lines + second.lines == lines
    assert (first.reports, second.reports) == (frozenset([1]), frozenset([1]))
    assert first.records + second.records == parcel.records == 5


def test_nothing_more_is_taken_once_the_count_is_closed(box):
    tally = Tally()
    box.put(Told())
    with tally.lock:
        tally.seal("exit")

    assert queued(box, tally).next(none) is None
    assert box.waiting == 1


def test_sessions_differ_and_have_a_name():
    assert new_session("a/b/") != new_session("a/b/")
    assert new_session("a/b/").startswith("a/b/")
    assert new_session("///").startswith("producer/")
