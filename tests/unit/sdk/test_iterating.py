"""Decorated generators, held against the same ones undecorated: whoever drives them sees no difference."""

import asyncio
import contextlib
import functools
import gc
import inspect
import types
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowtrail

PREDICATES = (
    inspect.isfunction,
    inspect.isgeneratorfunction,
    inspect.isasyncgenfunction,
    inspect.iscoroutinefunction,
    asyncio.iscoroutinefunction,
)


def plain(order_id="4711"):
    return order_id


def generator(order_id="4711"):
    yield order_id


async def coroutine(order_id="4711"):
    return order_id


async def asynchronous(order_id="4711"):
    yield order_id


@types.coroutine
def old_coroutine(order_id="4711"):
    yield
    return order_id


DECORATORS = {
    "block": flowtrail.block,
    "block by name": flowtrail.block("map", stage="processing"),
    "tracked": flowtrail.tracked("order", "order_id"),
    "carry": flowtrail.carry,
    "twice": lambda function: flowtrail.block("outer")(flowtrail.block("inner")(function)),
}


def kinds(function):
    return [predicate(function) for predicate in PREDICATES]


@pytest.mark.parametrize("decorate", DECORATORS.values(), ids=DECORATORS)
@pytest.mark.parametrize("function", [plain, generator, coroutine, asynchronous, old_coroutine])
def test_a_decorated_function_stays_of_its_kind(decorate, function):
    decorated = decorate(function)

    assert decorated is not function
    assert kinds(decorated) == kinds(function)
    assert inspect.signature(decorated) == inspect.signature(function)
    assert decorated.__name__ == function.__name__


def test_so_do_methods_and_partials():
    class Shop:
        @flowtrail.block
        def orders(self):
            yield 1

        @classmethod
        @flowtrail.block
        async def arrivals(cls):
            yield 1

        @flowtrail.block
        @staticmethod
        def prices():
            yield 1

    assert inspect.isgeneratorfunction(Shop().orders)
    assert inspect.isasyncgenfunction(Shop.arrivals)
    assert inspect.isgeneratorfunction(Shop.prices)
    assert inspect.isgeneratorfunction(flowtrail.block("map")(functools.partial(generator, "4712")))


class Called:
    """An object with a method that is called: of the kind that method is."""

    async def __call__(self, seen):
        await asyncio.sleep(0)
        seen.append(flowtrail.current_block())
        return "done"


class CalledForItems:
    def __call__(self, seen):
        yield 1
        seen.append(flowtrail.current_block())


def test_an_object_that_is_called_is_the_work_of_its_block_until_it_is_done(sink):
    awaited, iterated = (flowtrail.block("map")(called()) for called in (Called, CalledForItems))
    assert inspect.iscoroutinefunction(awaited)
    assert inspect.isgeneratorfunction(iterated)

    seen = []
    with flowtrail.transaction("order", "4711"):
        assert asyncio.run(awaited(seen)) == "done"
        assert list(iterated(seen)) == [1]

    first, second = sink.of("block")
    assert [block.id for block in seen] == [first["id"], second["id"]]


def test_a_coroutine_of_the_old_kind_is_awaited(sink):
    async def main():
        return await flowtrail.block(old_coroutine)("4712")

    with flowtrail.transaction("order", "4711"):
        assert asyncio.run(main()) == "4712"

    assert [block["status"] for block in sink.of("block")] == ["succeeded"]


REACTIONS = st.sampled_from(["yield", "return", "raise", "swallow", "other"])
STEPS = st.lists(st.sampled_from(["next", "send", "throw", "exit", "close"]), max_size=6).map(
    # Whatever it still has to say, one that is closed that often has ended.
    lambda steps: [*steps, *["close"] * 6]
)


def reacting(reactions):
    """A generator that answers whatever is thrown in these ways, one after the other."""
    left = iter(reactions)
    number = 0
    while True:
        number += 1
        try:
            said = yield number
            if said == "end":
                return "ended"
        except BaseException as thrown:
            reaction = next(left, "raise")
            if reaction == "return":
                return f"returned {thrown!r}"
            if reaction == "raise":
                raise
            if reaction == "other":
                raise KeyError("other") from None


