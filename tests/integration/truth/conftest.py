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
LOGS = [*GENERATED, *REAL, *(pytest.param(name, marks=pytest.mark.torture) for name in WHOLE_DAY)]


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
        name = f"truth_{uuid4().hex[:12]}"
        if request.param == "mongodb":
            url = database_url(request.getfixturevalue("mongodb_server_url"), name)
        elif request.param == "sqlite":
            url = f"sqlite:{tmp_path_factory.mktemp(name)}"
        else:
            url = "memory:"
        try:
            with serving(url, writing=True) as address:
                yield Told(address)
        finally:
            if request.param == "mongodb":
                request.getfixturevalue("mongodb_client").drop_database(name)

    return on_new_store


@pytest.fixture(scope="module")
def told(serving_new, log) -> Iterator[Told]:
    """A server that was told the whole log, in order."""
    with serving_new() as server:
        server.say(log.lines)
        yield server
