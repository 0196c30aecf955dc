"""The write-ahead log stays small, however long and however often somebody reads."""

import os
import threading
from contextlib import contextmanager

import pytest

from flowtrail.model.clock import sleep_s
from flowtrail.storage.sqlite.connection import LOG_GROWTH, Log, connect_reader, connect_writer, transaction
from tests.support.opaque import opaque_page
from tests.support.records import an_order

SMALL = 200_000


@pytest.fixture
def path(tmp_path):
    return tmp_path / "some.db"


@pytest.fixture
def connection(path):
    made = connect_writer(path, "NORMAL", 1_024, log_bytes=SMALL)
    made.execute("CREATE TABLE some (body BLOB)")
    yield made
    made.close()


def write(connection, times):
    for _ in range(times):
        with transaction(connection):
            connection.execute("INSERT INTO some VALUES (?)", (os.urandom(20_000),))


def size(path):
    return path.with_name(f"{path.name}-wal").stat().st_size


def small(connection):
    """As if so little were the log of everything."""
    page = connection.execute("PRAGMA page_size").fetchone()[0]
    connection.execute(f"PRAGMA wal_autocheckpoint = {SMALL // page}").fetchall()
    connection.execute(f"PRAGMA journal_size_limit = {LOG_GROWTH * SMALL}").fetchall()


@contextmanager
def one_read_after_the_other(pool):
    """There is no instant at which nobody reads."""
    stop = threading.Event()

    def read():
        while not stop.is_set():
            with pool.snapshot() as snapshot:
                snapshot.connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
                sleep_s(0.003)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_log_that_a_long_read_made_grow_is_cut_when_it_is_over(connection, path):
    reader = connect_reader(path)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM some").fetchone()
    write(connection, 100)
    grown = size(path)
    reader.close()

    write(connection, 30)

    assert grown > 2 * LOG_GROWTH * SMALL
    assert size(path) <= LOG_GROWTH * SMALL


def test_a_long_read_is_waited_for_seldom_however_much_is_written(connection, path, monkeypatch):
    monkeypatch.setattr("flowtrail.storage.sqlite.connection.CUT_WAIT_MS", 1)
    log, statements = Log(connection, path), []
    connection.set_trace_callback(statements.append)
    reader = connect_reader(path)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM some").fetchone()

    for _ in range(120):
        write(connection, 1)
        log.cut()
    tried = sum("wal_checkpoint" in statement for statement in statements)
    reader.close()
    write(connection, 2)

    assert 1 <= tried <= 4
    assert size(path) <= LOG_GROWTH * SMALL


def test_the_log_of_the_views_does_not_grow_for_as_long_as_somebody_reads(store, folder, reading, directory):
    folder.tell("acme", *an_order(1))
    held = folder.writer._held()
    small(held.connection)
    held.wal = Log(held.connection, directory / "views.db")

    with one_read_after_the_other(reading._views):
        most = 0
        for number in range(80):
            folder.tell(
                "acme", *(record for order in range(20) for record in an_order(number * 20 + order + 2))
            )
            most = max(most, size(directory / "views.db"))

    assert most < 4 * LOG_GROWTH * SMALL


def test_the_log_of_the_journal_does_not_grow_for_as_long_as_somebody_reads(store, reading, directory):
    writer = store.journal.register("acme", "w1")
    small(store.journal._connection)
    store.journal._log = Log(store.journal._connection, directory / "journal.db")

    with one_read_after_the_other(reading._pages):
        most = 0
        for sequence in range(1, 201):
            store.journal.append([opaque_page(writer, sequence, os.urandom(50_000))])
            most = max(most, size(directory / "journal.db"))

    assert most < 4 * LOG_GROWTH * SMALL
