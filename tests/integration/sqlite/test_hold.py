"""One process writes the journal of a SQLite store; others are told who."""

import fcntl
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from flowtrail.model.errors import StoreHeld
from flowtrail.storage.sqlite.lock import find_holder
from tests.support.opaque import opaque_page
from tests.support.records import an_order, order_id

ADDRESS = "http://127.0.0.1:8765"


def elsewhere(directory, code, **more):
    """Start another process with `store` open on the directory."""
    script = f"""
import sys
from flowtrail.storage.sqlite.store import SqliteStore
from flowtrail.model.errors import StoreHeld
store = SqliteStore({str(directory)!r}, **{more!r})
store.open()
{textwrap.dedent(code)}
"""
    return subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path.cwd(),
    )


@pytest.fixture
def holder(store, directory):
    """Another process that holds the store, until its standard input is closed."""
    process = elsewhere(
        directory, "store.hold(); print('held', flush=True); sys.stdin.read()", address=ADDRESS
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_refused_with_the_holders_address(holder, store, reading):
    with pytest.raises(StoreHeld, match=ADDRESS):
        store.hold()
    with pytest.raises(StoreHeld, match=str(holder.pid)):
        store.journal.register("acme", "w1")

    assert reading.journal.writers() == []
    assert reading.check().facts["held by"] == ADDRESS


def test_a_killed_holder_holds_nothing(holder, store, reading):
    holder.kill()
    holder.wait()

    store.hold()

    assert reading.check().facts["held by"] == f"process {os.getpid()}"


def test_a_store_that_is_closed_is_free(opened, directory):
    first = opened()
    first.hold()
    first.close()
    process = elsewhere(directory, "store.hold(); print('held', flush=True)")

    assert process.communicate()[0] == "held\n"


def test_handles_of_one_process_share_the_hold_until_the_last_is_closed(opened, directory):
    first, second = opened(), opened()
    first.hold()
    second.hold()
    first.close()
    refused = "try:\n    store.hold()\nexcept StoreHeld:\n    print('refused', flush=True)"

    assert elsewhere(directory, refused).communicate()[0] == "refused\n"


def test_a_worker_writes_under_its_parents_hold(store, reading, directory):
    store.hold()
    told = "writer = store.journal.register('acme', 'worker'); print(writer.ordinal, flush=True)"

    ordinal = int(elsewhere(directory, told, held=True).communicate()[0])

    assert [(writer.ordinal, writer.name) for writer in reading.journal.writers()] == [(ordinal, "worker")]
    writer = store.journal.register("acme", "parent")
    store.journal.append([opaque_page(writer, 1)])
    assert [head.sequence for head in reading.journal.heads()] == [0, 1]


def test_projecting_and_reading_need_no_hold(holder, store, folder, reading):
    folder.tell("acme", *an_order(1))

    assert reading.transactions.find("acme", order_id(1)) is not None


def test_who_looks_for_a_holder_is_not_taken_for_one(store, directory):
    handle = os.open(directory / "lock", os.O_RDONLY | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_SH)
    threading.Timer(0.05, os.close, [handle]).start()

    store.hold()

    assert find_holder(directory).pid == os.getpid()
