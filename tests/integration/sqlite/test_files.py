"""The files of a SQLite store: made durably, opened as asked, of a known version."""

import os
import shutil
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from flowtrail.intake.rebuild import rebuild
from flowtrail.ledger.check import check
from flowtrail.ledger.kept import kept_text
from flowtrail.ledger.pages import NamedHead
from flowtrail.model.errors import Damaged, StoreTooNew, StoreUnavailable
from flowtrail.model.pages import Page, page_number
from flowtrail.model.records import EndRecord
from flowtrail.projection.version import PROJECTION_VERSION
from flowtrail.storage.sqlite import connection as connections
from flowtrail.storage.sqlite import files, journal
from flowtrail.storage.sqlite.connection import connect_writer
from flowtrail.storage.sqlite.schema import VIEWS_VERSION
from tests.support.aging import age_views
from tests.support.folding import Folder
from tests.support.journaling import Journaling, project
from tests.support.records import BASE, an_order, order_id


def altered(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.executescript(statement)
    connection.close()


def test_a_store_is_two_databases_in_write_ahead_mode(store, folder, directory):
    store.journal.register("acme", "w1")
    folder.tell("acme", *an_order(1))

    assert {path.name for path in directory.glob("*.db")} == {"journal.db", "views.db"}
    for name in ("journal.db", "views.db"):
        with sqlite3.connect(directory / name) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize(("synchronous", "expected"), [("FULL", 2), ("NORMAL", 1)])
def test_a_writer_is_as_durable_as_was_asked(tmp_path, synchronous, expected):
    connection = connect_writer(tmp_path / "some.db", synchronous, 1_024)

    assert connection.execute("PRAGMA synchronous").fetchone() == (expected,)
    connection.close()


def test_the_journal_is_written_with_full_synchronisation(store):
    store.journal.register("acme", "w1")

    assert store.journal._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store.journal._connection.execute("PRAGMA secure_delete").fetchone() == (1,)


def test_the_log_of_the_journal_stays_small_however_much_is_written(store, directory):
    writer = store.journal.register("acme", "w1")
    bodies = [os.urandom(500_000) for _ in range(2)]

    for number in range(1, 41, 2):
        pages = [
            Page(page_number(writer.ordinal, number + index), b"", b"", b"%d" % number, b"", body)
            for index, body in enumerate(bodies)
        ]
        store.journal.append(pages)

    assert (directory / "journal.db").stat().st_size > 3 * journal.LOG_BYTES
    assert (directory / "journal.db-wal").stat().st_size < 2 * journal.LOG_BYTES


def test_a_pragma_that_is_not_obeyed_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setitem(connections.SYNCHRONOUS, "FULL", 3)

    with pytest.raises(StoreUnavailable, match="synchronous"):
        connect_writer(tmp_path / "some.db", "FULL", 1_024)


def test_every_directory_that_got_a_new_name_is_synced(opened, directory, monkeypatch):
    synced = []
    fsync = os.fsync

    def watched(handle):
        synced.append(os.path.realpath(f"/proc/self/fd/{handle}"))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", watched)

    opened()

    assert str(directory.parent.parent) in synced
    assert str(directory.parent) in synced
    assert synced.count(str(directory)) >= 2, "once for each database"


def test_a_directory_that_cannot_be_synced_is_an_error(opened, monkeypatch):
    def failing(handle):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", failing)

    with pytest.raises(StoreUnavailable, match="Input/output"):
        opened()


@pytest.mark.parametrize("name", ["journal.db", "views.db"])
def test_a_newer_format_is_refused(opened, directory, name):
    opened().close()
    altered(directory / name, "PRAGMA user_version = 99")

    with pytest.raises(StoreTooNew, match="newer Flowtrail"):
        opened(create=False)


def test_views_of_a_newer_projection_are_refused(opened, directory):
    opened().close()
    altered(directory / "views.db", f"UPDATE present SET projection = {PROJECTION_VERSION + 1}")

    with pytest.raises(StoreTooNew):
        opened(create=False)


def test_an_older_format_is_migrated_and_keeps_what_it_holds(opened, directory, monkeypatch):
    store = opened()
    writer = store.journal.register("acme", "w1")
    Folder(store.view_writer()).tell("acme", *an_order(1))
    store.close()
    monkeypatch.setattr(journal, "JOURNAL_VERSION", 2)
    monkeypatch.setattr(journal, "JOURNAL_MIGRATIONS", {1: "ALTER TABLE page ADD COLUMN note TEXT;"})
    monkeypatch.setattr(files, "VIEWS_VERSION", VIEWS_VERSION + 2)
    monkeypatch.setattr(
        files,
        "VIEWS_MIGRATIONS",
        {
            VIEWS_VERSION: "ALTER TABLE link ADD COLUMN note TEXT",
            VIEWS_VERSION + 1: "CREATE TABLE extra (x); CREATE INDEX extra_x ON extra (x);",
        },
    )

    again = opened(create=False)

    assert again.journal.writers() == [writer]
    assert again.transactions.find("acme", order_id(1)) is not None
    for name, version, query in (
        ("journal.db", 2, "SELECT note FROM page"),
        ("views.db", VIEWS_VERSION + 2, "SELECT x, note FROM extra, link"),
    ):
        with sqlite3.connect(directory / name) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (version,)
            connection.execute(query)


def test_views_from_before_producers_were_kept_are_read_and_rebuilt(opened, directory):
    store = opened()
    Journaling(store, "acme").append([EndRecord(order_id(1), BASE, "shop/1", 2, "delivered", 1, BASE)])
    project(store)
    store.close()
    age_views(directory / "views.db")

    store = opened(create=False)
    assert store.views_version() == (1, False)
    assert store.producers.sessions("acme", None, None, 5) == []
    assert store.producers.totals("acme") == {}
    assert store.transactions.find("acme", order_id(1)) is not None

    rebuild(store)
    assert store.views_version() == (PROJECTION_VERSION, False)
    (found,) = store.producers.sessions("acme", None, None, 5)
    assert (found.producer, found.session.missing) == ("shop/1", 1)


def test_views_of_an_older_projection_are_read_but_not_written_until_they_are_rebuilt(opened, directory):
    first = opened()
    Folder(first.view_writer()).tell("acme", *an_order(1))
    first.close()
    altered(directory / "views.db", "UPDATE present SET projection = 0, holder = NULL")
    store = opened(create=False)
    old = Folder(store.view_writer())

    with pytest.raises(StoreUnavailable, match="rebuild"):
        old.tell("acme", *an_order(2))
    assert store.views_version() == (0, False)
    assert store.transactions.find("acme", order_id(1)) is not None

    rebuilt = old.writer.begin_rebuild()
    again = Folder(rebuilt)
    again.tell("acme", *an_order(1), *an_order(2))
    assert store.views_version() == (0, True)
    old.writer.finish_rebuild(rebuilt)

    assert store.views_version() == (PROJECTION_VERSION, False)
    assert store.transactions.find("acme", order_id(2)) is not None


def test_lost_views_are_empty_views(opened, directory):
    store = opened()
    writer = store.journal.register("acme", "w1")
    store.close()
    for path in directory.glob("views.db*"):
        path.unlink()

    again = opened(create=False)

    assert again.journal.writers() == [writer]
    assert again.changes.visible() == {}


@pytest.mark.parametrize("name", ["journal.db", "views.db"])
def test_a_file_that_is_no_database_is_damage(opened, directory, name):
    opened().close()
    for path in directory.glob(f"{name}*"):
        path.unlink()
    (directory / name).write_bytes(b"this is no database" * 1_000)

    with pytest.raises(Damaged):
        opened(create=False)


def test_damage_inside_a_file_is_a_problem_of_its_health(opened, directory):
    store = opened()
    folder = Folder(store.view_writer())
    folder.tell("acme", *(record for number in range(1, 400) for record in an_order(number)))
    folder.writer.forget()
    store.close()
    path = directory / "views.db"
    whole = bytearray(path.read_bytes())
    for at in range(8 * 4_096, len(whole) - 4_096, 4_096):
        whole[at : at + 64] = b"\xff" * 64
    path.write_bytes(whole)

    health = opened(create=False).check()

    assert health.problems
    assert "views.db" in health.problems[0]


@pytest.mark.parametrize("column", ["header", "previous", "hash", "secret", "body"])
def test_a_page_whose_bytes_became_text_is_named(store, directory, column):
    Journaling(store, "acme").append(list(an_order(1)))
    project(store)
    altered(directory / "journal.db", f"UPDATE page SET {column} = CAST(x'ff00ff' AS TEXT)")

    report = check(store)

    assert {(finding.code, finding.where) for finding in report.findings} == {("journal", "page 1/1")}


def test_health_names_sizes_and_holder(store, reading):
    store.hold()

    health = reading.check()

    assert list(health.problems) == []
    assert health.facts["journal.db bytes"] > 0
    assert health.facts["views.db bytes"] > 0
    assert str(os.getpid()) in str(health.facts["held by"])


def test_a_total_of_a_term_that_is_wrong_is_found(store, directory):
    Journaling(store, "acme").append(list(an_order(1)))
    project(store)
    altered(directory / "views.db", "UPDATE term_total SET total = total + 1 WHERE term = 'v3'")

    found = [finding for finding in check(store).findings if finding.code == "term_total"]

    assert [finding.message for finding in found] == ["its total is 2, 1 have it"]


def test_little_space_is_a_warning_and_no_damage(store, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100 * 1024 * 1024))

    health = store.check()

    assert health.problems == []
    assert [warning for warning in health.warnings if "100 MiB are free" in warning]
    assert check(store).ok


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM bundle",
        "UPDATE bundle SET body = x'28b5'",
        "UPDATE bundle SET body = x'90'",
        "UPDATE cell SET body = x'c1'",
        "UPDATE cell SET body = x'81a178a179'",
        "DELETE FROM cohort",
        "UPDATE grp SET parts = x'c1' WHERE number = 1",
        "UPDATE present SET position = x'c1'",
        "UPDATE tx SET marks = 'x'",
        "UPDATE tx SET pages = x'01', pieces = x''",
        "UPDATE producer SET body = x'c1'",
    ],
)
def test_views_that_cannot_be_read_are_told_the_journal_is_proven_and_a_rebuild_mends_them(
    store, directory, statement
):
    Journaling(store, "acme").append(
        [*an_order(1), EndRecord(order_id(2), BASE, "shop/1", 2, "delivered", 1, BASE)]
    )
    project(store)
    altered(directory / "views.db", statement)

    report = check(store)

    assert not report.ok
    assert any("flowtrail rebuild" in finding.message for finding in report.findings), report.lines()
    assert report.counts["pages"] == 1
    assert [head.tenant for head in report.heads] == ["acme"]
    rebuild(store)
    assert check(store).ok


