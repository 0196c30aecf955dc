"""`ChangeReader`: what the live feed follows."""

from flowtrail.storage.interface import Batch
from tests.support.records import an_order, order_id


def test_changes_come_in_order_of_revision_and_only_of_the_tenant(folder, reading):
    first = folder.tell("acme", *an_order(1), *an_order(2)).number
    folder.tell("globex", *an_order(3))
    second = folder.tell("acme", *an_order(1)[:1], *an_order(4)).number

    changed, more = reading.changes.changed("acme", 0, 100)

    assert sorted(changed) == [(first, order_id(1)), (first, order_id(2)), (second, order_id(4))]
    assert [number for number, _ in changed] == sorted(number for number, _ in changed)
    assert not more
    assert reading.changes.changed("acme", first, 100) == ([(second, order_id(4))], False)
    assert reading.changes.changed("acme", second, 100) == ([], False)
    assert reading.changes.changed("nobody", 0, 100) == ([], False)


def test_a_revision_must_not_be_torn(folder, reading):
    first = folder.tell("acme", *(record for number in range(5) for record in an_order(number))).number
    second = folder.tell("acme", *(record for number in range(5, 9) for record in an_order(number))).number

    changed, more = reading.changes.changed("acme", 0, 2)
    assert sorted(changed) == [(first, order_id(number)) for number in range(5)]
    assert more

    changed, more = reading.changes.changed("acme", first, 4)
    assert sorted(changed) == [(second, order_id(number)) for number in range(5, 9)]
    assert not more


def test_numbers_only_grow_and_name_the_generation(folder, reading):
    revisions = [folder.tell("acme", *an_order(number)) for number in range(1, 4)]

    assert [revision.number for revision in revisions] == sorted({revision.number for revision in revisions})
    assert len({(revision.generation, revision.epoch) for revision in revisions}) == 1
    assert reading.changes.revision() == revisions[-1]


def test_the_log_is_bounded_however_many_tenants_share_a_revision(folder, reading, monkeypatch, back_end):
    if back_end != "memory":  # which forgets nothing
        monkeypatch.setattr(f"flowtrail.storage.{back_end}.changelog.PRUNE_EVERY", 2)
        monkeypatch.setattr(f"flowtrail.storage.{back_end}.changelog.KEPT_REVISIONS", 3)
    for number in range(1, 21):
        together = Batch(position=folder.position)
        for tenant in range(9):
            folded = folder.fold(f"tenant-{tenant}", an_order(number))
            together.changes += folded.changes
            together.cells |= folded.cells
        revision = folder.write(together)

    last = reading.changes.changed("tenant-8", revision.number - 1, 100)
    assert last == ([(revision.number, order_id(20))], False)
    assert (reading.changes.changed("tenant-8", revision.number - 8, 100) is None) == (back_end != "memory")
