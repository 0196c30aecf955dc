"""What the projector may hold stays what it was, whoever came and went."""

import pytest

from flowtrail.intake.cache import Cache
from flowtrail.model.records import BlockRecord, EndRecord
from flowtrail.projection.tally import Tally
from flowtrail.projection.tracked import Tracked
from flowtrail.storage.interface import Change
from tests.support.records import BASE, order_id


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
