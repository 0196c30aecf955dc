"""The journal is saved and put back: alone, or beside views that were folded further."""

import shutil
import sqlite3

from flowtrail.intake.rebuild import rebuild
from flowtrail.ledger.check import check
from tests.support.journaling import Journaling, project
from tests.support.records import an_order, order_id


def test_what_is_taken_after_an_older_journal_was_put_back_is_shown(opened, directory, tmp_path):
    store = opened()
    Journaling(store, "acme").append(list(an_order(1)))
    project(store)
    with sqlite3.connect(directory / "journal.db") as source, sqlite3.connect(tmp_path / "kept.db") as kept:
        source.backup(kept)
    source.close()
    kept.close()
    Journaling(store, "acme", name="writer-2").append(list(an_order(2)))
    project(store)
    store.close()
    for path in directory.glob("journal.db*"):
        path.unlink()
    shutil.copy(tmp_path / "kept.db", directory / "journal.db")

    store = opened(create=False)
    Journaling(store, "acme", name="writer-3").append(list(an_order(3)))
    project(store)

    assert store.transactions.find("acme", order_id(3)) is not None
    assert any("pages are lost" in finding.message for finding in check(store).findings)
    rebuild(store)
    assert check(store).ok
    assert store.transactions.find("acme", order_id(2)) is None


def test_records_are_taken_whatever_became_of_the_views(opened, directory):
    store = opened()
    with sqlite3.connect(directory / "views.db") as connection:
        connection.execute("UPDATE present SET position = x'c1'")
    connection.close()

    assert store.journal.register("acme", "w1").ordinal == 1


def test_the_journal_of_a_store_that_was_closed_is_one_file(store, directory):
    Journaling(store, "acme").append(list(an_order(1)))
    assert len(store.journal.heads()) == 1

    store.close()

    assert not (directory / "journal.db-wal").exists()
