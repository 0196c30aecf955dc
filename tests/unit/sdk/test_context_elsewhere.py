"""What is current in other threads, and for whoever was handed something there."""

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import flowtrail


@pytest.mark.parametrize("handed", ["carry", "copy_context"])
def test_threads_are_handed_what_is_current(sink, handed):
    def work(name):
        with flowtrail.block(name), flowtrail.block(f"{name} inside"):
            pass

    with (
        flowtrail.transaction("order", "4711") as order,
        ThreadPoolExecutor(4) as pool,
        order.block("fan out"),
    ):
        for future in [
            pool.submit(flowtrail.carry(work), f"n{number}")
            if handed == "carry"
            else pool.submit(contextvars.copy_context().run, work, f"n{number}")
            for number in range(20)
        ]:
            future.result(10)

    found = sink.parents()
    assert found.pop("fan out") is None
    assert found == {
        **{f"n{number}": "fan out" for number in range(20)},
        **{f"n{number} inside": f"n{number}" for number in range(20)},
    }


class Elsewhere:
    """A function that was carried to another thread, and runs there until `end`."""

    def __init__(self):
        self._is_running, self._may_end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=flowtrail.carry(self._work))
        self._thread.start()
        assert self._is_running.wait(10)

    def _work(self):
        self._is_running.set()
        self._may_end.wait(10)

    def end(self):
        self._may_end.set()
        self._thread.join(10)


def test_what_is_current_stays_so_whatever_runs_and_ends_in_another_thread_meanwhile(sink):
    with flowtrail.transaction("order", "4711") as order, order.block("fan out"):
        elsewhere = Elsewhere()
        with order.block("meanwhile") as block:
            assert flowtrail.current_block() is block
        elsewhere.end()
        with order.block("collect") as block:
            assert flowtrail.current_block() is block
            flowtrail.detail(lines=3)

    assert {each["block"]: each.get("details") for each in sink.of("block")}["collect"] == {"lines": 3}


def test_nor_does_it_matter_which_of_several_transactions_was_handed_there(sink):
    with flowtrail.transaction("order", "4711") as order, order.block("outer"):
        elsewhere = Elsewhere()
        with flowtrail.transaction("line", "1") as line, line.block("of the line"):
            elsewhere.end()
            with order.block("of the order") as block, flowtrail.block("deeper") as deeper:
                assert flowtrail.current_block() is deeper
            with order.block("again") as block:
                assert flowtrail.current_block() is block

    assert sink.parents() == {
        "outer": None,
        "of the line": None,
        "of the order": "outer",
        "deeper": "of the order",
        "again": "outer",
    }


def test_a_generator_that_is_handed_on_works_for_whoever_handed_it(sink):
    def lines():
        for name in ("a", "b"):
            with flowtrail.block(name):
                yield name

    async def pages():
        with flowtrail.block("c"):
            yield "c"

    async def read(carried):
        return [(page, flowtrail.current_block()) async for page in carried()]

    with flowtrail.transaction("order", "4711") as order, order.block("fan out"):
        carried, asynchronous = flowtrail.carry(lines), flowtrail.carry(pages)
        with ThreadPoolExecutor(1) as pool:
            read_there = pool.submit(lambda: [(line, flowtrail.current_block()) for line in carried()])
            assert read_there.result(10) == [("a", None), ("b", None)]
            assert pool.submit(asyncio.run, read(asynchronous)).result(10) == [("c", None)]

    assert sink.parents() == {"fan out": None, **dict.fromkeys("abc", "fan out")}


def test_a_thread_that_was_handed_nothing_knows_nothing_and_may_use_the_transaction(sink):
    seen = []

    def work(order):
        seen.append(flowtrail.current_transaction())
        with order.block("elsewhere") as block:
            seen.append(flowtrail.current_block() is block)

    with flowtrail.transaction("order", "4711") as order, order.block("here"):
        thread = threading.Thread(target=work, args=(order,))
        thread.start()
        thread.join(10)

    assert seen == [None, True]
    assert sink.parents() == {"here": None, "elsewhere": None}


def test_a_block_may_be_left_in_another_thread(sink):
    with flowtrail.transaction("order", "4711") as order:
        block = order.block("map").__enter__()
        thread = threading.Thread(target=block.__exit__, args=(None, None, None))
        thread.start()
        thread.join(10)
        assert flowtrail.current_block() is None
        with order.block("after"):
            pass

    assert sink.parents() == {"map": None, "after": None}
