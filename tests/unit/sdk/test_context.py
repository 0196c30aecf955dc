"""What is current where: nested blocks, threads, tasks, generators, and leaving in any order."""

import asyncio
import contextlib
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

import flowtrail


def test_what_is_current_follows_what_is_entered(sink):
    assert flowtrail.current_transaction() is flowtrail.current_block() is None
    with flowtrail.transaction("order", "4711") as order:
        assert flowtrail.current_transaction() is order
        with order.block("outer") as outer:
            assert flowtrail.current_block() is outer
            with flowtrail.transaction("line", "1") as line:
                assert (flowtrail.current_transaction(), flowtrail.current_block()) == (line, None)
                with order.block("inner") as inner:
                    assert (flowtrail.current_transaction(), flowtrail.current_block()) == (order, inner)
            assert flowtrail.current_block() is outer
        assert flowtrail.current_block() is None
    assert flowtrail.current_transaction() is None

    assert sink.parents() == {"outer": None, "inner": "outer"}


def test_leaving_in_another_order_spoils_nothing(sink):
    with flowtrail.transaction("order", "4711") as order:
        first, second, third = (order.block(name) for name in ("first", "second", "third"))
        first.__enter__()
        second.__enter__()
        third.__enter__()
        second.__exit__(None, None, None)
        assert flowtrail.current_block() is third
        first.__exit__(None, None, None)
        third.__exit__(None, None, None)
        assert flowtrail.current_block() is None
        with order.block("after"):
            pass

    assert sink.parents() == {"first": None, "second": "first", "third": "second", "after": None}


def test_a_failure_that_was_mended_inside_a_block_leaves_the_others_where_they_are(sink):
    with flowtrail.transaction("order", "4711") as order:
        with contextlib.suppress(KeyError), order.block("try"):
            raise KeyError
        with order.block("outer"):
            with order.block("try"):
                pass
            with order.block("inner"):
                pass

    assert sink.parents() == {"try": "outer", "outer": None, "inner": "outer"}


def test_a_transaction_inside_another_takes_its_place_until_it_is_left(sink):
    with flowtrail.transaction("order", "4711") as order, order.block("outer"):
        with flowtrail.transaction("line", "1") as line:
            with line.block("of the line"), order.block("of the order"), flowtrail.block("ambient"):
                assert flowtrail.current_transaction() is order
            with order.block("again"), order.block("deeper"):
                pass
        with order.block("after"):
            pass

    assert sink.parents() == {
        "outer": None,
        "of the line": None,
        "of the order": "outer",
        "ambient": "of the order",
        "again": "outer",
        "deeper": "again",
        "after": "outer",
    }


def test_a_generator_keeps_its_blocks_apart_from_those_of_its_transaction(sink):
    @flowtrail.block("read")
    def rows(order):
        for number in range(2):
            with order.block(f"row {number}"):
                yield number

    with flowtrail.transaction("order", "4711") as order, order.block("outer"):
        for number in rows(order):
            with order.block(f"map {number}"):
                pass

    assert sink.parents() == {
        "outer": None,
        "read": "outer",
        "row 0": "read",
        "row 1": "read",
        "map 0": "outer",
        "map 1": "outer",
    }


def test_tasks_have_contexts_of_their_own(sink):
    async def step(name, wait):
        async with flowtrail.block(name):
            await asyncio.sleep(wait)
            async with flowtrail.block(f"{name} inside"):
                await asyncio.sleep(wait)

    async def main():
        async with flowtrail.transaction("order", "4711") as order, order.block("gather"):
            await asyncio.gather(step("a", 0.002), step("b", 0.001), step("c", 0.003))

    asyncio.run(main())

    assert sink.parents() == {
        "gather": None,
        **dict.fromkeys("abc", "gather"),
        **{f"{name} inside": name for name in "abc"},
    }


def test_tasks_inside_a_transaction_of_a_plain_thread_have_contexts_of_their_own(sink):
    async def step(order, name):
        with order.block(name):
            await asyncio.sleep(0.001)
            with order.block(f"{name} inside"):
                await asyncio.sleep(0.001)

    async def main(order):
        await asyncio.gather(step(order, "a"), step(order, "b"))

    with flowtrail.transaction("order", "4711") as order, order.block("outer"):
        asyncio.run(main(order))

    assert sink.parents() == {"outer": None, "a": "outer", "b": "outer", "a inside": "a", "b inside": "b"}


def test_a_generator_is_current_only_while_it_runs(sink):
    @flowtrail.block("read")
    def rows():
        with flowtrail.block("open"):
            yield from range(3)
        return "end"

    def consumer():
        result = yield from rows()
        assert result == "end"

    with flowtrail.transaction("order", "4711") as order:
        for number in consumer():
            assert flowtrail.current_block() is None
            with order.block(f"map {number}"):
                pass

    assert sink.parents() == {"read": None, "open": "read", "map 0": None, "map 1": None, "map 2": None}


