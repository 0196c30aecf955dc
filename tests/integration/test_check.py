"""`check` on real stores: while a server writes, after bits flipped on disk, and as people call it."""

import json
import shutil
import subprocess
import sys
import threading
import uuid
from random import Random

import pytest

from flowtrail.intake.projector import Projector
from flowtrail.ledger.check import check
from flowtrail.ledger.pages import read_records
from flowtrail.model.errors import StoreError
from flowtrail.storage import open_store
from tests.support.journaling import Journaling, project
from tests.support.server import environment
from tests.support.stories import canonical, story

FLIPS = 60


@pytest.fixture(params=["memory", "sqlite", pytest.param("mongodb", marks=pytest.mark.mongodb)])
def url(request, tmp_path):
    if request.param == "memory":
        return f"memory:{uuid.uuid4().hex}"
    return (
        f"sqlite:{tmp_path / 'store'}"
        if request.param == "sqlite"
        else request.getfixturevalue("mongodb_url")
    )


def test_a_check_is_green_at_every_moment_while_a_projector_writes(url, monkeypatch):
    monkeypatch.setattr("flowtrail.intake.projector.INTERVAL_S", 0.005)
    store, reading = open_store(url), open_store(url)
    told = canonical(story(11, 150))
    stop, wake = threading.Event(), threading.Event()

    def write():
        writer = Journaling(store)
        for first in range(0, len(told), 8):
            writer.append(told[first : first + 8])
            wake.set()
            stop.wait(0.01)

    projecting = threading.Thread(target=Projector(store.journal, store.view_writer()).run, args=(stop, wake))
    writing = threading.Thread(target=write)
    projecting.start()
    writing.start()
    reports = []
    while writing.is_alive() or len(reports) < 3:
        reports.append(check(reading))
    stop.set()
    projecting.join()
    project(store, patiently=True)
    reports.append(check(reading))
    store.close()
    reading.close()

    assert [report.lines() for report in reports if not report.ok] == []
    assert reports[-1].counts["records"] == len(told)
    assert reports[-1].notes == []


def test_a_store_whose_rows_do_not_fit_into_memory_is_checked_on_every_store(url, monkeypatch):
    store = open_store(url)
    Journaling(store).append(canonical(story(3, 20)))
    project(store)
    whole = check(store)
    monkeypatch.setattr("flowtrail.ledger.runs.Runs.__init__.__defaults__", (3, 1_000))

    spilled = check(store)

    assert whole.ok, whole.lines()
    assert spilled.as_dict() == whole.as_dict()
    store.close()


def contents(store):
    return [
        read_records(page)
        for writer in store.journal.writers()
        for page in store.journal.iter_pages(writer.ordinal)
    ]


def noticed(folder, whole):
    """Whether a damaged store says so; what it does not notice must not have changed anything."""
    store = None
    try:
        store = open_store(f"sqlite:{folder}", create=False)
        report = check(store)
        return not report.ok or (contents(store) == whole and None)
    except StoreError:
        return True
    finally:
        if store is not None:
            store.close()


def test_a_bit_that_flips_on_disk_is_noticed_or_changes_nothing(tmp_path):
    """SQLite alone loses committed rows silently after a flipped bit in its write-ahead log."""
    kept = open_store(f"sqlite:{tmp_path / 'store'}")
    writer = Journaling(kept)
    for page in range(8):
        writer.append(canonical(story(page, 3)))
    project(kept)
    whole = contents(kept)
    shutil.copytree(tmp_path / "store", tmp_path / "copy")  # with its log, as a crash leaves it
    kept.close()
    random, outcomes = Random(5), []
    for number in range(FLIPS):
        folder = tmp_path / f"flip-{number}"
        shutil.copytree(tmp_path / "copy", folder)
        files = [
            path for path in sorted(folder.glob("*.db*")) if "shm" not in path.name and path.stat().st_size
        ]
        file = files[number % len(files)]
        content = bytearray(file.read_bytes())
        place = random.randrange(len(content))
        content[place] ^= 1 << random.randrange(8)
        file.write_bytes(content)
        outcomes.append((file.name, noticed(folder, whole)))
        shutil.rmtree(folder)

    assert [name for name, outcome in outcomes if outcome is False] == []
    assert sum(outcome is True for _, outcome in outcomes) >= FLIPS // 8


def flowtrail(*words):
    return subprocess.run(
        [sys.executable, "-m", "flowtrail", *words],
        check=False,
        capture_output=True,
        text=True,
        env=environment(),
        timeout=120,
    )


def test_the_command_prints_heads_that_can_be_kept_and_expected(tmp_path):
    url = f"sqlite:{tmp_path / 'store'}"
    store = open_store(url)
    Journaling(store).append(canonical(story(1, 5)))
    project(store)
    store.close()

    first = flowtrail("check", "--store", url, "--json")
    told = json.loads(first.stdout)
    kept = told["heads"][0]["kept"]
    again = flowtrail("check", "--store", url, "--expect", kept)
    other = flowtrail("check", "--store", url, "--expect", "0" * 64)
    nonsense = flowtrail("check", "--store", url, "--expect", "nonsense")

    assert (first.returncode, told["ok"]) == (0, True)
    assert (again.returncode, other.returncode, nonsense.returncode) == (0, 1, 2)
    assert f"HEAD default {kept}" in again.stdout
    assert "proven: the HEAD you kept stands" in again.stdout
    assert "head at HEAD 0000" in other.stdout + other.stderr
    assert "Traceback" not in nonsense.stderr
