"""What a store answers, side by side with the memory store, which asks every transaction one by one."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flowtrail.projection.difference import Folded
from flowtrail.storage.interface import Selection, Store, Stored
from flowtrail.storage.memory.store import MemoryStore
from tests.support.folding import Folder

MANY_PAGES = 1_000
_tenants = itertools.count(1)


def new_tenant() -> str:
    """The name of a tenant that has nothing yet: an example of a property needs no store of its own."""
    return f"tenant-{next(_tenants)}"


def written(folder: Folder, tenant: str, told: Sequence[Sequence[Folded]]) -> MemoryStore:
    """Write the batches to the folder's store and to a memory store of their own, which is returned."""
    reference = MemoryStore()
    reference.open()
    folder.tell_batches(tenant, told)
    Folder(reference.view_writer()).tell_batches(tenant, told)
    return reference


def seen(stored: Stored) -> tuple[Any, ...]:
    """What a row says, without the numbers that depend on what else was written."""
    return (stored.id, stored.header, stored.facts)


def walk(store: Store, selection: Selection) -> list[Stored]:
    """Every row of a list, page by page; pages keep their promises."""
    rows: list[Stored] = []
    for _ in range(MANY_PAGES):
        page = store.transactions.select(selection)
        assert len(page.rows) <= selection.limit
        assert not page.short
        assert page.changed_since == 0
        assert all(row.pieces is None for row in page.rows)
        assert page.next is None or len(page.rows) == selection.limit
        rows += page.rows
        if page.next is None:
            return rows
        selection = replace(selection, after=page.next)
    raise AssertionError("the walk does not end")


def assert_answers_equal(store: Store, reference: Store, selection: Selection) -> None:
    """List and count are what the reference says."""
    expected = walk(reference, replace(selection, limit=1_000))
    assert list(map(seen, walk(store, selection))) == list(map(seen, expected))
    assert store.transactions.count(selection) == (len(expected), True)
