"""`Store`: opening, looking, closing."""

import pytest

from flowtrail.model.errors import StoreMissing
from flowtrail.projection.version import PROJECTION_VERSION
from flowtrail.storage import open_store


def test_a_store_that_is_not_there_is_missing_unless_it_may_be_created(store_url):
    with pytest.raises(StoreMissing):
        open_store(store_url, create=False)


def test_a_new_store_is_empty_healthy_and_of_this_version(store, reading):
    assert reading.check().problems in ((), [])
    assert reading.check().facts
    assert reading.views_version() == (PROJECTION_VERSION, False)
    assert reading.journal.writers() == []
    assert reading.changes.visible() == {}
    assert reading.changes.revision().number == 0
    assert reading.transactions.find("default", b"\1" * 16) is None


def test_closing_twice_is_closing_once(store):
    store.close()
    store.close()


def test_holding_twice_in_one_process_is_holding_once(store):
    store.hold()
    store.hold()
