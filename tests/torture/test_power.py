"""Power cuts under a whole server on SQLite: the image of a mounted file system, copied while its server is stopped.

What the kernel has not written to the image by then is lost, as it would be with the power: the file system's own
journal, names in directories and the order of writing are the kernel's. Needs root, to mount.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from random import Random

import psutil
import pytest

from flowtrail.ledger.check import check
from flowtrail.ledger.pages import read_records
from flowtrail.storage import open_store
from tests.integration.sqlite.test_power import cuts_lose
from tests.support.journaling import project
from tests.support.producers import Producer
from tests.support.server import running
from tests.support.stories import bodies, story

pytestmark = pytest.mark.torture
CUTS = 25
IMAGE_MIB = 192
PRODUCERS = 2

needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="mounting a file system needs root; run torture as root"
)


def run(*words):
    subprocess.run(words, check=True, capture_output=True)


@contextlib.contextmanager
def mounted(image: Path, place: Path):
    place.mkdir(exist_ok=True)
    run("mount", "-o", "loop", str(image), str(place))
    try:
        yield place
    finally:
        run("umount", "--lazy", str(place))


@contextlib.contextmanager
def standing_still(server):
    """Nobody of the server runs inside; what was answered has reached its producer."""
    processes = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    time.sleep(0.1)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)


class Load:
    """Producers that do not end before they are told to."""

    def __init__(self, url, seed):
        self.stopped = False
        self.parts = [bodies(story(seed + n, 4_000), 7) for n in range(PRODUCERS)]
        self.producers = [Producer(self._until_stopped(part), lambda: url, 0.002) for part in self.parts]
        for producer in self.producers:
            producer.start()

    def _until_stopped(self, part):
        for body in part:
            if self.stopped:
                return
            yield body

    def acknowledged(self):
        """(producer, seq) of every record that was acknowledged by now."""
        return {
            (record["producer"], record["seq"])
            for part, producer in zip(self.parts, list(self.producers), strict=True)
            for body in part[: producer.acknowledged]
            for record in map(json.loads, body.splitlines())
        }


def found(store):
    return {
        (record.producer, record.seq)
        for writer in store.journal.writers()
        for page in store.journal.iter_pages(writer.ordinal)
        for record in read_records(page)
    }


def cut(tmp_path, count, seed, **environment):
    """Cut the power so many times; (acknowledged records lost, acknowledged records) of each."""
    random, image = Random(seed), tmp_path / "disk.img"
    run("truncate", "-s", f"{IMAGE_MIB}M", str(image))
    run("mkfs.ext4", "-q", str(image))
    lost = []
    with mounted(image, tmp_path / "disk") as disk:
        with running(f"sqlite:{disk / 'store'}", tmp_path / "server.log", **environment) as server:
            load = Load(server.url, seed)
            for number in range(count):
                time.sleep(0.2 + random.random() * 0.6)
                with standing_still(server):
                    acknowledged = load.acknowledged()
                    copy = tmp_path / f"cut-{number}.img"
                    run("cp", "--sparse=always", str(image), str(copy))
                with mounted(copy, tmp_path / "after") as after:
                    lost.append((len(acknowledged - survivors(after / "store")), len(acknowledged)))
                copy.unlink()
            load.stopped = True
            for producer in load.producers:
                producer.done()
        shutil.rmtree(disk / "store")
    return lost


def survivors(folder):
    """What the store still holds, when it is whole and goes on."""
    store = open_store(f"sqlite:{folder}")
    try:
        project(store, holder="the next one", patiently=True)
        report = check(store)
        assert report.ok, report.lines()
        assert not any("behind" in note for note in report.notes)
        return found(store)
    finally:
        store.close()


@needs_root
def test_twenty_five_power_cuts_lose_nothing_that_was_acknowledged(tmp_path):
    lost = cut(tmp_path, CUTS, seed=31)

    print(f"lost of acknowledged: {lost}")
    assert [each for each, _ in lost] == [0] * CUTS
    assert lost[-1][1] > 1_000


@needs_root
def test_a_server_that_does_not_sync_does_lose_records_here(tmp_path):
    """Else the test before would prove nothing."""
    lost = cut(tmp_path, 6, seed=32, TEST_MUTANT="synchronous_off")

    assert sum(each for each, _ in lost) > 0, lost


@pytest.mark.parametrize("seed", range(100, 130))
def test_a_hundred_and_fifty_power_cuts_below_sqlite_lose_nothing(tmp_path, seed):
    assert cuts_lose(tmp_path, seed) == [0] * 5
