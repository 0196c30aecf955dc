"""What a process that died left of views, and views that another Flowtrail made."""

from types import SimpleNamespace

import pytest

from flowtrail.model.errors import LeaseLost, StoreTooNew, StoreUnavailable
from flowtrail.storage.mongodb.store import require_usable
from tests.support.folding import Folder
from tests.support.records import an_order, order_id


def generations(database):
    return {name.split("_")[1] for name in database.list_collection_names() if name.startswith("views_")}


def test_what_a_switch_that_died_left_is_dropped_by_the_next_holder(folder, reading, database, monkeypatch):
    class Died(BaseException):
        """The process is gone; nothing below catches this."""

    def die(_):
        raise Died

    folder.tell("acme", *an_order(1))
    rebuilt = folder.writer.begin_rebuild()
    Folder(rebuilt).tell("acme", *an_order(1))
    monkeypatch.setattr("flowtrail.storage.mongodb.views.sleep_s", die)
    with pytest.raises(Died):
        folder.writer.finish_rebuild(rebuilt)
    assert len(generations(database)) == 2

    Folder(reading.view_writer())

    assert generations(database) == {reading.changes.revision().generation}
    assert reading.transactions.find("acme", order_id(1)) is not None


def test_what_a_rebuild_that_died_left_is_dropped_by_the_next_holder(folder, reading, database):
    folder.tell("acme", *an_order(1))
    left = Folder(folder.writer.begin_rebuild())
    left.tell("acme", *an_order(1))
    version, _ = reading.views_version()

    Folder(reading.view_writer())

    assert generations(database) == {reading.changes.revision().generation}
    assert reading.views_version() == (version, False)
    with pytest.raises(LeaseLost):
        folder.writer.finish_rebuild(left.writer)
    assert len(generations(database)) == 1


def test_a_switch_leaves_the_new_views_alone(folder, database):
    rebuilt = folder.writer.begin_rebuild()
    Folder(rebuilt).tell("acme", *an_order(1))

    folder.writer.finish_rebuild(rebuilt)

    assert list(database["meta"].find_one({"_id": "views"})["generations"]) == list(generations(database))


@pytest.mark.parametrize("field", ["projection", "layout"])
def test_views_of_a_newer_flowtrail_are_refused_and_their_lease_is_left_to_those_who_know_them(
    store, reading, opened, database, field
):
    generation = reading.changes.revision().generation
    database["meta"].update_one({"_id": "views"}, {"$inc": {f"generations.{generation}.{field}": 1}})

    with pytest.raises(StoreTooNew, match="upgrade"):
        opened()
    with pytest.raises(StoreTooNew, match="upgrade"):
        store.view_writer().acquire("old", 5)

    assert database["meta"].find_one({"_id": "views"})["holder"] is None


def test_a_server_that_cannot_read_snapshots_is_refused():
    old = SimpleNamespace(admin=SimpleNamespace(command=lambda _: {"maxWireVersion": 9, "setName": "rs0"}))

    with pytest.raises(StoreUnavailable, match="upgrade"):
        require_usable(old, "mongodb://old/flowtrail")
