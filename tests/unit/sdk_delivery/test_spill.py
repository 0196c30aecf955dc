"""Every record in a file before `put` returns: where it goes when there is no room, and who sends it."""

import os
import threading

import msgspec
import pytest

from flowtrail.sdk.counts import Tally
from flowtrail.sdk.notices import forget
from flowtrail.sdk.outbox import Outbox
from flowtrail.sdk.parcels import Bounds, Queued
from flowtrail.sdk.segments import SEGMENT_BYTES, head_of, open_segment, read_frame
from flowtrail.sdk.sessions import lock_session
from flowtrail.sdk.settings import MIB, Settings
from flowtrail.sdk.spill import Spill
from flowtrail.sdk.spilled import Spilled
from tests.support.items import Told

BOUNDS = Bounds(10_000, 2_000)


class Household:
    """One session, without its thread."""

    def __init__(self, directory, session="7f3a", **settings):
        chosen = Settings(spill_dir=str(directory), **settings)
        self.tally = Tally()
        self.box = Outbox(12 * MIB, lambda: True)
        self.spill = Spill(self.box, self.tally, f"shop-1/{session}", chosen)
        self.source = self.spilled()

    def spilled(self):
        queued = Queued(self.box, self.tally, "shop-1/queued", BOUNDS)
        return Spilled(self.spill, queued, self.tally, "shop-1/7f3a", BOUNDS)

    def sent(self):
        """Everything the source gives, settled."""
        records = []
        while (parcel := self.source.next(lambda: None)) is not None:
            records += map(msgspec.json.decode, parcel.lines)
            with self.tally.lock:
                if not parcel.adopted:
                    self.tally.settle(parcel.records, [])
                if parcel.advance is not None:
                    parcel.advance(len(parcel.lines))
        return records

    def die(self):
        """As kill -9 would: nothing is written, and the lock is gone."""
        os.close(self.spill._lock_fd)


def names(directory):
    return sorted(path.name.partition("-")[2] for path in directory.iterdir())


def in_files(directory):
    found = []
    for path in sorted(directory.glob("*.spill")):
        segment = open_segment(path)
        while (frame := read_frame(segment, skips=True)) is not None:
            found.append(msgspec.json.decode(frame.body)["number"])
        segment.close()
    return found


@pytest.fixture
def household(tmp_path):
    return Household(tmp_path / "spill")


def test_a_record_is_in_a_file_when_put_returns(household, tmp_path):
    for number in range(5):
        household.spill.put(Told(number=number))
        assert in_files(tmp_path / "spill") == list(range(number + 1))

    assert household.spill.waiting == 5


@pytest.mark.parametrize("is_prepared", [True, False])
def test_the_first_record_starts_the_thread(tmp_path, is_prepared):
    household = Household(tmp_path / "spill")
    if is_prepared:
        household.spill.prepare()
    assert not household.box.started

    household.spill.put(Told(number=1))

    assert household.box.started


def test_what_was_written_is_sent_in_order_and_its_files_go(household, tmp_path):
    for number in range(20_000):
        household.spill.put(Told(number=number))
    assert len(names(tmp_path / "spill")) > 2

    records = household.sent()

    assert [record["number"] for record in records] == list(range(20_000))
    assert [record["seq"] for record in records] == list(range(1, 20_001))
    assert household.spill.waiting == household.tally.in_hand == 0
    household.spill.close()
    assert names(tmp_path / "spill") == []


def test_a_record_that_is_being_written_is_waited_for_but_not_for_ever(household, monkeypatch):
    passed = [0.0]
    monkeypatch.setattr("flowtrail.sdk.spilled.monotonic_s", lambda: passed[0])
    household.spill.put(Told(number=0))
    household.sent()
    segment = household.spill.current

    def numbers():
        return [record["number"] for record in household.sent()]

    for number in (1, 2, 3):
        body = b'{"number":%d}' % number
        frame = head_of(body) + b"%020d" % (100 + number) + body
        hole = segment.at
        segment.at += len(frame)
        household.spill.put(Told(number=-number))
        assert numbers() == []
        passed[0] += 4
        assert numbers() == []
        if number < 3:
            segment.map[hole : hole + len(frame)] = frame
            assert numbers() == [number, -number]
        passed[0] += 2
    assert numbers() == [-3]


def test_what_is_not_sent_at_the_end_is_sent_by_the_next_process(household, tmp_path):
    for number in range(5_000):
        household.spill.put(Told(number=number))
    parcel = household.source.next(lambda: None)
    parcel.advance(10)
    household.spill.close()

    other = Household(tmp_path / "spill", "beef")
    records = other.sent()

    assert [record["number"] for record in records] == list(range(10, 5_000))
    assert {record["producer"] for record in records} == {"shop-1/7f3a"}
    assert [record["seq"] for record in records] == list(range(11, 5_001))
    assert names(tmp_path / "spill") == []


def test_what_a_killed_process_wrote_is_sent_by_the_next_and_by_no_third(household, tmp_path):
    for number in range(100):
        household.spill.put(Told(number=number))
    while_alive = Household(tmp_path / "spill", "beef").sent()
    household.die()

    heirs = [Household(tmp_path / "spill", f"{number}") for number in range(3)]
    parcels = [heir.source.next(lambda: None) for heir in heirs]

    assert while_alive == []
    assert [parcel is not None for parcel in parcels] == [True, False, False]
    assert len(parcels[0].lines) == 100


