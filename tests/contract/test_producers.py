"""`ProducerReader`, and what `ViewWriter.write` makes of `Batch.heard`. Read back through a second handle."""

import pytest

from flowtrail.model.errors import LeaseLost
from flowtrail.model.records import ReportRecord, encode_record
from flowtrail.projection.producers import (
    CHUNK,
    Heard,
    Stated,
    contribution,
    encode_session,
    gaps,
    join,
)
from flowtrail.projection.ranges import of_numbers
from flowtrail.storage.interface import Batch, Lease
from tests.support.folding import Folder
from tests.support.records import an_order


def heard(producer="shop/1", accepted=(), rejected=(), at=5, tenant="acme", stated=None):
    return Heard(tenant, producer, at, at, of_numbers(accepted), of_numbers(rejected), stated)


def told(folder, *all_heard):
    folder.write(Batch(heard=list(all_heard), position=folder.position))


def names(store, *question, **more):
    return [each.producer for each in store.producers.sessions("acme", *question, **more)]


def kept(store, producer="shop/1", tenant="acme"):
    found = store.producers.session(tenant, producer, 0, 1_000)
    return encode_session(found.session), found.chunks


def test_what_is_heard_must_be_joined_with_what_is_stored(folder, reading):
    report = ReportRecord(9, "shop/1", 4, 7, 4, {"full": 3})
    parts = [
        heard(accepted=[1, 2, 7], at=5),
        heard(accepted=[2, 4], rejected=[3, 9], at=3, stated=Stated(9, 4, encode_record(report))),
        heard(accepted=range(CHUNK - 5, CHUNK + 100), rejected=[3], at=8),
    ]
    for part in parts:
        told(folder, part)

    session, chunks = None, {}
    for part in parts:
        session, changed = join(session, chunks, part)
        chunks |= changed
    assert kept(reading) == (encode_session(session), sorted(chunks.items()))
    found = reading.producers.session("acme", "shop/1", 0, 10)
    assert (found.session.first_at, found.session.last_at, found.session.report()) == (3, 8, report)
    assert gaps(found.session, found.chunks) == ([5, 6, 8, 8, 10, CHUNK - 6], None)
    assert reading.producers.totals("acme") == contribution(session)

    for part in reversed(parts):
        told(folder, part)
    assert kept(reading) == (encode_session(session), sorted(chunks.items()))
    assert reading.producers.totals("acme") == contribution(session)


def test_a_chunk_that_is_whole_has_no_row(folder, reading):
    told(folder, heard(accepted=range(1, CHUNK)))
    assert len(kept(reading)[1]) == 1
    told(folder, heard(accepted=range(CHUNK, 3 * CHUNK + 1)))

    found = reading.producers.session("acme", "shop/1", 0, 10)
    assert (found.chunks, found.session.whole, found.session.accepted) == ([], [0, 2], 3 * CHUNK)
    told(folder, heard(accepted=range(5, 2 * CHUNK), rejected=[7]))
    assert reading.producers.session("acme", "shop/1", 0, 10) == found


def test_rows_of_chunks_come_in_order_from_a_chunk_on_and_say_whether_there_are_more(folder, reading):
    told(folder, heard(accepted=[1 + CHUNK * number for number in (0, 3, 500, 1 << 40)]))

    def rows(first, most):
        found = reading.producers.session("acme", "shop/1", first, most)
        return [number for number, _ in found.chunks], found.more

    assert rows(0, 10) == ([0, 3, 500, 1 << 40], False)
    assert rows(0, 2) == ([0, 3], True)
    assert rows(4, 2) == ([500, 1 << 40], False)
    assert rows(4, 0) == ([], False)
    assert rows((1 << 40) + 1, 5) == ([], False)


