"""The pytest plugin, registered as `flowtrail`: two fixtures, and nothing else happens.

pytest loads this in every project whose environment has Flowtrail, so it imports nothing before a fixture is used.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flowtrail.testing import FakeClock, Recorder


@pytest.fixture
def flowtrail(request: pytest.FixtureRequest) -> "Iterator[Recorder]":
    """Records everything the application says during the test, in place of sending it.

    When the test has ended well, no transaction may be left unfinished: see `Recorder.allow_unfinished`.
    """
    from flowtrail.testing.recorder import recording

    failed, left = request.session.testsfailed, ""
    with recording() as recorder:
        yield recorder
        if request.session.testsfailed == failed:
            try:
                recorder.assert_clean()
            except AssertionError as error:
                left = str(error)
    if left:
        pytest.fail(left, pytrace=False)


@pytest.fixture
def flowtrail_clock() -> "Iterator[FakeClock]":
    """A clock that stands still until the test moves it; see `FakeClock`."""
    from flowtrail.testing.clock import FakeClock

    with FakeClock() as clock:
        yield clock
