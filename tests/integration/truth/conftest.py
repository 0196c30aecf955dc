"""Servers on each store, filled with a log; a log is read and recounted once."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest

from flowtrail.server.run import serving
from tests.support.mongod import database_url
from tests.support.reading import Told
from tests.support.truth import GENERATED, REAL, WHOLE_DAY, Log

STORES = ["memory", "sqlite", pytest.param("mongodb", marks=pytest.mark.mongodb)]
WHOLE_DAYS = [pytest.param(name, marks=pytest.mark.torture) for name in WHOLE_DAY]
REAL_ORDERS = [name for name in REAL if name == "real orders"]
ORDERS = ["generated orders", *REAL_ORDERS]
SPANS = ["generated spans", *(name for name in REAL if name not in REAL_ORDERS), *WHOLE_DAYS]
LOGS = [*ORDERS, *SPANS]
ON_A_SECOND_STORE = "test_a_store_told_in_another_order"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A second store for a long log is for torture: the gate tells it shuffled, and again in order, on one."""
    for item in items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if item.name.startswith(ON_A_SECOND_STORE) and parameters.get("log") in REAL_ORDERS:
            item.add_marker(pytest.mark.torture)


@pytest.fixture(scope="module", params=LOGS)
def log(request, tmp_path_factory) -> Log:
    """The log, read and recounted."""
    make = (GENERATED | REAL | WHOLE_DAY)[request.param]
    return make(tmp_path_factory.mktemp("log"))


@pytest.fixture(scope="module", params=STORES)
def serving_new(request, tmp_path_factory):
    """Makes a server on an empty store of this kind; the store is gone afterwards."""

    @contextmanager
    def on_new_store() -> Iterator[Told]:
        name, drop = f"truth_{uuid4().hex[:12]}", None
        if request.param == "mongodb":
            url = database_url(request.getfixturevalue("mongodb_server_url"), name)
            drop = request.getfixturevalue("mongodb_client").drop_database
        elif request.param == "sqlite":
            url = f"sqlite:{tmp_path_factory.mktemp(name)}"
        else:
            url = "memory:"
        try:
            # A scan of a whole day on a busy machine takes longer than anybody should wait for in earnest.
            with serving(url, writing=True, read_timeout_s=600, after_timeout_s=60) as address:
                yield Told(address)
        finally:
            if drop is not None:
                drop(name)

    return on_new_store


@pytest.fixture(scope="module")
def told(serving_new, log) -> Iterator[Told]:
    """A server that was told the whole log."""
    with serving_new() as server:
        server.say(log.in_first_order())
        yield server
