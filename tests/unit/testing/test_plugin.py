"""The plugin inside a pytest of its own, as an application's tests run it."""

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

pytest_plugins = ["pytester"]

SHOP = """
import flowtrail

def handle(order, ends=True):
    transaction = flowtrail.transaction("order", order).start()
    with transaction.block("map"):
        pass
    if ends:
        transaction.end()
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(shop=SHOP)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    return pytester


def test_it_is_registered_with_pytest():
    (found,) = entry_points(group="pytest11", name="flowtrail")

    assert found.value == "flowtrail.testing.plugin"


def test_a_test_asks_for_what_was_recorded(project: pytest.Pytester):
    project.makepyfile(
        """
        from shop import handle

        def test_it(flowtrail):
            handle("4711")
            flowtrail.assert_path("4711", ["map"])
            flowtrail.assert_delivered("4711")
        """
    )

    project.runpytest_inprocess().assert_outcomes(passed=1)


def test_a_failure_prints_the_life_of_the_object_and_nothing_of_the_kit(project: pytest.Pytester):
    project.makepyfile(
        """
        from shop import handle

        def test_it(flowtrail):
            handle("4711")
            flowtrail.assert_path("4711", ["map", "deliver"])
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E       AssertionError: order 4711 took another way",
            "E         expected: map > deliver",
            "E         it was:   map",
            "*order 4711  delivered after *",
            "*✔ map *worked*",
        ]
    )
    assert "recorder.py" not in result.stdout.str()


def test_a_transaction_left_unfinished_fails_the_test_at_its_end(project: pytest.Pytester):
    project.makepyfile(
        """
        from shop import handle

        def test_it(flowtrail):
            handle("4711", ends=False)

        def test_that_allows_it(flowtrail):
            handle("4712", ends=False)
            flowtrail.allow_unfinished()
        """
    )

    result = project.runpytest_inprocess()

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        ["*ERROR at teardown of test_it*", "1 left unfinished: order 4711", "*still in transit*"]
    )


def test_a_test_that_failed_is_not_told_off_twice(project: pytest.Pytester):
    project.makepyfile(
        """
        from shop import handle

        def test_it(flowtrail):
            handle("4711", ends=False)
            assert False
        """
    )

    project.runpytest_inprocess().assert_outcomes(failed=1)


def test_tests_do_not_see_what_others_recorded(project: pytest.Pytester):
    project.makepyfile(
        """
        import pytest
        from shop import handle

        @pytest.mark.parametrize("number", range(3))
        def test_it(flowtrail, number):
            assert flowtrail.transactions == []
            handle("4711")
            assert len(flowtrail.transactions) == 1
        """
    )

    project.runpytest_inprocess().assert_outcomes(passed=3)


ASYNC_TESTS = """
import asyncio
import flowtrail as sdk
import pytest

async def deliver(number):
    async with sdk.transaction("order", str(number)) as order:
        async with order.block("map"):
            await asyncio.sleep(0)
        async with order.block("deliver"):
            await asyncio.sleep(0)

@pytest.mark.{mark}
async def test_tasks(flowtrail):
    await asyncio.gather(*(deliver(number) for number in range(10)))
    for number in range(10):
        flowtrail.assert_path(number, ["map", "deliver"])

@pytest.mark.{mark}
async def test_unfinished(flowtrail):
    sdk.transaction("order", "4711").start()
"""


@pytest.mark.parametrize("mark", ["asyncio", "anyio"])
def test_it_works_with_asynchronous_tests(project: pytest.Pytester, mark: str):
    project.makepyfile(ASYNC_TESTS.replace("{mark}", mark))
    project.makeconftest("import pytest\n\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n")

    project.runpytest_inprocess().assert_outcomes(passed=2, errors=1)


def test_it_works_with_tests_spread_over_processes(project: pytest.Pytester):
    project.makepyfile(
        """
        import pytest
        from shop import handle

        @pytest.mark.parametrize("number", range(4))
        def test_it(flowtrail, number):
            handle(str(number))
            flowtrail.assert_path(number, ["map"])

        def test_unfinished(flowtrail):
            handle("4711", ends=False)
        """
    )

    result = project.runpytest_subprocess("-n", "2", timeout=60)

    result.assert_outcomes(passed=5, errors=1)
    result.stdout.fnmatch_lines(["*1 left unfinished: order 4711*"])


def test_the_fixtures_are_explained(project: pytest.Pytester):
    result = project.runpytest_inprocess("--fixtures")

    result.stdout.fnmatch_lines(["flowtrail -- *", "flowtrail_clock -- *"])


def test_pytest_loads_nothing_of_ours_where_nobody_uses_it(project: pytest.Pytester):
    project.makepyfile(
        """
        import sys

        def test_it():
            ours = sorted(name for name in sys.modules if name.split(".")[0] == "flowtrail")
            assert ours == ["flowtrail", "flowtrail.testing", "flowtrail.testing.plugin"]
            assert "msgspec" not in sys.modules
        """
    )

    project.runpytest_subprocess("-p", "no:xdist", timeout=60).assert_outcomes(passed=1)


def test_the_kit_needs_what_the_sdk_needs_and_nothing_else():
    # What comes with extras is made unfindable: nothing of the kit may ask for it.
    program = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"numpy", "lark", "zstandard", "rich", "fastapi", "httpx2", "pymongo"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
import flowtrail
from flowtrail.testing import FakeClock, Journey, Recorder, Seen, recording

with recording() as flow, FakeClock():
    with flowtrail.transaction("order", "4711") as order, order.block("map"):
        pass
    flow.assert_path("4711", ["map"])
    flow.take(*Journey("order", "4712").block("map", failed="no").end("failed").records())
    assert "map failed" in flow.assert_failed("4712", block="map").timeline()
assert "pytest" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