@pytest.mark.parametrize(
    "statement", ["DELETE FROM bundle", "UPDATE bundle SET body = x'28b5'", "UPDATE cell SET body = x'c1'"]
)
def test_a_projector_stops_at_views_that_cannot_be_read_and_sets_no_record_aside(store, directory, statement):
    writer = Journaling(store, "acme")
    writer.append(list(an_order(1))[:2])
    project(store)
    altered(directory / "views.db", statement)
    writer.append(list(an_order(1))[2:])

    with pytest.raises(Damaged, match="views"):
        project(store)

    assert store.transactions.set_aside() == []


@pytest.mark.parametrize("named", [[1 << 60, 1], [1, 1 << 63], [(1 << 64) - 1, 1], [0, 1], [-1, -1]])
def test_a_header_that_names_a_place_where_no_page_can_stand_is_told(store, directory, named):
    page = Journaling(store, "acme").append(list(an_order(1)))
    project(store)
    header = msgspec.msgpack.decode(page.header)
    header[7] = [[*named, b"\7" * 32]]
    altered(directory / "journal.db", f"UPDATE page SET header = x'{msgspec.msgpack.encode(header).hex()}'")

    found = check(store).findings

    assert "page 1/1" in [finding.where for finding in found]
    assert any("names another page there" in finding.message for finding in found)


def test_a_head_that_leads_where_no_page_can_stand_is_not_the_journals(store):
    Journaling(store, "acme").append(list(an_order(1)))

    report = check(store, expect=kept_text("0" * 64, [NamedHead(1, 1 << 63, b"")]))

    assert "does not lead to the HEAD" in report.findings[0].message
