"""A real server for real producers."""

import pytest

from tests.support.served import served


@pytest.fixture
def server():
    """On a store in memory."""
    with served() as running:
        yield running