async def reacting_asynchronously(reactions):
    left = iter(reactions)
    number = 0
    while True:
        number += 1
        await asyncio.sleep(0)
        try:
            said = yield number
            if said == "end":
                return
        except BaseException:
            reaction = next(left, "raise")
            await asyncio.sleep(0)
            if reaction == "return":
                return
            if reaction == "raise":
                raise
            if reaction == "other":
                raise KeyError("other") from None


def outcome_of(act):
    try:
        return act()
    except BaseException as raised:  # noqa: BLE001 -- compared
        return type(raised), str(raised), getattr(raised, "value", None)


def driven(made, steps):
    acts = {
        "next": lambda: next(made),
        "send": lambda: made.send("sent"),
        "throw": lambda: made.throw(LookupError("thrown")),
        "exit": lambda: made.throw(GeneratorExit()),
        "close": made.close,
    }
    return [outcome_of(acts[step]) for step in steps]


async def driven_asynchronously(made, steps):
    acts = {
        "next": lambda: anext(made),
        "send": lambda: made.asend("sent"),
        "throw": lambda: made.athrow(LookupError("thrown")),
        "exit": lambda: made.athrow(GeneratorExit()),
        "close": made.aclose,
    }
    found = []
    for step in steps:
        try:
            found.append(await acts[step]())
        except BaseException as raised:  # noqa: BLE001 -- compared
            found.append((type(raised), str(raised)))
    return found


@given(st.lists(REACTIONS, max_size=5), STEPS)
def test_whatever_is_sent_thrown_and_closed_a_decorated_generator_does_what_it_did(reactions, steps):
    expected = driven(reacting(reactions), steps)

    assert driven(flowtrail.block("read")(reacting)(reactions), steps) == expected


# Of one that goes on although it was closed, Python tells in the end, decorated or not.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@given(st.lists(REACTIONS, max_size=5), STEPS)
def test_an_asynchronous_one_does_too(reactions, steps):
    async def main():
        expected = await driven_asynchronously(reacting_asynchronously(reactions), steps)
        decorated = flowtrail.block("read")(reacting_asynchronously)
        assert await driven_asynchronously(decorated(reactions), steps) == expected

    asyncio.run(main())


@pytest.mark.parametrize("how", ["closed", "thrown", "used up", "let go"])
def test_nothing_is_current_while_it_rests_and_its_block_ends_with_it(sink, how):
    seen = []

    @flowtrail.block("read")
    def rows():
        try:
            with flowtrail.block("open"):
                yield 1
        finally:
            seen.append(flowtrail.current_block().name)

    with flowtrail.transaction("order", "4711") as order, order.block("outer") as outer:
        made = rows()
        next(made)
        assert flowtrail.current_block() is outer
        if how == "closed":
            made.close()
        elif how == "thrown":
            with pytest.raises(LookupError):
                made.throw(LookupError())
        elif how == "used up":
            assert list(made) == []
        del made
        assert flowtrail.current_block() is outer

    assert seen == ["read"]
    ended = {block["block"]: block["status"] for block in sink.of("block")}
    worse = "failed" if how == "thrown" else "succeeded"
    assert ended == {"outer": "succeeded", "read": worse, "open": worse}


def test_what_was_never_iterated_is_no_execution(sink):
    with flowtrail.transaction("order", "4711"):
        made = flowtrail.block("read")(generator)()
        made.close()

    assert sink.of("block") == []


def test_wrong_arguments_are_told_as_the_function_tells_them():
    with pytest.raises(TypeError, match=r"generator\(\) got an unexpected keyword argument 'wrong'"):
        next(flowtrail.block("read")(generator)(wrong=1))


def test_what_was_thrown_and_given_is_freed_without_the_collector(sink):
    class Thrown(Exception):
        pass

    class Given:
        pass

    def rows(given):
        del given
        yield

    gc.disable()
    try:
        with flowtrail.transaction("order", "4711"):
            given = Given()
            made = flowtrail.block("read")(rows)(given)
            next(made)
            held = weakref.ref(given)
            del given
            assert held() is None
            thrown = Thrown()
            held = weakref.ref(thrown)
            with contextlib.suppress(Thrown):
                made.throw(thrown)
            del thrown
            assert held() is None
    finally:
        gc.enable()
