"""The lease, commits whose result is unknown, and two servers on one database."""

import threading
from random import Random

import pytest
from pymongo.client_session import ClientSession
from pymongo.errors import AutoReconnect

from flowtrail.intake.projector import Projector
from flowtrail.ledger.check import check
from flowtrail.model.errors import LeaseLost, PageConflict, StoreUnavailable
from flowtrail.model.points import watch
from flowtrail.storage.mongodb import connection
from tests.support.folding import Folder
from tests.support.journaling import Journaling, project
from tests.support.opaque import opaque_page
from tests.support.records import an_order, order_id
from tests.support.stories import canonical, story
from tests.support.views import differences, expected, seen


@pytest.fixture(autouse=True)
def nobody_watches_afterwards():
    yield
    watch(None)


def unknown():
    """A commit whose answer was lost, as the driver says it."""
    return AutoReconnect("connection closed", {"errorLabels": ["UnknownTransactionCommitResult"]})


def test_a_takeover_ends_the_write_under_way_of_a_holder_that_is_too_late(store, reading):
    """It would keep the lease's document locked: for a minute when its process was killed."""
    slow, taken = Folder(store.view_writer(), "slow", ttl_s=0), threading.Event()

    def take_over():
        Folder(reading.view_writer(), "quick").tell("acme", *an_order(2))
        taken.set()

    def inside(name):
        if name == "inside_write":
            watch(None)
            threading.Thread(target=take_over).start()
            assert taken.wait(10)

    watch(inside)
    with pytest.raises(StoreUnavailable):
        slow.tell("acme", *an_order(1))

    assert reading.transactions.find("acme", order_id(1)) is None
    assert reading.transactions.find("acme", order_id(2)) is not None
    with pytest.raises(LeaseLost):
        slow.tell("acme", *an_order(3))


def test_a_commit_whose_answer_was_lost_is_asked_for_again(folder, reading, monkeypatch):
    commit, lost = ClientSession.commit_transaction, []

    def losing(session):
        commit(session)
        if len(lost) < 3:
            lost.append(unknown())
            raise lost[-1]

    monkeypatch.setattr(ClientSession, "commit_transaction", losing)
    folder.tell("acme", *an_order(1))

    assert len(lost) == 3
    assert reading.changes.revision().number == 1
    assert reading.transactions.find("acme", order_id(1)).header.status == "delivered"


@pytest.mark.parametrize("committed", [True, False])
def test_a_commit_that_stays_unknown_is_unavailable_and_repeating_the_batch_is_harmless(
    store, reading, monkeypatch, committed
):
    records = story(3, 20)
    Journaling(store).append(canonical(records))
    monkeypatch.setattr(connection, "COMMIT_RETRY_S", 0.0)
    commit = ClientSession.commit_transaction

    def losing(session):
        monkeypatch.setattr(ClientSession, "commit_transaction", commit)
        if committed:
            commit(session)
        raise unknown()

    projector = Projector(store.journal, store.view_writer(), holder="one")
    monkeypatch.setattr(ClientSession, "commit_transaction", losing)
    with pytest.raises(StoreUnavailable):
        projector.step()
    assert (reading.changes.revision().number > 0) == committed
    projector.drop()
    projector.catch_up()
    projector.close()

    assert differences(seen(reading), expected(records)) == []
    assert check(reading).ok


def test_two_servers_with_a_writer_each_make_the_views_of_one(store, reading):
    """Records of each transaction are split between them at random, and each projects for a while."""
    random, records = Random(5), story(5, 40)
    told, servers = canonical(records), [store, reading]
    writers = [Journaling(server, name=f"server-{number}") for number, server in enumerate(servers)]
    while told:
        size = random.randrange(1, 40)
        random.choice(writers).append(told[:size])
        told = told[size:]
        if random.random() < 0.3:
            project(random.choice(servers))
    project(reading)

    assert differences(seen(store), expected(records)) == []
    assert check(store).ok


def test_writers_that_register_at_the_same_time_have_ordinals_of_their_own(store, reading):
    found = []

    def register(server, number):
        found.append(server.journal.register("acme", f"writer-{number}"))

    threads = [
        threading.Thread(target=register, args=(server, number // 2))
        for number in range(12)
        for server in (store, reading)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 24
    assert len({writer.ordinal for writer in found}) == len({writer.name for writer in found}) == 6
    assert sorted(set(found), key=lambda writer: writer.ordinal) == store.journal.writers()


def test_pages_sent_again_after_an_unknown_append_stand_once(store, reading):
    writer = store.journal.register("acme", "one")
    pages = [opaque_page(writer, sequence) for sequence in (1, 2, 3)]
    store.journal.append(pages[:2])

    reading.journal.append(pages)
    reading.journal.append(pages[1:2])

    assert [page.hash for page in store.journal.iter_pages(writer.ordinal)] == [page.hash for page in pages]
    with pytest.raises(PageConflict):
        store.journal.append([opaque_page(writer, 4), opaque_page(writer, 3, body=b"other")])
    assert store.journal.heads()[0].sequence == 3


def test_a_page_that_another_server_appended_is_read_after_what_is_known_of_its_writer(store, reading):
    writer = store.journal.register("acme", "one")
    store.journal.append([opaque_page(writer, sequence) for sequence in (1, 2)])
    assert len(reading.journal.read({}, 10)) == 2
    store.journal.append([opaque_page(writer, 3)])

    assert [page.number for page in reading.journal.read({writer.ordinal: 2}, 10)] == [
        opaque_page(writer, 3).number
    ]
