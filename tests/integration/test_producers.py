"""Producer sessions from body to answer: any writers, batches, order and repetition; rebuilt, checked, sent on."""

from random import Random

import pytest

from flowtrail.intake.projector import Projector
from flowtrail.intake.rebuild import rebuild
from flowtrail.ledger.check import check
from flowtrail.model.records import AnyRecord, BlockRecord, ReportRecord
from flowtrail.projection import producers
from flowtrail.storage import open_store
from flowtrail.storage.memory.store import MemoryStore
from tests.support.journaling import Journaling, project
from tests.support.records import BASE, order_id
from tests.support.views import seen

PRODUCERS = ("shop-1/7f", "shop-1/80", "till 7/ä")


def told(random: Random, count: int) -> tuple[list[AnyRecord], dict[str, set[int]]]:
    """Records of three sessions of which some are lost, with what came of each."""
    records: list[AnyRecord] = []
    came: dict[str, set[int]] = {}
    for producer in PRODUCERS:
        lost = {random.randrange(1, count) for _ in range(random.choice((0, 1, 40)))}
        came[producer] = set(range(1, count + 1)) - lost
        for seq in sorted(came[producer]):
            at = BASE + seq
            records.append(
                ReportRecord(at, producer, seq, seq + 3, seq, {"full": seq // 100})
                if seq % 97 == 0
                else BlockRecord(
                    order_id(seq % 50 + 1), at, producer, seq, b"\1" * 8, "map", "running", None, at
                )
            )
    return records, came


def batches(random: Random, records: list[AnyRecord]) -> list[list[AnyRecord]]:
    """Mostly runs, as producers send them; then shuffled, some twice."""
    cut, found = 0, []
    while cut < len(records):
        size = random.choice((1, 7, 50, 200))
        found.append(records[cut : cut + size])
        cut += size
    found += random.choices(found, k=len(found) // 4)
    random.shuffle(found)
    return found


@pytest.mark.parametrize("url", ["memory:", "sqlite", pytest.param("mongodb", marks=pytest.mark.mongodb)])
@pytest.mark.parametrize("seed", [1, 2])
def test_writers_batches_order_and_repetition_change_nothing(request, tmp_path, monkeypatch, url, seed):
    monkeypatch.setattr(producers, "CHUNK", 64)
    random = Random(seed)
    records, came = told(random, 600)
    plain = MemoryStore()
    plain.open()
    Journaling(plain).append(records)
    project(plain)
    place = {"sqlite": f"sqlite:{tmp_path}/store", "mongodb": ""}.get(url, url)
    store = open_store(place or request.getfixturevalue("mongodb_url"))
    writers = [Journaling(store, name=f"writer-{number}") for number in range(3)]

    for number, batch in enumerate(batches(random, records)):
        random.choice(writers).append(batch)
        if number % 7 == 0:
            project(store)
    project(store)

    found = seen(store)["producers"]
    assert found == seen(plain)["producers"]
    for producer, seqs in came.items():
        session = store.producers.session("default", producer, 0, 0).session
        assert (session.accepted, session.top, session.missing) == (
            len(seqs),
            max(seqs),
            max(seqs) - len(seqs),
        )
        assert session.report().seq == max(seq for seq in seqs if seq % 97 == 0)
    assert check(store).ok
    rebuild(store)
    assert seen(store)["producers"] == found
    assert check(store).ok
    store.close()


def test_a_session_that_lost_nothing_is_complete_while_one_writer_is_read_after_the_other(monkeypatch):
    monkeypatch.setattr("flowtrail.intake.projector.BATCH_RECORDS", 100)
    store = MemoryStore()
    store.open()
    one, other = Journaling(store), Journaling(store, name="writer-2")
    for first in range(1, 2_001, 10):
        batch = [
            BlockRecord(order_id(1), BASE, "shop/1", seq, b"\1" * 8, "map")
            for seq in range(first, first + 10)
        ]
        (one if first % 20 == 1 else other).append(batch)

    projector = Projector(store.journal, store.view_writer())
    missing = []
    while projector.step():
        missing.append(store.producers.session("default", "shop/1", 0, 0).session.missing)
    projector.close()

    assert max(missing) >= 500, "it was not read one after the other"
    assert missing[-1] == 0