def test_a_generator_takes_what_is_sent_and_thrown_and_may_be_closed(sink):
    got = []

    @flowtrail.block("read")
    def rows():
        try:
            got.append((yield 1))
            try:
                yield 2
            except LookupError:
                got.append("thrown")
            yield 3
        finally:
            got.append(flowtrail.current_block() is not None)

    with flowtrail.transaction("order", "4711"):
        generator = rows()
        assert next(generator) == 1
        assert generator.send("sent") == 2
        assert generator.throw(LookupError()) == 3
        generator.close()

    assert got == ["sent", "thrown", True]
    (block,) = sink.of("block")
    assert block["status"] == "succeeded"


def test_an_asynchronous_generator_is_current_only_while_it_runs(sink):
    @flowtrail.block("read")
    async def rows():
        for number in range(2):
            async with flowtrail.block(f"fetch {number}"):
                await asyncio.sleep(0)
            yield number
        raise ValueError("no more")

    async def main():
        async with flowtrail.transaction("order", "4711") as order:
            with contextlib.suppress(ValueError):
                async for number in rows():
                    assert flowtrail.current_block() is None
                    with order.block(f"map {number}"):
                        await asyncio.sleep(0)

    asyncio.run(main())

    assert sink.parents() == {
        "read": None,
        "fetch 0": "read",
        "fetch 1": "read",
        "map 0": None,
        "map 1": None,
    }


def test_decorated_functions_of_every_kind_are_blocks(sink):
    @flowtrail.block
    def plain(number):
        """Adds one."""
        flowtrail.detail(number=number)
        return number + 1

    @flowtrail.block("awaited", stage="processing")
    async def awaited(number):
        await asyncio.sleep(0)
        raise ValueError(number)

    async def main():
        with pytest.raises(ValueError, match="7"):
            await awaited(7)

    with flowtrail.transaction("order", "4711"):
        assert plain(1) == 2
        asyncio.run(main())

    first, second = sink.of("block")
    assert (first["block"], first["details"]) == ("plain", {"number": 1})
    assert (second["block"], second["stage"], second["status"]) == ("awaited", "processing", "failed")
    assert (plain.__name__, plain.__doc__) == ("plain", "Adds one.")


def test_one_block_of_whoever_calls_may_be_entered_within_itself_and_in_many_places_at_once(sink):
    shared = flowtrail.block("shared")

    async def step(number):
        with shared as outer:
            outer.detail(number=number)
            await asyncio.sleep(0.001 * (number % 3))
            with shared as inner:
                inner.detail(inside=number)
                assert flowtrail.current_block() is inner
                await asyncio.sleep(0.001 * (number % 2))
            assert flowtrail.current_block() is outer

    async def main():
        await asyncio.gather(*(step(number) for number in range(20)))

    with flowtrail.transaction("order", "4711"):
        asyncio.run(main())
        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(flowtrail.carry(asyncio.run), step(number)) for number in range(20)]:
                done.result(10)
        with contextlib.suppress(KeyError), shared:
            raise KeyError

    blocks = sink.of("block")
    assert len(blocks) == 81
    assert [block["status"] for block in blocks] == ["succeeded"] * 80 + ["failed"]
    assert sum("parent" in block for block in blocks) == 40


def test_a_transaction_whose_blocks_are_never_left_is_let_go_when_it_has_ended(sink):
    with flowtrail.transaction("order", "4711") as order:
        order.block("outer").__enter__()
        order.block("inner").__enter__()
    held = weakref.ref(order)
    sink.items.clear()

    del order
    assert held() is None


@pytest.mark.parametrize("in_a_block", [False, True])
def test_tasks_that_each_begin_the_next_hold_none_of_those_that_have_ended(sink, in_a_block):
    alive, most = weakref.WeakSet(), []

    async def handle(number, done):
        with flowtrail.transaction("order", number) as order:
            alive.add(order)
            most.append(len(alive))
            with flowtrail.block("map") if in_a_block else contextlib.nullcontext():
                following = asyncio.create_task(handle(number + 1, done)) if number < 200 else None
                await asyncio.sleep(0)
            if following is None:
                done.set()
        sink.items.clear()

    async def main():
        done = asyncio.Event()
        first = asyncio.create_task(handle(0, done))
        await done.wait()
        await first

    asyncio.run(main())
    assert max(most) < 20


def test_a_function_that_handles_one_object_is_a_transaction(sink):
    @flowtrail.tracked(
        "order", "order_id", keys={"customer": lambda *_, **named: named.get("customer", "C-9")}
    )
    def handle(order_id, customer="C-9"):
        with flowtrail.block("map"):
            return order_id, customer

    assert handle("4711") == ("4711", "C-9")
    assert handle(order_id=4712, customer="C-1") == (4712, "C-1")

    opened = sink.of("transaction")
    assert [(each["object_id"], each["keys"]) for each in opened] == [
        ("4711", {"customer": "C-9"}),
        ("4712", {"customer": "C-1"}),
    ]


def test_an_object_that_cannot_be_told_does_not_keep_the_function_from_running(sink):
    @flowtrail.tracked("order", lambda order: order["id"])
    def handle(order):
        return order

    assert handle({}) == {}
    (opened,) = sink.of("transaction")
    assert opened["object_id"] == "(untold)"
