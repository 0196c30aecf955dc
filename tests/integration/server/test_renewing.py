"""A server that finds views of an older version makes them anew by itself, and is asked meanwhile."""

import threading

import pytest

from flowtrail.intake.rebuild import renew_views
from flowtrail.model.clock import monotonic_s, sleep_s
from flowtrail.model.points import watch
from flowtrail.projection.version import PROJECTION_VERSION
from flowtrail.storage import open_store
from tests.support.aging import age_views
from tests.support.journaling import Journaling, project
from tests.support.records import an_order, order_id
from tests.support.served import served, transaction

PATIENCE_S = 30


def aged(store):
    """As views were before producer sessions were kept."""
    Journaling(store).append(an_order(1))
    project(store)


@pytest.fixture
def directory(tmp_path):
    store = open_store(f"sqlite:{tmp_path / 'store'}")
    aged(store)
    store.close()
    age_views(tmp_path / "store" / "views.db")
    return tmp_path / "store"


def until(fact):
    deadline = monotonic_s() + PATIENCE_S
    while not fact():
        assert monotonic_s() < deadline, "it does not come true"
        sleep_s(0.05)


def test_a_server_makes_older_views_anew_and_goes_on(directory):
    with served(f"sqlite:{directory}") as server:
        until(lambda: server.store.views_version() == (PROJECTION_VERSION, False))
        until(lambda: "flowtrail-views" not in server.get("/v1/flows").headers)

        assert server.get(f"/v1/transactions/{order_id(1).hex()}").json()["status"] == "delivered"
        server.seen(transaction(7, producer="shop-1/7f3a", seq=2))
        (found,) = server.get("/v1/producers").json()["producers"]
        assert found["missing"] == 1


def test_older_views_are_read_until_then(directory):
    with served(f"sqlite:{directory}", projecting=False) as server:
        answer = server.get(f"/v1/transactions/{order_id(1).hex()}")

        assert (answer.status_code, answer.headers["flowtrail-views"]) == (200, "rebuilding")
        assert server.get("/v1/producers").json()["producers"] == []
        assert server.get("/").status_code == 200


@pytest.fixture(params=["sqlite", pytest.param("mongodb", marks=pytest.mark.mongodb)])
def old_store(request):
    if request.param == "sqlite":
        store = open_store(f"sqlite:{request.getfixturevalue('directory')}", create=False)
    else:
        store = open_store(request.getfixturevalue("mongodb_url"))
        aged(store)
        held = store._database["meta"].find_one({"_id": "views"})
        for kind in ("producer", "producer_chunk"):
            store._database.drop_collection(f"views_{held['current']}_{kind}")
        store._database["meta"].update_one(
            {"_id": "views"}, {"$set": {f"generations.{held['current']}.projection": 1}}
        )
    yield store
    store.close()


def test_renewing_leaves_views_of_this_version_and_no_lease(old_store):
    assert old_store.producers.sessions("default", None, None, 5, troubled=True) == []
    assert old_store.check().problems in ([], ())

    assert renew_views(old_store, threading.Event())

    assert old_store.views_version() == (PROJECTION_VERSION, False)
    assert old_store.transactions.find("default", order_id(1)) is not None
    assert old_store.view_writer().acquire("another", 5) is not None
    assert renew_views(old_store, threading.Event())


def test_renewing_waits_for_whoever_projects(old_store):
    held = old_store.view_writer().acquire("another", 60)
    assert held is not None

    assert not renew_views(old_store, threading.Event())
    assert old_store.views_version() == (1, False)


def test_renewing_that_is_stopped_leaves_the_old_views(old_store):
    stop = threading.Event()
    watch(lambda point: stop.set() if point == "written" else None)
    try:
        assert not renew_views(old_store, stop)
    finally:
        watch(None)

    assert old_store.views_version()[0] == 1
    assert old_store.transactions.find("default", order_id(1)) is not None
    assert renew_views(old_store, threading.Event())
