"""A store with a history, for tests that damage it."""

import pytest

from flowtrail.model.records import FlowRecord, LinkRecord, ReportRecord, TransactionRecord
from tests.support.checking import ORDER, OTHER, opened_store, story
from tests.support.journaling import Journaling, project
from tests.support.records import BASE


@pytest.fixture
def store():
    """Two writers, five pages, every kind of record; projected."""
    store = opened_store()
    first = Journaling(store)
    first.append(story(ORDER))
    first.append([LinkRecord(ORDER, OTHER, "split"), FlowRecord(BASE, "shop/1", 5, "shop", "1")])
    second = Journaling(store, name="writer-2")
    second.append([TransactionRecord(OTHER, BASE, "shop/2", 1, "shop", "item", "1", retry_of=ORDER)])
    second.append(story(OTHER, day=40)[1:])
    second.append([ReportRecord(BASE, "shop/1", 6, 5, 5)])
    project(store)
    return store
