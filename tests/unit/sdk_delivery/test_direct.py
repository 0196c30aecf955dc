"""Blocks that put themselves into the outbox when they are entered, without a call: nothing else may show of that."""

import gc
import itertools
import logging
import signal
import sys
import threading

import pytest

import flowtrail
from flowtrail.sdk.blocks import BLOCK_BYTES
from flowtrail.sdk.delivery import open_sink
from flowtrail.sdk.integrations.logging import BlockHandler
from flowtrail.sdk.notices import forget
from flowtrail.sdk.outbox import Outbox
from flowtrail.sdk.producer import Unheard, producer
from flowtrail.sdk.settings import read_settings
from flowtrail.testing import FakeClock


class Direct:
    """A sink that is nothing but an outbox, behind which nothing runs."""

    def __init__(self, limit_bytes, **options):
        self.direct = Outbox(limit_bytes, lambda: True, **options)
        self.put, self.grow = self.direct.put, self.direct.grow

    def flush(self, timeout_s):
        return True


@pytest.fixture
def listen():
    def listen(sink):
        flowtrail.init(flow="shop-to-erp", sink=sink)
        return getattr(sink, "direct", None)

    before = sys.getswitchinterval()
    # Under a clock that stands still no block is old enough to be put a second time.
    with FakeClock():
        yield listen
    sys.setswitchinterval(before)
    producer.flow = ""
    producer.listen(Unheard("the test is over"))
    forget()


@pytest.mark.parametrize("drops_oldest", [False, True])
def test_blocks_of_many_threads_are_lost_and_invented_nowhere(listen, drops_oldest):
    box = listen(Direct(50 * BLOCK_BYTES, drops_oldest=drops_oldest))
    sys.setswitchinterval(1e-6)
    entering, each = 6, 3_000
    taken, over = [], threading.Event()

    def work():
        with flowtrail.transaction("order", "4711") as order:
            for number in range(each):
                with order.block("map") as block:
                    block.detail(number=number)

    def take():
        while not over.is_set() or box.waiting:
            if (item := box.take()) is not None:
                taken.append(item)

    reader = threading.Thread(target=take)
    threads = [threading.Thread(target=work) for _ in range(entering)]
    for thread in [reader, *threads]:
        thread.start()
    for thread in threads:
        thread.join(60)
    over.set()
    reader.join(60)

    # A start and an end of each transaction beside its blocks.
    assert len(taken) + box.dropped_full + box.dropped_oldest == entering * (each + 2)
    assert len({id(item) for item in taken}) == len(taken)
    if not drops_oldest:
        assert box.level == sum(item.cost for item in taken)


def test_a_signal_handler_and_finalisers_enter_blocks_while_the_same_thread_enters_one(listen):
    box = listen(Direct(1 << 40))
    entered = itertools.count()

    def enter():
        with order.block("map"):
            next(entered)

    class Dying:
        def __init__(self):
            self.me = self

        def __del__(self):
            enter()

    before = signal.signal(signal.SIGALRM, lambda *_: enter())
    thresholds = gc.get_threshold()
    with flowtrail.transaction("order", "4711") as order:
        announced = box.level
        signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
        gc.set_threshold(5)
        try:
            for _ in range(10_000):
                Dying()
                enter()
        finally:
            gc.set_threshold(*thresholds)
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        gc.collect()
        blocks = next(entered)

        assert box.waiting == 1 + blocks
        assert box.level == announced + blocks * BLOCK_BYTES
        assert blocks > 20_000


def test_a_full_queue_gives_up_blocks_at_its_bound_and_a_closed_one_all(listen):
    box = listen(Direct(4 * BLOCK_BYTES))
    with flowtrail.transaction("order", "4711") as order:
        for _ in range(10):
            with order.block("map") as block:
                block.detail(lines=3)
        assert (box.waiting, box.dropped_full, block.taken) == (4, 7, True)
        assert box.bytes_held <= 4 * BLOCK_BYTES
        box.close()
        with order.block("map"):
            pass

    assert (box.waiting, box.dropped_full, box.dropped_closed) == (4, 7, 2)


def test_a_block_that_held_much_before_it_began_counts_with_all_of_it(listen):
    box = listen(Direct(1 << 40))
    with flowtrail.transaction("order", "4711") as order:
        announced = box.level
        block = order.block("map")
        block.detail(text="x" * 2_000)
        with block:
            assert box.level > announced + BLOCK_BYTES + 2_000


def test_log_lines_on_a_block_that_waits_count_until_lines_go_as_others_come(listen):
    box = listen(Direct(1 << 40))
    logger = logging.getLogger("shop.direct")
    handler = BlockHandler(lines=2, chars=1_000)
    logger.addHandler(handler)
    logger.propagate = False
    with flowtrail.transaction("order", "4711") as order, order.block("map"):
        levels = []
        for _ in range(4):
            logger.warning("x" * 900)
            levels.append(box.level)
    logger.removeHandler(handler)

    assert levels[1] - levels[0] > 900
    assert levels[1] == levels[2] == levels[3]


def test_after_a_reset_blocks_go_into_the_new_queue(listen):
    box = listen(Direct(1 << 40))
    with flowtrail.transaction("order", "4711") as order:
        box.reset()
        with order.block("map") as block:
            pass

        assert [box.take()] == [block]


def test_a_sink_that_does_more_than_queueing_is_asked_for_each_block(listen):
    class Counting(Outbox):
        puts = 0

        def put(self, item):
            self.puts += 1
            super().put(item)

    sink = Direct(1 << 40)
    sink.direct = Counting(1 << 40, lambda: True)
    sink.put = sink.direct.put
    listen(sink)
    with flowtrail.transaction("order", "4711") as order, order.block("map"):
        pass

    assert sink.direct.puts == 3


def test_with_a_spill_a_block_is_in_its_file_when_it_was_entered(listen, tmp_path):
    delivery = open_sink(read_settings(url="http://127.0.0.1:9", spill_dir=str(tmp_path)))
    listen(delivery)
    with flowtrail.transaction("order", "4711") as order:
        before = delivery.spill.written
        with order.block("map"):
            assert delivery.spill.written == before + 1
    assert delivery.outbox.level == 0
    delivery.close(0)