def test_a_directory_is_never_fuller_than_it_may_be_and_the_rest_waits_in_memory(tmp_path):
    households = [Household(tmp_path / "spill", session, spill_mib=8) for session in ("1", "2")]
    text = "x" * 100_000

    for number in range(100):
        for household in households:
            household.spill.put(Told(number=number, text=text))
            household.spill._blocked_until = 0

    held = sum(path.stat().st_size for path in (tmp_path / "spill").glob("*.spill"))
    assert 7 * SEGMENT_BYTES <= held <= 8 * MIB
    assert all(household.box.waiting for household in households)
    for household in households:
        assert sorted(record["number"] for record in household.sent()) == list(range(100))
        household.spill.close()
    assert names(tmp_path / "spill") == []


def test_files_that_were_full_are_emptied_while_the_host_goes_on(tmp_path):
    household = Household(tmp_path / "spill", spill_mib=8)
    text = "x" * 1_000
    while not household.box.waiting:
        household.spill.put(Told(text=text))

    # More comes at every turn than a parcel of memory leaves time for.
    turns = 0
    while household.spill.waiting > 20 and turns < 5_000:
        turns += 1
        household.spill.put(Told(text=text))
        parcel = household.source.next(lambda: None)
        with household.tally.lock:
            household.tally.settle(parcel.records, [])
        if parcel.advance is not None:
            parcel.advance(len(parcel.lines))

    assert turns < 5_000


def test_a_directory_that_cannot_be_used_leaves_memory(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    household = Household(tmp_path / "file" / "spill")

    for number in range(10):
        household.spill.put(Told(number=number))

    forget()
    with caplog.at_level("WARNING", "flowtrail"):
        for _ in range(3):
            household.spill._blocked_until = 0
            household.spill.tend()

    assert isinstance(household.spill.trouble, OSError)
    assert len(caplog.records) == 1
    assert f"spill_dir {tmp_path / 'file' / 'spill'}: " in caplog.records[0].getMessage()
    assert threading.current_thread() is threading.main_thread()
    assert household.box.waiting == household.spill.waiting == 10
    assert [record["number"] for record in household.sent()] == list(range(10))


def test_what_cannot_be_encoded_is_counted_at_once(household):
    item = Told(text="\ud800")

    household.spill.put(item)

    assert household.tally.dropped == {"unencodable": 1}
    assert item.taken
    assert household.spill.waiting == 0


@pytest.mark.parametrize("torn", [b"FTSPILL1", b"something else" * 1_000])
def test_a_file_that_cannot_be_read_is_left_alone_and_keeps_nothing_from_being_sent(
    household, tmp_path, monkeypatch, caplog, torn
):
    forget()
    asked = []

    def lock(directory, name):
        asked.append(name)
        assert len(asked) < 10
        return lock_session(directory, name)

    monkeypatch.setattr("flowtrail.sdk.spilled.lock_session", lock)
    dead = Household(tmp_path / "spill", "dead")
    dead.spill.put(Told(number=1))
    dead.die()
    strange = tmp_path / "spill" / f"{dead.spill.target}-aaaa-00000001.spill"
    strange.write_bytes(torn)
    household.spill.put(Told(number=2))

    with caplog.at_level("WARNING", "flowtrail"):
        assert sorted(record["number"] for record in household.sent()) == [1, 2]
    assert [record.getMessage().partition(" cannot be read")[0] for record in caplog.records] == [
        str(strange)
    ]
    assert strange.read_bytes() == torn
    assert len(asked) == 2


def test_records_for_another_server_stay_where_they_are(household, tmp_path):
    household.spill.put(Told(number=1))
    household.die()

    other = Household(tmp_path / "spill", "beef", url="http://127.0.0.1:1")

    assert other.sent() == []
    assert in_files(tmp_path / "spill") == [1]


def test_a_child_leaves_what_its_parent_wrote(household, tmp_path):
    household.spill.put(Told(number=1))
    pid = os.fork()
    if not pid:
        household.spill.abandon()
        os._exit(0)
    os.waitpid(pid, 0)

    household.spill.put(Told(number=2))

    assert [record["number"] for record in household.sent()] == [1, 2]


def test_many_threads_write_every_record_once_and_number_it_once(household, tmp_path):
    each, threads = 2_000, 6

    def write(first):
        for number in range(first, first + each):
            household.spill.put(Told(number=number, text="x" * (number % 700)))

    writers = [threading.Thread(target=write, args=(each * number,)) for number in range(threads)]
    for writer in writers:
        writer.start()
    records = []
    while any(writer.is_alive() for writer in writers):
        household.spill.tend()
        records += household.sent()
    for writer in writers:
        writer.join()
    records += household.sent()

    assert sorted(record["number"] for record in records) == list(range(each * threads))
    assert sorted(record["seq"] for record in records) == list(range(1, each * threads + 1))
    household.spill.close()
    assert names(tmp_path / "spill") == []


def test_what_is_safe_against_a_power_cut_is_told_by_what_is_due(household):
    assert household.spill.duty_s() > 60
    household.spill.put(Told(number=1))
    household.spill._synced_at -= 2

    assert household.spill.duty_s() < 0
    household.spill.tend()
    assert household.spill.duty_s() > 60


def test_a_report_of_a_session_lies_with_its_records_and_counts_for_none(household):
    household.spill.put(Told(number=1))

    parcel = household.source.next(lambda: {"kind": "report"})

    assert (len(parcel.lines), parcel.records, parcel.reports) == (2, 1, frozenset([1]))
    assert household.spill.waiting == 0
