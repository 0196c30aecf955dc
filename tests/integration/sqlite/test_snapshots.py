"""Readers beside a writer and beside a rebuild, in threads and in other processes."""

import subprocess
import sys
import threading
from pathlib import Path

from flowtrail.model.conditions import Moment, StatusIs
from flowtrail.projection.cells import COHORT, COUNT
from flowtrail.storage.interface import Selection
from flowtrail.storage.sqlite.store import SqliteStore
from tests.support.folding import Folder
from tests.support.records import BASE, an_order

ALL = Selection("acme", Moment(BASE), limit=1_000, budget_s=None)
TOGETHER = 5
"""Orders of one batch: whoever sees one of them sees all."""

READER = """
import sys
from flowtrail.model.conditions import Moment
from flowtrail.storage.interface import Selection
from flowtrail.storage.sqlite.store import SqliteStore
store = SqliteStore(sys.argv[1])
store.open(create=False)
asked = Selection("acme", Moment(0), limit=1_000, budget_s=None)
print("reading", flush=True)
generations, last = set(), 0
while last < int(sys.argv[2]):
    rows = store.transactions.select(asked).rows
    assert len(rows) % 5 == 0, f"half a batch: {len(rows)}"
    assert len({row.id for row in rows}) == len(rows)
    last = len(rows)
    generations.add(store.changes.revision().generation)
print(len(generations), flush=True)
"""


def batch(number):
    return [record for order in range(TOGETHER) for record in an_order(number * TOGETHER + order + 1)]


def test_readers_in_threads_never_see_half_a_batch(store, folder, opened):
    stop, problems, seen = threading.Event(), [], set()

    def read(handle):
        try:
            while not stop.is_set():
                rows = handle.transactions.select(ALL).rows
                states = list(handle.transactions.iter_states("acme"))
                total, exact = handle.transactions.count(
                    Selection("acme", Moment(BASE), StatusIs("delivered"))
                )
                cells = handle.cells.cells("acme", COHORT, "year", None, None)
                counted = sum(cell.get(COUNT, 0) for _, cell in cells)
                for count in (len(rows), len(states), total, counted):
                    assert count % TOGETHER == 0
                assert exact
                seen.add(len(rows))
        except BaseException as error:
            problems.append(error)
            raise

    handle = opened(create=False)
    threads = [threading.Thread(target=read, args=(handle,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(30):
        folder.tell("acme", *batch(number))
    stop.set()
    for thread in threads:
        thread.join()

    assert problems == []
    assert len(handle.transactions.select(ALL).rows) == 30 * TOGETHER
    assert seen


def test_readers_in_another_process_go_on_while_views_are_switched(store, folder, directory):
    folder.tell("acme", *batch(0))
    process = subprocess.Popen(
        [sys.executable, "-c", READER, str(directory), str(6 * TOGETHER)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path.cwd(),
    )
    assert process.stdout.readline() == "reading\n"
    writer, generations = folder.writer, 1

    for number in range(1, 6):
        rebuilt = writer.begin_rebuild()
        again = Folder(rebuilt)
        for earlier in range(number + 1):
            again.tell("acme", *batch(earlier))
        writer.finish_rebuild(rebuilt)
        generations += 1
        writer = rebuilt

    told, wrong = process.communicate(timeout=60)
    assert wrong == ""
    assert 1 <= int(told) <= generations


def test_a_long_read_keeps_its_snapshot_while_others_write_and_switch(store, folder, reading):
    folder.tell("acme", *batch(0), *batch(1))
    expected = list(reading.transactions.iter_terms("acme"))
    terms = reading.transactions.iter_terms("acme")
    first = next(terms)

    folder.tell("acme", *batch(2))
    rebuilt = folder.writer.begin_rebuild()
    Folder(rebuilt).tell("acme", *batch(3))
    folder.writer.finish_rebuild(rebuilt)

    assert [first, *terms] == expected
    assert len(list(reading.transactions.iter_states())) == TOGETHER


def test_a_forked_child_opens_connections_of_its_own(store, folder, reading):
    """A connection carried over a fork would release its parent's locks."""
    import os

    folder.tell("acme", *batch(0))
    assert len(reading.transactions.select(ALL).rows) == TOGETHER
    child = os.fork()
    if child == 0:
        ok = len(reading.transactions.select(ALL).rows) == TOGETHER
        os._exit(0 if ok else 1)

    assert os.waitpid(child, 0)[1] == 0
    folder.tell("acme", *batch(1))
    assert len(reading.transactions.select(ALL).rows) == 2 * TOGETHER


def test_a_handle_that_was_closed_can_be_opened_again(store, folder, directory):
    folder.tell("acme", *batch(0))
    handle = SqliteStore(directory)
    for _ in range(2):
        handle.open(create=False)
        assert len(handle.transactions.select(ALL).rows) == TOGETHER
        handle.close()
