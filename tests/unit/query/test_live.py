"""The live feed: what it gets of changed transactions."""

from flowtrail.query.live import parse_live, present
from flowtrail.query.transactions import list_transactions
from tests.support.orders import HEX, ID, NOW, ORDER, orders
from tests.support.stores import TENANT, store_of


def test_the_live_feed_gets_items_of_what_matches_and_nothing_for_the_rest():
    store = store_of([*ORDER, *orders(1)])
    other, unknown = (1).to_bytes(16, "big"), bytes([8]) * 16

    found = present(store, TENANT, parse_live("block:map/failed"), [other, ID, unknown], NOW)

    assert [key for key, _ in found] == [other, ID, unknown]
    assert found[0][1] is None
    assert found[1][1] == list_transactions(store, TENANT, q=HEX, now=NOW)["transactions"][0]
    assert found[2][1] is None
