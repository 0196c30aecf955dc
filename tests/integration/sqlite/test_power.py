"""What was acknowledged survives a power cut on SQLite, whatever part of the rest had reached the disk."""

import threading
from random import Random

import pytest

from flowtrail.intake.projector import Projector
from flowtrail.model.clock import sleep_s
from flowtrail.storage import open_store
from tests.support.journaling import Journaling
from tests.support.powercut import recording
from tests.support.stories import canonical, story
from tests.support.survivors import survivors

HOLDER = "the same projector, started again"
CUTS = 5
PAGE_RECORDS = 5


class Load(threading.Thread):
    """Appends pages as intake does, and counts those that `append` has returned from."""

    def __init__(self, store, seed):
        super().__init__(daemon=True)
        self._writer, self.told = Journaling(store), canonical(story(seed, 200))
        self.pages, self.failed = 0, None

    def run(self):
        try:
            for first in range(0, len(self.told), PAGE_RECORDS):
                self._writer.append(self.told[first : first + PAGE_RECORDS])
                self.pages += 1
        except Exception as error:  # noqa: BLE001 -- asserted by the test
            self.failed = error


def cuts_lose(folder, seed):
    """Cut the power five times under load; how many acknowledged records each cut lost. What is left must be whole."""
    random, place = Random(seed), folder / "store"
    with recording(place) as disk:
        store = open_store(f"sqlite:{place}")
        load = Load(store, seed)
        stop, wake = threading.Event(), threading.Event()
        projector = Projector(store.journal, store.view_writer(), holder=HOLDER)
        projecting = threading.Thread(target=projector.run, args=(stop, wake), daemon=True)
        projecting.start()
        load.start()
        acknowledged = []
        for number in range(CUTS):
            sleep_s(random.random() * 0.1)
            acknowledged.append(load.told[: load.pages * PAGE_RECORDS])
            disk.cut(folder / f"cut-{number}", random)
        load.join()
        stop.set()
        projecting.join()
        store.close()
    assert load.failed is None
    return [
        len({(record.producer, record.seq) for record in told} - survivors(folder / f"cut-{number}", HOLDER))
        for number, told in enumerate(acknowledged)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_a_power_cut_loses_nothing_that_was_acknowledged_and_leaves_a_store_that_goes_on(tmp_path, seed):
    assert cuts_lose(tmp_path, seed) == [0] * CUTS
