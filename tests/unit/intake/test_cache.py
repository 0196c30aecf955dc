"""What the projector may hold stays what it was, whoever came and went."""

import pytest

from flowtrail.intake.cache import Cache
from flowtrail.intake.projector import Projector
from flowtrail.model.records import BlockRecord, EndRecord
from flowtrail.projection.tally import Tally
from flowtrail.projection.tracked import Tracked
from flowtrail.storage.interface import Change
from flowtrail.storage.memory.store import MemoryStore
from tests.support.journaling import Journaling
from tests.support.records import BASE, an_order, order_id


def told(cache, number, *, executions=1, ends=False):
    """Fold what is said of a transaction from the cache, and let it be stored."""
    key = order_id(number)
    tracked = cache.get("default", key) or cache.put("default", key, Tracked("default"))
    said = [
        BlockRecord(key, BASE, "shop/1", place, bytes([place] * 8), "map", "succeeded", BASE, BASE, BASE)
        for place in range(1, executions + 1)
    ]
    if ends:
        said.append(EndRecord(key, BASE + 1, "shop/1", 99, "delivered", 1, BASE + 1))
    before = tracked.header
    tracked.fold(said, Tally())
    change = Change("default", key, None, before, tracked.header, None, None, (), (), ())
    cache.stored([change], [number])
    cache.trim()


def held(cache, numbers):
    return [number for number in numbers if cache.get("default", order_id(number)) is not None]


@pytest.mark.parametrize("ended", [True, False], ids=["ended", "pushed out"])
def test_as_many_fit_after_a_thousand_came_and_went(ended):
    cache = Cache(max_weight=12)
    for number in range(1_000):
        told(cache, number)
        told(cache, number, executions=2, ends=ended)

    for number in range(1_000, 1_006):
        told(cache, number)

    assert held(cache, range(1_006)) == [1_002, 1_003, 1_004, 1_005]


def test_a_state_that_grew_takes_the_place_of_more_than_one():
    cache = Cache(max_weight=12)
    for number in range(4):
        told(cache, number)

    told(cache, 3, executions=5)

    assert held(cache, range(4)) == [2, 3]


def test_what_is_put_stays_until_it_is_stored_and_trimmed():
    cache = Cache(max_weight=0)
    tracked = cache.put("default", order_id(1), Tracked("default"))
    cache.trim()
    assert cache.get("default", order_id(1)) is tracked

    told(cache, 1)

    assert cache.get("default", order_id(1)) is None


def test_what_came_again_and_changed_nothing_is_held_no_longer_than_needed():
    cache = Cache(max_weight=12)
    for number in range(1_000):
        key = order_id(number)
        tracked = cache.put("default", key, Tracked("default"))
        end = EndRecord(key, BASE, "shop/1", 1, "delivered", 1, BASE)
        tracked.fold([end] if number % 2 else [], Tally())
        cache.unchanged("default", key, tracked)
        cache.trim()

    assert held(cache, range(1_000)) == [988, 990, 992, 994, 996, 998]


def test_a_log_that_is_told_again_leaves_nothing_behind_in_memory():
    store = MemoryStore()
    store.open()
    writer = Journaling(store)
    projector = Projector(store.journal, store.view_writer())
    for _ in range(2):
        for number in range(1, 41):
            writer.append(list(an_order(number)))
        projector.catch_up()

    assert [number for number in range(1, 41) if projector._cache.get("default", order_id(number))] == []
    projector.close()