def test_sessions_come_by_producer_and_of_one_name_when_asked(folder, reading):
    everyone = ["b/2", "a/b/9", "a/1", "a/10", "a0/1", "a-x/1", "ä/1", "\U0001f600/1", "c/1"]
    told(folder, *(heard(each, [1, 2]) for each in everyone[:4]), heard("a/1", [1], tenant="globex"))
    told(folder, *(heard(each, [2]) for each in everyone[4:]))

    assert names(reading, None, None, 100) == sorted(everyone)
    assert names(reading, None, None, 2) == sorted(everyone)[:2]
    assert names(reading, None, sorted(everyone)[1], 3) == sorted(everyone)[2:5]
    assert names(reading, "a", None, 100) == ["a/1", "a/10", "a/b/9"]
    assert names(reading, "a", "a/1", 1) == ["a/10"]
    assert names(reading, "a/b", None, 100) == ["a/b/9"]
    assert names(reading, "nobody", None, 100) == []
    assert names(reading, None, None, 100, troubled=True) == sorted(everyone[4:])
    assert names(reading, "c", None, 100, troubled=True) == ["c/1"]
    assert reading.producers.sessions("nobody", None, None, 5) == []
    assert [each.producer for each in reading.producers.sessions("globex", None, None, 5)] == ["a/1"]

    told(folder, heard("c/1", [1]))
    assert names(reading, "c", None, 100, troubled=True) == []
    (found,) = reading.producers.sessions("acme", "c", None, 5, most_chunks=1)
    assert (len(found.chunks), found.more) == (1, False)


def test_totals_are_sums_that_may_outgrow_64_bits(folder, reading):
    most = (1 << 63) - 1
    for number in range(1, 4):
        report = ReportRecord(9, f"shop/{number}", 1, most, 1, {"full": most})
        told(folder, heard(f"shop/{number}", [1], stated=Stated(9, 1, encode_record(report))))

    assert reading.producers.totals("acme")[5] == 3 * most
    assert reading.producers.totals("globex") == {}


def test_many_sessions_in_one_batch_are_each_joined(folder, reading):
    told(folder, *(heard(f"shop/{number}", [1, 3]) for number in range(700)))
    told(folder, *(heard(f"shop/{number}", [2]) for number in range(0, 700, 2)))

    assert len(names(reading, "shop", None, 1_000)) == 700
    assert len(names(reading, "shop", None, 1_000, troubled=True)) == 350
    assert sorted((each.tenant, each.producer) for each in reading.producers.iter_sessions()) == sorted(
        ("acme", f"shop/{number}") for number in range(700)
    )
    assert all(len(each.chunks) == 1 for each in reading.producers.iter_sessions())


def test_what_is_heard_must_be_visible_with_its_batch_or_not_at_all(folder, reading):
    batch = folder.fold("acme", an_order(1))
    batch.heard.append(heard(accepted=[1]))
    with pytest.raises(LeaseLost):
        folder.write(batch, Lease(folder.lease.epoch, "somebody else"))
    assert reading.producers.session("acme", "shop/1", 0, 1) is None
    assert list(reading.producers.iter_sessions()) == []
    assert reading.producers.totals("acme") == {}

    revision = folder.write(Batch(heard=[heard(accepted=[1])], position={3: 9}))
    assert reading.changes.revision() == revision
    assert reading.changes.visible() == {3: 9}
    assert reading.producers.session("acme", "shop/1", 0, 1) is not None
    assert reading.producers.session("acme", "shop/2", 0, 1) is None
    assert reading.producers.session("globex", "shop/1", 0, 1) is None


def test_rebuilt_views_have_their_own_sessions(folder, reading):
    told(folder, heard("old/1", [1]))
    rebuilt = folder.writer.begin_rebuild()
    again = Folder(rebuilt)
    told(again, heard("new/1", [1, 3]))
    assert names(reading, None, None, 10) == ["old/1"]

    folder.writer.finish_rebuild(rebuilt)

    assert names(reading, None, None, 10) == ["new/1"]
    assert names(reading, None, None, 10, troubled=True) == ["new/1"]
    told(again, heard("new/1", [2]))
    assert kept(reading, "new/1") == (
        encode_session(join(None, {}, heard("new/1", [1, 2, 3])).session),
        list(join(None, {}, heard("new/1", [1, 2, 3])).chunks.items()),
    )
