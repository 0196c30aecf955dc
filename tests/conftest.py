"""What every test may ask for: a real MongoDB, and samples that are the same on every run."""

import faulthandler
import os
import signal
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from pymongo import MongoClient

from tests.support.mongod import database_url, running_mongod
from tests.support.truth import report_header

# The gate must say the same about the same code twice; what is new is searched for by torture.
settings.register_profile(
    "gate", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "torture", parent=settings.get_profile("gate"), derandomize=False, max_examples=2_000
)


TORTURE_S = 7_200


def pytest_configure(config: pytest.Config) -> None:
    # Who starts the tests in the background of a script has Ctrl-C ignored, and so would every process of ours.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    settings.load_profile("torture" if config.option.markexpr == "torture" else "gate")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("torture"):
            item.add_marker(pytest.mark.timeout(TORTURE_S))


def pytest_runtest_setup(item: pytest.Item) -> None:
    # What a gate's test is given; a longer one works, and looking into its threads while they run can crash them.
    if item.get_closest_marker("torture"):
        faulthandler.cancel_dump_traceback_later()


def pytest_report_header() -> str:
    return report_header()


@pytest.fixture(scope="session")
def mongodb_server_url() -> Iterator[str]:
    """A replica set of one member, started once for each worker; never skips."""
    with running_mongod() as url:
        yield url


@pytest.fixture(scope="session")
def mongodb_client(mongodb_server_url: str) -> Iterator[MongoClient[dict[str, Any]]]:
    """A second handle, to read back what the code under test has written."""
    with MongoClient(mongodb_server_url, tz_aware=True) as client:
        yield client


@pytest.fixture
def mongodb_url(mongodb_server_url: str, mongodb_client: MongoClient[dict[str, Any]]) -> Iterator[str]:
    """The URL of a database that no other test uses; it is dropped afterwards."""
    name = f"test_{os.getpid()}_{uuid.uuid4().hex[:12]}"
    yield database_url(mongodb_server_url, name)
    mongodb_client.drop_database(name)
