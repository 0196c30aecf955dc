"""A projector that dies anywhere leaves nothing half done: whoever goes on ends at the same views.

Here dying is an exception at a named point, in this process: quick enough for every point on every store. Processes
that are killed for real are in tests/torture.
"""

from random import Random

import pytest

from flowtrail.intake.projector import Projector
from flowtrail.intake.rebuild import rebuild
from flowtrail.ledger.check import check
from flowtrail.model.errors import LeaseLost, StoreUnavailable
from flowtrail.model.points import watch
from flowtrail.storage.memory.store import MemoryStore
from tests.support.journaling import Journaling
from tests.support.stories import canonical, story
from tests.support.views import differences, expected, seen

PROJECTING = ("lease_taken", "before_write", "inside_write", "written")
SWITCHING = ("before_switch", "inside_switch", "switched")


class Crash(BaseException):
    """The process is gone; nothing below catches this."""


class Watcher:
    """Raises at the `after`th time that a point is reached, once."""

    def __init__(self, point, after, error):
        self.point, self.after, self.error = point, after, error

    def __call__(self, name):
        if name == self.point:
            self.after -= 1
            if self.after == 0:
                raise self.error


@pytest.fixture(autouse=True)
def nobody_watches_afterwards():
    yield
    watch(None)


def journal(store, records, seed):
    """The records in pages of a few, by two writers."""
    random, told = Random(seed), canonical(records)
    writers = [Journaling(store), Journaling(store, name="writer-2")]
    while told:
        size = random.randrange(1, 30)
        random.choice(writers).append(told[:size])
        told = told[size:]


def small_batches(monkeypatch):
    monkeypatch.setattr("flowtrail.intake.projector.BATCH_RECORDS", 40)
    monkeypatch.setattr("flowtrail.intake.projector.HELD_BACK", 1)
    monkeypatch.setattr("flowtrail.intake.projector.HELD_BACK_MOST", 1)
    monkeypatch.setattr("flowtrail.intake.projector.READ_PAGES", 2)


def projector(store, number, parts=None):
    """One that writes so many transactions, or producers, at once where its store has a bound of its own."""
    writer = store.view_writer()
    if parts is not None and writer.max_changes is not None:
        writer.max_changes = parts
    return Projector(store.journal, writer, holder="the same projector, started again")


@pytest.mark.parametrize("point", PROJECTING)
@pytest.mark.parametrize(("seed", "parts"), [(1, None), (2, None), (1, 2)])
def test_a_projector_that_dies_again_and_again_at_a_point_ends_at_the_same_views(
    store, monkeypatch, point, seed, parts
):
    small_batches(monkeypatch)
    records = story(seed, 25)
    journal(store, records, seed)
    random = Random(seed)
    for number in range(8):
        watch(Watcher(point, random.randrange(1, 4), Crash()))
        try:
            projector(store, number, parts).catch_up()
        except Crash:
            # What was written in parts is ahead of the position, and nothing is wrong with it.
            assert check(store).ok, check(store).lines()
            continue
        if point == "lease_taken":
            break
    watch(None)

    projector(store, 99, parts).catch_up()

    assert differences(seen(store), expected(records)) == []
    assert check(store).ok, check(store).lines()


@pytest.mark.parametrize("point", ["before_write", "inside_write", "written"])
@pytest.mark.parametrize("seed", [3, 4])
def test_a_projector_goes_on_by_itself_after_a_write_whose_outcome_is_unknown(
    store, monkeypatch, point, seed
):
    """At "written" the store has it and the projector does not know: its caches must not be believed."""
    small_batches(monkeypatch)
    records = story(seed, 25)
    journal(store, records, seed)
    going = projector(store, 1)
    random = Random(seed)
    failures = 0
    lost = StoreUnavailable("the answer was lost")
    watch(Watcher(point, 2, lost))
    while True:
        try:
            if not going.step():
                break
        except StoreUnavailable:
            failures += 1
            going.drop()
            watch(Watcher(point, random.randrange(1, 4), lost))
    watch(None)

    # A store in memory has nothing inside its writes.
    assert failures >= 2 or (point == "inside_write" and isinstance(store, MemoryStore))
    assert differences(seen(store), expected(records)) == []
    assert check(store).ok, check(store).lines()


@pytest.mark.parametrize("point", SWITCHING)
def test_a_rebuild_that_dies_at_the_switch_leaves_the_old_views_or_the_new_ones(
    store, opened, monkeypatch, point
):
    small_batches(monkeypatch)
    # The dead projector's lease has to run out first.
    monkeypatch.setattr("flowtrail.intake.projector.LEASE_S", 0.3)
    records = story(5, 25)
    journal(store, records, 5)
    projector(store, 1).catch_up()
    watch(Watcher(point, 1, Crash()))
    try:
        rebuild(store)
    except Crash:
        watch(None)
    after = opened(create=False)

    projector(after, 2).catch_up()

    assert differences(seen(after), expected(records)) == []
    assert check(after).ok, check(after).lines()


def test_two_projectors_that_take_the_lease_from_each_other_make_one_projectors_views(store, monkeypatch):
    """Each believes it has the lease until a write tells it otherwise, as after a pause longer than the lease."""
    small_batches(monkeypatch)
    monkeypatch.setattr("flowtrail.intake.projector.LEASE_S", 0.0)
    records = story(6, 40)
    journal(store, records, 6)
    random = Random(6)
    rivals = [Projector(store.journal, store.view_writer(), holder=f"rival-{n}") for n in range(2)]
    lost = idle = 0
    while idle < 20:
        going = random.choice(rivals)
        try:
            idle = 0 if going.step() else idle + 1
        except LeaseLost:
            lost += 1
            going.drop()

    assert lost > 0
    assert differences(seen(store), expected(records)) == []
    assert check(store).ok, check(store).lines()
