"""Disk full, I/O errors, crashes: what was acknowledged stays, what was refused may be sent again."""

import os
import resource
import shutil
import sqlite3
from contextlib import contextmanager

import pytest

from flowtrail.model.errors import LeaseLost, StoreFull, StoreUnavailable
from flowtrail.storage.interface import Batch
from tests.support.folding import Folder
from tests.support.opaque import opaque_page
from tests.support.records import an_order, order_id


def full(connection: sqlite3.Connection) -> None:
    """As if no space were left for this connection."""
    held = connection.execute("PRAGMA page_count").fetchone()[0]
    assert connection.execute(f"PRAGMA max_page_count = {held}").fetchone() == (held,)


@contextmanager
def no_file_may_grow(most: int):
    """Writing beyond so many bytes of a file fails inside, as on a disk that answers with an error."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_refuses_pages_and_takes_them_once_there_is_space(store, reading):
    writer = store.journal.register("acme", "w1")
    first, second = opaque_page(writer, 1), opaque_page(writer, 2, b"x" * 100_000)
    store.journal.append([first])
    full(store.journal._connection)

    with pytest.raises(StoreFull):
        store.journal.append([second])

    assert reading.journal.read({}, 10) == [first]
    store.journal.append([second])
    assert reading.journal.read({}, 10) == [first, second]


def test_an_io_error_reopens_the_journal_before_it_takes_anything(store, reading):
    writer = store.journal.register("acme", "w1")
    first, second = opaque_page(writer, 1), opaque_page(writer, 2, b"x" * 300_000)
    store.journal.append([first])
    connection = store.journal._connection

    with no_file_may_grow(100_000), pytest.raises((StoreUnavailable, StoreFull)):
        store.journal.append([second])

    assert store.journal._connection is None
    assert reading.journal.read({}, 10) == [first]
    store.journal.append([second])
    assert store.journal._connection is not connection
    assert reading.journal.read({}, 10) == [first, second]


def test_a_store_that_is_opened_on_a_full_disk_says_so(store, opened):
    store.close()

    with no_file_may_grow(1_000), pytest.raises(StoreFull, match="no space is left"):
        opened(create=False)

    opened(create=False)


def test_a_store_that_may_not_be_written_says_so(store, opened, directory, monkeypatch):
    store.close()
    # As root, who may write everywhere: SQLite cannot open a directory either.
    (directory / "journal.db").unlink()
    (directory / "journal.db").mkdir()
    with pytest.raises(StoreUnavailable) as plain:
        opened(create=False)
    monkeypatch.setattr(os, "access", lambda path, _: path != directory)

    with pytest.raises(
        StoreUnavailable, match=f"{directory} cannot be written, which SQLite needs for reading"
    ):
        opened(create=False)

    assert "cannot be written" not in str(plain.value)


def test_a_full_disk_leaves_the_views_as_they_were(store, folder, reading):
    folder.tell("acme", *an_order(1))
    cells = list(reading.cells.iter_cells())
    full(folder.writer._held().connection)
    told = [record for number in range(2, 300) for record in an_order(number, outcome="failed")]

    with pytest.raises(StoreFull):
        folder.tell("acme", *told)

    assert list(reading.cells.iter_cells()) == cells
    assert [stored.id for stored in reading.transactions.iter_states()] == [order_id(1)]
    again = Folder(store.view_writer())
    again.tell("acme", *told)
    assert len(list(reading.transactions.iter_states())) == 299


def test_a_failed_write_of_views_can_be_folded_again_from_what_is_stored(store, folder, reading):
    folder.tell("acme", *an_order(1)[:2])

    with no_file_may_grow(1_000), pytest.raises((StoreUnavailable, StoreFull)):
        folder.tell("acme", *an_order(1)[2:])
    folder.forget()
    folder.tell("acme", *an_order(1)[2:])

    assert reading.transactions.find("acme", order_id(1)).header.status == "delivered"
    assert len({key for key, _ in reading.cells.iter_cells()}) == len(list(reading.cells.iter_cells()))


def test_a_crash_between_the_two_renames_of_a_switch_is_finished_by_whoever_opens(opened, directory):
    store = opened()
    folder = Folder(store.view_writer())
    folder.tell("acme", *an_order(1))
    rebuilt = folder.writer.begin_rebuild()
    again = Folder(rebuilt)
    again.tell("acme", *an_order(2))
    again.release()
    rebuilt.seal(sqlite_lease(directory))
    (directory / "views-next.db").rename(directory / "views-ready.db")
    store.close()

    reopened = opened(create=False)

    assert [stored.id for stored in reopened.transactions.iter_states()] == [order_id(2)]
    assert not (directory / "views-ready.db").exists()


def test_a_crash_during_a_rebuild_leaves_the_old_views_and_the_next_holder_drops_the_rest(opened, directory):
    store = opened()
    folder = Folder(store.view_writer())
    folder.tell("acme", *an_order(1))
    Folder(folder.writer.begin_rebuild()).tell("acme", *an_order(2))
    assert store.views_version()[1]

    other = opened(create=False)
    Folder(other.view_writer(), "test").tell("acme", *an_order(3))

    assert sorted(stored.id for stored in other.transactions.iter_states()) == [order_id(1), order_id(3)]
    assert not other.views_version()[1]


def test_a_projector_whose_views_were_removed_does_not_write_into_nowhere(folder, directory, tmp_path):
    folder.tell("acme", *an_order(1))
    shutil.move(directory / "views.db", tmp_path / "away.db")

    with pytest.raises(LeaseLost):
        folder.writer.write(Batch(position={1: 1}), folder.lease)


def sqlite_lease(directory):
    with sqlite3.connect(directory / "views.db") as connection:
        return connection.execute("SELECT epoch, holder, expires, ttl FROM present").fetchone()
