"""Log lines on the block that runs."""

import asyncio
import logging
import threading

import pytest

import flowtrail as sdk
from flowtrail.model.limits import MAX_MAP_NAMES
from flowtrail.sdk.integrations.logging import BlockHandler


@pytest.fixture
def logger():
    found = logging.getLogger("shop.orders")
    found.setLevel(logging.DEBUG)
    found.propagate = False
    yield found
    for handler in [*found.handlers]:
        found.removeHandler(handler)


def lines(flowtrail, block: str = "map") -> list[str]:
    return flowtrail.find("4711").block(block)["details"].get("log")


def test_a_line_stands_on_the_block_it_was_written_in(flowtrail, logger):
    logger.addHandler(BlockHandler())
    with sdk.transaction("order", "4711") as order:
        logger.info("outside of any block")
        with order.block("validate"):
            logger.info("3 lines of %s", "C-9")
        with order.block("map") as block:
            block.detail(lines=3)
            logger.warning("no price for %(sku)s", {"sku": "A-1"})
            logger.debug("below the level")

    (validated,) = lines(flowtrail, "validate")
    (mapped,) = lines(flowtrail)
    assert validated.endswith(" INFO shop.orders: 3 lines of C-9")
    assert mapped.endswith(" WARNING shop.orders: no price for A-1")
    assert flowtrail.find("4711").block("map")["details"]["lines"] == 3


def test_an_exception_that_is_logged_is_named(flowtrail, logger):
    logger.addHandler(BlockHandler())
    with sdk.transaction("order", "4711") as order, order.block("map"):
        try:
            {}["sku"]
        except KeyError:
            logger.exception("goes on without")

    assert lines(flowtrail)[0].endswith("ERROR shop.orders: goes on without (KeyError: 'sku')")
    assert flowtrail.find("4711").block("map")["status"] == "succeeded"


def test_a_formatter_that_was_set_is_used(flowtrail, logger):
    handler = BlockHandler()
    handler.setFormatter(logging.Formatter("%(message)s!"))
    logger.addHandler(handler)
    with sdk.transaction("order", "4711") as order, order.block("map"):
        logger.info("done")

    assert lines(flowtrail) == ["done!"]


def test_the_newest_lines_are_kept_and_the_others_counted(flowtrail, logger):
    handler = BlockHandler(lines=3, chars=30)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.addHandler(handler)
    with sdk.transaction("order", "4711") as order, order.block("map") as block:
        for number in range(10):
            logger.info("line %s", number)
        cost = block.cost
        for number in range(10, 1_000):
            logger.info("line %s", number)
        assert block.cost == cost
        logger.info("x" * 100)

    assert lines(flowtrail) == [
        "…[cut: 998 earlier lines]",
        "line 998",
        "line 999",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxx…",
    ]


def test_lines_after_the_block_was_sent_are_told_too(flowtrail, logger):
    logger.addHandler(BlockHandler())
    with sdk.transaction("order", "4711") as order, order.block("map"):
        logger.info("first")
        assert len(lines(flowtrail)) == 1
        logger.info("second")
        assert len(lines(flowtrail)) == 2

    assert len(lines(flowtrail)) == 2


def test_tasks_and_threads_write_on_their_own_blocks(flowtrail, logger):
    logger.addHandler(BlockHandler())

    async def task(order, name: str) -> None:
        async with order.block(name):
            await asyncio.sleep(0)
            logger.info("from %s", name)
            await asyncio.sleep(0)

    async def main() -> None:
        async with sdk.transaction("order", "4711") as order:
            await asyncio.gather(*(task(order, f"task {number}") for number in range(5)))

    asyncio.run(main())
    thread = threading.Thread(target=lambda: logger.info("from a thread in no block"))
    thread.start()
    thread.join(timeout=10)

    for number in range(5):
        (line,) = lines(flowtrail, f"task {number}")
        assert line.endswith(f"from task {number}")


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("message", "values"), [("%d", ("x",)), ("%s %s", ("x",)), ("%s", (Broken(),)), (Broken(), ())]
)
def test_a_line_that_cannot_be_written_hurts_nobody(flowtrail, logger, capfd, message, values):
    handler = BlockHandler()
    with sdk.transaction("order", "4711") as order, order.block("map"):
        for told, given in ((message, values), ("goes on", ())):
            handler.handle(logger.makeRecord("shop", logging.INFO, "shop.py", 1, told, given, None))

    assert len(lines(flowtrail)) == 1
    assert capfd.readouterr() == ("", "")


def test_words_of_the_sdk_itself_are_not_taken_in(flowtrail):
    own = logging.getLogger("flowtrail")
    handler = BlockHandler()
    own.addHandler(handler)
    try:
        with sdk.transaction("order", "4711") as order, order.block("map") as block:
            block.usage(seconds="none")
    finally:
        own.removeHandler(handler)

    assert lines(flowtrail) is None


def test_a_block_full_of_details_takes_no_lines(flowtrail, logger):
    logger.addHandler(BlockHandler())
    with sdk.transaction("order", "4711") as order, order.block("map") as block:
        block.detail({f"d{number}": number for number in range(MAX_MAP_NAMES + 9)})
        logger.info("one more")

    assert len(flowtrail.find("4711").block("map")["details"]) == MAX_MAP_NAMES


def test_a_block_that_is_nearly_full_stays_within_what_a_record_may_have(flowtrail, logger):
    logger.addHandler(BlockHandler())
    with sdk.transaction("order", "4711") as order, order.block("map") as block:
        for number in range(MAX_MAP_NAMES - 1):
            block.detail({f"d{number}": number})
        logger.info("one more")
        block.detail(last=1)

    assert len(flowtrail.find("4711").block("map")["details"]) == MAX_MAP_NAMES


def test_a_detail_of_the_host_that_is_called_log_stays(flowtrail, logger):
    logger.addHandler(BlockHandler())
    with sdk.transaction("order", "4711") as order, order.block("map") as block:
        block.detail(log="mine")
        logger.info("one more")

    assert lines(flowtrail) == "mine"
