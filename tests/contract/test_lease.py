"""`ViewWriter`: the lease. Whoever wrote before a takeover cannot write after it."""

import pytest

from flowtrail.model.errors import LeaseLost
from flowtrail.storage.interface import Batch, Definition
from tests.support.folding import Folder
from tests.support.records import an_order

DEFINITION = Definition("acme", "flow", ("shop", ""), (1, "", 0), b"body")


def test_a_lease_that_has_not_run_out_is_nobody_elses(store, reading):
    lease = store.view_writer().acquire("one", 600)

    assert lease.holder == "one"
    assert reading.view_writer().acquire("two", 600) is None


def test_a_lease_that_ran_out_is_taken_over(store, reading):
    first = store.view_writer().acquire("one", 0)

    second = reading.view_writer().acquire("two", 600)

    assert second.epoch > first.epoch
    assert second.holder == "two"


def test_a_released_lease_need_not_run_out(store, reading):
    writer = store.view_writer()
    lease = writer.acquire("one", 600)

    writer.release(lease)

    assert reading.view_writer().acquire("two", 600).epoch > lease.epoch


def test_a_takeover_must_raise_the_epoch_even_for_the_same_holder(store, reading):
    first = store.view_writer().acquire("one", 600)
    second = reading.view_writer().acquire("one", 600)

    assert second.epoch > first.epoch


def test_after_a_takeover_no_write_under_an_older_epoch_must_succeed(store, reading):
    old, new = store.view_writer(), reading.view_writer()
    lease = old.acquire("one", 0)
    old.write(Batch(position={1: 1}), lease)
    new.acquire("two", 600)

    for batch in (Batch(position={1: 2}), Batch(definitions=[DEFINITION], position={1: 2})):
        with pytest.raises(LeaseLost):
            old.write(batch, lease)

    assert reading.changes.visible() == {1: 1}
    assert reading.transactions.definitions("acme", "flow") == []


def test_a_takeover_between_load_and_write_must_not_let_a_stale_difference_in(store, reading):
    """A paused projector wakes up after another one has written: its difference is against a state that is gone."""
    slow = Folder(store.view_writer(), "slow", ttl_s=0)
    stale = slow.fold("acme", an_order(1))
    quick = Folder(reading.view_writer(), "quick")
    quick.tell("acme", *an_order(1))
    cells = list(reading.cells.iter_cells())

    with pytest.raises(LeaseLost):
        slow.write(stale)

    assert list(reading.cells.iter_cells()) == cells


def test_a_released_lease_writes_nothing_more(store):
    writer = store.view_writer()
    lease = writer.acquire("one", 600)
    writer.release(lease)

    with pytest.raises(LeaseLost):
        writer.write(Batch(position={1: 1}), lease)


def test_releasing_an_old_lease_leaves_the_new_one(store, reading):
    old, new = store.view_writer(), reading.view_writer()
    first = old.acquire("one", 0)
    second = new.acquire("two", 600)

    old.release(first)

    new.write(Batch(position={1: 1}), second)
    assert old.acquire("one", 600) is None


def test_the_last_number_of_an_earlier_epoch_is_known(store, reading):
    first = Folder(store.view_writer(), "one", ttl_s=0)
    last = first.tell("acme", *an_order(1))
    second = Folder(reading.view_writer(), "two")
    following = second.tell("acme", *an_order(2))

    assert reading.changes.epoch_end(last.epoch) == last.number
    assert following.number > last.number
    assert following.generation == last.generation
    assert reading.changes.epoch_end(following.epoch) is None
    assert reading.changes.epoch_end(10_000) is None
