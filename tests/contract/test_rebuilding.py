"""`ViewWriter`: views made anew beside the old ones, and the switch."""

import pytest

from flowtrail.model.conditions import Moment
from flowtrail.model.errors import LeaseLost
from flowtrail.projection.version import PROJECTION_VERSION
from flowtrail.storage.interface import Selection
from tests.support.folding import Folder
from tests.support.records import BASE, an_order, order_id

ALL = Selection("acme", Moment(BASE))


def ids(store):
    return [row.id for row in store.transactions.select(ALL).rows]


def test_readers_go_on_with_the_old_views_until_the_switch(folder, reading):
    folder.tell("acme", *an_order(1), *an_order(2))
    before = reading.changes.revision()
    writer = folder.writer

    rebuilt = writer.begin_rebuild()
    assert rebuilt.position() == {}
    again = Folder(rebuilt)
    again.position = {1: 5}
    again.tell("acme", *an_order(3))

    assert reading.views_version() == (PROJECTION_VERSION, True)
    assert ids(reading) == [order_id(2), order_id(1)]
    assert reading.changes.visible() == {}
    assert reading.transactions.find("acme", order_id(3)) is None

    writer.finish_rebuild(rebuilt)

    assert reading.views_version() == (PROJECTION_VERSION, False)
    assert ids(reading) == [order_id(3)]
    assert reading.changes.visible() == {1: 5}
    assert reading.changes.revision().generation != before.generation
    assert [key for key, _ in reading.cells.iter_cells()]
    assert {term for term, _, _ in reading.transactions.iter_terms("acme")} >= {"oo-3\0order", "v3"}


def test_the_rebuilt_views_are_written_to_after_the_switch(folder, reading):
    folder.tell("acme", *an_order(1))
    rebuilt = folder.writer.begin_rebuild()
    again = Folder(rebuilt)
    again.tell("acme", *an_order(1)[:2])

    folder.writer.finish_rebuild(rebuilt)
    again.tell("acme", *an_order(1)[2:])
    again.release()
    later = Folder(folder.writer, "later")
    later.tell("acme", *an_order(2))

    assert ids(reading) == [order_id(2), order_id(1)]
    assert reading.transactions.find("acme", order_id(1)).header.status == "delivered"


def test_a_rebuild_drops_what_an_earlier_one_left(folder, reading):
    folder.tell("acme", *an_order(1))
    first = folder.writer.begin_rebuild()
    left = Folder(first)
    left.tell("acme", *an_order(2))

    second = folder.writer.begin_rebuild()
    again = Folder(second)
    again.tell("acme", *an_order(3))

    with pytest.raises(LeaseLost):
        left.tell("acme", *an_order(4))
    with pytest.raises(LeaseLost):
        folder.writer.finish_rebuild(first)
    folder.writer.finish_rebuild(second)
    assert ids(reading) == [order_id(3)]


def test_a_rebuild_without_the_lease_must_not_be_switched_to(store, reading):
    holder = Folder(store.view_writer(), "server")
    holder.tell("acme", *an_order(1))
    writer = reading.view_writer()

    rebuilt = writer.begin_rebuild()

    assert rebuilt.acquire("rebuild", 600) is None
    with pytest.raises(LeaseLost):
        writer.finish_rebuild(rebuilt)
    assert ids(reading) == [order_id(1)]


def test_a_rebuild_that_was_overtaken_must_not_be_switched_to(folder, store, reading):
    folder.tell("acme", *an_order(1))
    folder.release()
    writer = store.view_writer()
    rebuilt = writer.begin_rebuild()
    again = Folder(rebuilt, "rebuild")
    again.tell("acme", *an_order(1))
    again.release()

    other = Folder(reading.view_writer(), "server")
    other.tell("acme", *an_order(2))

    with pytest.raises(LeaseLost):
        writer.finish_rebuild(rebuilt)
    assert ids(reading) == [order_id(2), order_id(1)]


def test_a_lease_taken_for_a_rebuild_keeps_others_from_the_present_views(folder, store, reading):
    folder.release()
    rebuilt = store.view_writer().begin_rebuild()
    Folder(rebuilt, "rebuild")

    assert reading.view_writer().acquire("server", 600) is None
    with pytest.raises(LeaseLost):
        folder.tell("acme", *an_order(1))


def test_a_projector_that_was_replaced_loads_its_states_again(folder, store, reading):
    folder.tell("acme", *an_order(1)[:2])
    folder.release()
    writer = store.view_writer()
    rebuilt = writer.begin_rebuild()
    again = Folder(rebuilt, "rebuild")
    again.tell("acme", *an_order(1)[:1])
    again.release()
    writer.finish_rebuild(rebuilt)

    with pytest.raises(LeaseLost):
        folder.tell("acme", *an_order(1)[2:])
    fresh = Folder(folder.writer, "test")
    fresh.tell("acme", *an_order(1))

    assert len(reading.transactions.find("acme", order_id(1)).pages) == 1
    assert reading.transactions.find("acme", order_id(1)).header.status == "delivered"
