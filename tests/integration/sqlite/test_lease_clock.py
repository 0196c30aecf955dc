"""The lease by a clock of the test's own."""

import pytest

from flowtrail.storage.interface import Batch
from flowtrail.storage.memory.store import MemoryStore
from flowtrail.storage.sqlite.store import SqliteStore

SECOND = 1_000_000


class Clock:
    def __init__(self):
        self.now = 1_790_000_000 * SECOND

    def __call__(self):
        return self.now


@pytest.mark.parametrize("kind", ["sqlite", "memory"])
def test_every_write_renews_the_lease(kind, tmp_path):
    clock = Clock()
    store = SqliteStore(tmp_path, clock=clock) if kind == "sqlite" else MemoryStore("", clock)
    store.open()
    writer, other = store.view_writer(), store.view_writer()
    lease = writer.acquire("one", 5)

    for _ in range(4):
        clock.now += 4 * SECOND
        writer.write(Batch(position={1: 1}), lease)
        assert other.acquire("two", 5) is None

    clock.now += 5 * SECOND
    assert other.acquire("two", 5).epoch == lease.epoch + 1
    store.close()


@pytest.mark.parametrize("kind", ["sqlite", "memory"])
def test_a_lease_of_a_dead_holder_runs_out_although_the_clock_was_set_back(kind, tmp_path):
    clock = Clock()
    store = SqliteStore(tmp_path, clock=clock) if kind == "sqlite" else MemoryStore("", clock)
    store.open()
    lease = store.view_writer().acquire("one", 5)

    clock.now -= 1 * SECOND
    assert store.view_writer().acquire("two", 5) is None
    clock.now -= 3_600 * SECOND
    assert store.view_writer().acquire("two", 5).epoch == lease.epoch + 1
    store.close()
