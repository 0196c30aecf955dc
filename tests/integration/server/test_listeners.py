"""A listener of the feed by himself: what he is told when the server stops, and when views are switched."""

import asyncio

from flowtrail.model.conditions import EVERYTHING
from flowtrail.server import live
from flowtrail.storage.interface import Revision

PATIENCE_S = 60


class Reads:
    """Runs what is read at once."""

    async def run(self, call, *arguments):
        return call(*arguments)


def listener_of(feed, start):
    hub = live.LiveHub(None, Reads(), 5)
    hub._feeds["default"] = feed
    listener = live.Listener(hub, feed, "default", "", EVERYTHING, start, lambda: None)
    feed.listeners.add(listener)
    return hub, listener


def test_a_feed_that_is_sending_when_the_server_stops_ends_as_soon_as_it_has_sent():
    async def told():
        hub, listener = listener_of(live.Feed(Revision("g", 1, 5)), Revision("g", 1, 5))
        events = listener.events()
        await anext(events)
        hub.close()
        return await asyncio.wait_for(anext(events, None), live.BEAT_S / 4)

    assert asyncio.run(told()) is None


def test_who_enters_while_views_are_switched_is_reset():
    async def told():
        _, listener = listener_of(live.Feed(Revision("new", 1, 5)), Revision("old", 1, 500))
        events = listener.events()
        await anext(events)
        return await asyncio.wait_for(anext(events), live.BEAT_S / 4)

    assert asyncio.run(told())[::2] == ("reset", "new.1.5")
