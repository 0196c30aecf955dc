"""The bounded queue: what it takes, what it gives up, and that it counts both exactly, whoever puts when."""

import gc
import itertools
import signal
import sys
import threading
from collections import deque

import pytest

from flowtrail.sdk.outbox import Outbox
from tests.support.items import Told


@pytest.fixture
def fast_switches():
    """Threads change places as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def outbox(limit=1_000, **options):
    return Outbox(limit, lambda: True, **options)


def drained(box):
    items = []
    while (item := box.take()) is not None:
        items.append(item)
    return items


def test_items_come_out_in_the_order_they_were_put_and_are_held_until_then():
    box = outbox()
    items = [Told(number=number) for number in range(5)]

    for item in items:
        box.put(item)

    assert (box.waiting, box.bytes_held) == (5, 500)
    assert drained(box) == items
    assert all(item.taken for item in items)
    assert (box.waiting, box.bytes_held) == (0, 0)


def test_a_full_queue_gives_up_the_newest_and_says_so():
    box = outbox(250)
    items = [Told() for _ in range(5)]

    for item in items:
        box.put(item)

    assert box.dropped_full == 3
    assert [item.taken for item in items] == [False, False, True, True, True]
    assert drained(box) == items[:2]
    box.put(items[0])
    assert box.waiting == 1


def test_a_full_queue_gives_up_the_oldest_where_that_is_wanted():
    box = outbox(250, drops_oldest=True)
    items = [Told() for _ in range(5)]

    for item in items:
        box.put(item)

    assert (box.dropped_oldest, box.dropped_full) == (3, 0)
    assert [item.taken for item in items] == [True, True, True, False, False]
    assert box.bytes_held == 200
    assert drained(box) == items[3:]


def test_what_makes_room_is_counted_whenever_somebody_looks():
    class Watched(deque):
        def popleft(self):
            oldest = super().popleft()
            seen.append(box.waiting + box.dropped_oldest)
            return oldest

    seen = []
    box = outbox(250, drops_oldest=True)
    box.queue = Watched()
    for _ in range(5):
        box.put(Told())

    assert seen == [2, 3, 4]


def test_what_is_larger_than_the_whole_queue_drives_nothing_else_out():
    box = outbox(250, drops_oldest=True)
    box.put(Told())

    box.put(Told(cost=251))

    assert (box.waiting, box.dropped_full, box.dropped_oldest) == (1, 1, 0)


def test_an_item_that_grows_counts_as_what_it_holds_now():
    box = outbox(1_000)
    item = Told()
    box.put(item)

    box.grow(item, 900)
    box.put(Told())

    assert (box.bytes_held, box.dropped_full) == (1_000, 1)
    drained(box)
    assert box.bytes_held == 0
    box.grow(item, 900)
    assert box.bytes_held == 0


def test_what_stood_in_the_queue_twice_and_grew_costs_no_room_for_good():
    box = outbox(1_000)
    item = Told()
    box.put(item)
    item.taken = False
    box.put(item)
    box.grow(item, 50)

    drained(box)

    assert box.bytes_held == 0
    for _ in range(11):
        box.put(Told())
    assert (box.waiting, box.dropped_full) == (10, 1)


def test_a_closed_queue_takes_nothing_and_counts_it():
    box = outbox()
    box.put(Told())
    box.close()
    late = Told()

    box.put(late)

    assert (box.waiting, box.dropped_closed, late.taken) == (1, 1, True)


def test_the_thread_is_started_by_the_first_item_and_woken_only_when_it_asked_to_be():
    started = []
    box = Outbox(10_000, lambda: not started.append(1))
    rung = threading.Event()

    def rings(put):
        # A bell that was rung makes one wait end at once.
        put()
        waiter = threading.Thread(target=lambda: (box.wait(0.05 if not put else 30), rung.set()))
        rung.clear()
        waiter.start()
        came = rung.wait(0.3)
        box.ring()
        waiter.join(30)
        return came

    box.put(Told())
    assert started == [1]
    box.wake_at(None)
    assert not rings(lambda: box.put(Told()))
    box.wake_at(500)
    assert not rings(lambda: box.put(Told()))
    assert rings(lambda: [box.put(Told()) for _ in range(4)])
    box.wake_at_once()
    assert rings(lambda: box.put(Told()))
    assert started == [1]


def test_a_thread_that_cannot_be_started_is_tried_again_and_costs_no_record():
    answers = [False, False, True]
    box = Outbox(10_000, lambda: answers.pop(0))

    for _ in range(3):
        box.put(Told())

    assert answers == []
    assert box.started
    assert box.waiting == 3


def test_after_a_reset_everything_begins_anew():
    box = outbox(250)
    for _ in range(4):
        box.put(Told())

    box.reset()

    assert (box.waiting, box.bytes_held, box.dropped_full, box.started) == (0, 0, 0, False)


@pytest.mark.parametrize("drops_oldest", [False, True])
def test_many_threads_and_a_reader_lose_and_invent_nothing(fast_switches, drops_oldest):
    box = outbox(5_000, drops_oldest=drops_oldest)
    putters, each = 6, 4_000
    taken = []
    over = threading.Event()

    def put():
        for _ in range(each):
            box.put(Told())

    def take():
        while not over.is_set() or box.waiting:
            if (item := box.take()) is not None:
                taken.append(item)

    reader = threading.Thread(target=take)
    threads = [threading.Thread(target=put) for _ in range(putters)]
    for thread in [reader, *threads]:
        thread.start()
    for thread in threads:
        thread.join(60)
    over.set()
    reader.join(60)

    assert len(taken) + box.dropped_full + box.dropped_oldest == putters * each
    assert len({id(item) for item in taken}) == len(taken)
    assert box.take() is None
    assert box.bytes_held == 0


def test_a_signal_handler_and_finalisers_put_while_the_same_thread_is_putting(fast_switches):
    box = outbox(1 << 40)
    put = itertools.count()

    def handle(number, frame):
        box.put(Told())
        next(put)

    class Dying:
        def __init__(self):
            self.me = self

        def __del__(self):
            box.put(Told())
            next(put)

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
    thresholds = gc.get_threshold()
    gc.set_threshold(5)
    try:
        for _ in range(20_000):
            Dying()
            box.put(Told())
            next(put)
    finally:
        gc.set_threshold(*thresholds)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    gc.collect()

    assert box.bytes_held == 100 * box.waiting
    assert box.waiting == next(put)
    assert box.waiting > 40_000
