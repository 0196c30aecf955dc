"""Opening a MongoDB store: what is refused, and by which words."""

import threading

import pytest
from pymongo.errors import (
    AutoReconnect,
    ExecutionTimeout,
    OperationFailure,
    ServerSelectionTimeoutError,
    WriteError,
)

from flowtrail.model.clock import sleep_s
from flowtrail.model.errors import (
    Refusal,
    StoreFull,
    StoreMissing,
    StoreTooNew,
    StoreUnavailable,
)
from flowtrail.storage import open_store
from flowtrail.storage.mongodb.connection import translated
from flowtrail.storage.mongodb.schema import SCHEMA_VERSION, Views
from flowtrail.storage.mongodb.store import MongoStore
from flowtrail.storage.urls import shown
from tests.support.folding import Folder
from tests.support.records import an_order, order_id


@pytest.mark.parametrize("url", ["mongodb://localhost", "mongodb://localhost/", "mongodb://localhost/?w=1"])
def test_a_url_without_a_database_is_refused_before_anything_is_connected(url):
    with pytest.raises(Refusal) as refused:
        MongoStore(url)

    assert refused.value.code == "database_missing"


@pytest.mark.parametrize(
    "url",
    [
        "mongodb://localhost:99999/flowtrail",
        "mongodb://me:sec[ret@localhost/flowtrail",
        "mongodb://[::1/flowtrail",
        "mongodb://me:sec]ret@localhost/flowtrail",
    ],
)
def test_a_url_that_cannot_be_understood_is_refused(url):
    with pytest.raises(Refusal) as refused:
        MongoStore(url).open()

    assert refused.value.code == "invalid_store"
    assert "ret" not in str(refused.value.received)


def test_a_server_that_does_not_answer_is_unavailable():
    store = MongoStore("mongodb://127.0.0.1:1/flowtrail?serverSelectionTimeoutMS=100")

    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        store.open()


def test_a_password_is_never_shown():
    assert shown("mongodb://me:secret@host:1/d?w=1") == "mongodb://me:…@host:1/d?w=1"
    assert shown("mongodb://host/db?w=1") == "mongodb://host/db?w=1"
    assert shown("sqlite:./a@b") == "sqlite:./a@b"


@pytest.mark.parametrize(
    "option", ["tlsCertificateKeyFilePassword", "proxyPassword", "authMechanismProperties"]
)
def test_a_secret_among_the_options_is_not_shown_either(option):
    assert shown(f"mongodb://host/d?{option}=AWS:secret&w=1") == f"mongodb://host/d?{option}=…&w=1"


@pytest.mark.parametrize("password", ["sec#ret", "sec/ret", "sec?ret", "sec:ret"])
def test_a_password_that_was_not_escaped_is_not_shown_either(password):
    with pytest.raises(Refusal) as refused:
        MongoStore(f"mongodb://me:{password}@localhost/flowtrail").open()

    assert "ret" not in str(refused.value.received)
    assert "ret" not in refused.value.message


def test_a_database_without_a_store_is_missing_unless_it_may_be_created(mongodb_url, database):
    with pytest.raises(StoreMissing):
        MongoStore(mongodb_url).open(create=False)

    assert database.list_collection_names() == []


def test_a_store_of_a_newer_schema_is_refused(store, opened, database):
    database["meta"].update_one({"_id": "schema"}, {"$set": {"version": SCHEMA_VERSION + 1}})

    with pytest.raises(StoreTooNew, match="upgrade"):
        opened()


def test_views_of_another_layout_count_as_views_of_another_version(store, reading, database):
    version, _ = reading.views_version()
    generation = database["meta"].find_one({"_id": "views"})["current"]
    database["meta"].update_one({"_id": "views"}, {"$set": {f"generations.{generation}.layout": 0}})

    assert reading.views_version()[0] != version


def test_servers_that_open_a_new_database_at_the_same_time_create_it_once(opened, database):
    failures = []

    def open_one():
        try:
            opened()
        except Exception as error:  # noqa: BLE001 -- a thread has nobody to raise to
            failures.append(error)

    threads = [threading.Thread(target=open_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert len([name for name in database.list_collection_names() if name.endswith("_tx")]) == 1


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (ServerSelectionTimeoutError("no servers, Timeout: 2.5s"), StoreUnavailable),
        (AutoReconnect("connection closed"), StoreUnavailable),
        (ExecutionTimeout("too long", 50), StoreUnavailable),
        (OperationFailure("not authorised", 13), StoreUnavailable),
        (OperationFailure("disk is full", 14031), StoreFull),
        (WriteError("28: No space left on device", 8), StoreFull),
    ],
)
def test_errors_of_the_driver_become_ours(error, ours):
    assert type(translated(error, "writing")) is ours


def test_health_names_a_collection_that_is_missing(store, views):
    assert store.check().problems == []

    views["cell"].drop()

    assert store.check().problems == [f"the collection {views.name('cell')} is missing"]


@pytest.mark.mongodb
def test_the_lease_is_kept_while_the_indexes_of_rebuilt_views_are_made(mongodb_url, monkeypatch):
    monkeypatch.setattr("flowtrail.storage.mongodb.views.RENEW_S", 0.05)
    store, other = open_store(mongodb_url), open_store(mongodb_url)
    writer = store.view_writer()
    rebuilt = writer.begin_rebuild()
    rebuilt.acquire("rebuilder", 0.5)
    index, taken = Views.index, []

    def slowly(self, session=None):
        sleep_s(1.5)
        taken.append(other.view_writer().acquire("another", 5))
        index(self, session)

    monkeypatch.setattr(Views, "index", slowly)
    writer.finish_rebuild(rebuilt)

    assert taken == [None]
    store.close()
    other.close()


@pytest.mark.mongodb
def test_who_is_told_how_far_rebuilt_views_reach_finds_that_in_them(folder, reading, monkeypatch):
    folder.tell("acme", *an_order(1)[:1])
    assert reading.transactions.find("acme", order_id(1)).header.status == "in_transit"
    monkeypatch.setattr("flowtrail.storage.mongodb.snapshots.KNOWN_S", 60)
    rebuilt = folder.writer.begin_rebuild()
    again = Folder(rebuilt)
    again.position = {1: 5}
    again.tell("acme", *an_order(1))
    seen = []

    def look(_):
        # The old views are still there.
        seen.append(reading.changes.visible())
        seen.append(reading.transactions.find("acme", order_id(1)).header.status)

    monkeypatch.setattr("flowtrail.storage.mongodb.views.sleep_s", look)
    folder.writer.finish_rebuild(rebuilt)

    assert seen == [{1: 5}, "delivered"]
