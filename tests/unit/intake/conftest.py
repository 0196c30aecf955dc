"""A store for whatever takes records in."""

import pytest

from flowtrail.storage.memory.store import MemoryStore


@pytest.fixture
def store():
    held = MemoryStore()
    held.open()
    yield held
    held.close()
