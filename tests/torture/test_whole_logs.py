"""A whole day of a real system goes in, out, and in again, on real stores, and no reader sees a difference.

`pytest -m torture -s tests/torture/test_whole_logs.py` prints what each step took.
"""

from contextlib import closing
from uuid import uuid4

import pytest

from flowtrail.storage import open_store
from tests.support.exchange import IMPORTERS
from tests.support.exchanging import digest, in_a_process, rows_that_differ
from tests.support.logs import span_rows, write_spans
from tests.support.mongod import database_url
from tests.support.truth import data_folder

TRACES = 400
STORES = ["sqlite", pytest.param("mongodb", marks=pytest.mark.mongodb)]
pytestmark = pytest.mark.timeout(7_200)


def generated(folder):
    return write_spans(folder / "spans.parquet", span_rows(TRACES))


def whole_day(_):
    (file,) = (data_folder() / "online_boutique").glob("*.parquet")
    return file


LOGS = {"generated spans": generated} | ({"real spans": whole_day} if data_folder() else {})


@pytest.fixture(scope="module", params=STORES)
def new_url(request, tmp_path_factory):
    """Makes URLs of stores that do not exist yet; they are gone afterwards."""
    names = []
    drop = None
    if request.param == "mongodb":
        drop = request.getfixturevalue("mongodb_client").drop_database

    def make():
        names.append(f"whole_{uuid4().hex[:12]}")
        if request.param == "sqlite":
            return f"sqlite:{tmp_path_factory.mktemp(names[-1])}"
        return database_url(request.getfixturevalue("mongodb_server_url"), names[-1])

    yield make
    for name in names if drop else ():
        drop(name)


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=[pytest.mark.torture] * (name == "real spans")) for name in LOGS],
)
def url(request, new_url, tmp_path_factory):
    """A store that was told the log."""
    made = new_url()
    print(in_a_process("tell", made, "spans-parquet", LOGS[request.param](tmp_path_factory.mktemp("log"))))
    return made


def test_a_difference_of_two_stores_is_seen(tmp_path):
    urls = [f"sqlite:{tmp_path / name}" for name in "ab"]
    for url, traces in zip(urls, (8, 9), strict=True):
        in_a_process("tell", url, "spans-parquet", write_spans(tmp_path / "log.parquet", span_rows(traces)))

    with closing(open_store(urls[0])) as one, closing(open_store(urls[1])) as other:
        assert [told.partition(":")[0] for told in rows_that_differ(one, other)] == [
            "states",
            "terms",
            "cells",
        ]


@pytest.mark.parametrize("format", IMPORTERS)
def test_a_whole_log_comes_back_as_it_was(url, new_url, format, tmp_path):
    first, second, again = tmp_path / "first", tmp_path / "second", new_url()

    print(in_a_process("write", url, format, first))
    print(in_a_process("tell", again, IMPORTERS[format], first))

    with closing(open_store(url, create=False)) as one, closing(open_store(again, create=False)) as other:
        assert rows_that_differ(one, other) == []
    in_a_process("write", again, format, second)
    assert digest(first) == digest(second)
