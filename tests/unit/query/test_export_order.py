"""How records came does not show in what is exported."""

from random import Random

import pytest

from flowtrail.storage.memory.store import MemoryStore
from tests.support.exchange import Journaling, exported, filled, project
from tests.support.stories import canonical, story


def told_bit_by_bit(records, size):
    store = MemoryStore()
    store.open()
    writer = Journaling(store)
    for first in range(0, len(records), size):
        writer.append(records[first : first + size])
        project(store)
    return store


@pytest.mark.parametrize(
    ("format", "content"),
    [("ocel2-json", None), ("xes", None), ("csv", None), ("csv", "executions"), ("ndjson", "transactions")],
)
def test_an_export_is_the_same_however_its_records_came(format, content):
    records = canonical(story(5, 40))
    # Retries, late words and links alike: their order within a transaction is what differs.
    backwards = list(records)
    Random(1).shuffle(backwards)

    documents = {
        exported(store, format, content)
        for store in (filled(records), filled(backwards), told_bit_by_bit(backwards, 7))
    }

    assert len(documents) == 1
