"""What was acknowledged survives a power cut on SQLite, whatever part of the rest had reached the disk."""

import threading
from random import Random

import pytest

from flowtrail.intake.projector import Projector
from flowtrail.ledger.check import check
from flowtrail.model.clock import sleep_s
from flowtrail.projection.state import State
from flowtrail.storage import open_store
from tests.support.journaling import Journaling, project
from tests.support.powercut import recording
from tests.support.stories import canonical, story

HOLDER = "the same projector, started again"


class Load(threading.Thread):
    """Appends pages as intake does, and remembers which ones `append` has returned from."""

    def __init__(self, store, seed):
        super().__init__(daemon=True)
        self._writer, self._told = Journaling(store), canonical(story(seed, 400))
        self.durable, self.failed = 0, None

    def run(self):
        try:
            for first in range(0, len(self._told), 5):
                self._writer.append(self._told[first : first + 5])
                self.durable += 1
        except Exception as error:  # noqa: BLE001 -- asserted by the test
            self.failed = error

    def records(self, pages):
        return self._told[: pages * 5]


@pytest.mark.parametrize("seed", range(3))
def test_what_was_acknowledged_is_there_after_a_power_cut(tmp_path, seed):
    random = Random(seed)
    folder = tmp_path / "store"
    with recording(folder) as disk:
        store = open_store(f"sqlite:{folder}")
        load = Load(store, seed)
        stop, wake = threading.Event(), threading.Event()
        projector = threading.Thread(
            target=Projector(store.journal, store.view_writer(), holder=HOLDER).run,
            args=(stop, wake),
            daemon=True,
        )
        projector.start()
        load.start()
        cuts = []
        for number in range(5):
            sleep_s(random.random() * 0.15)
            durable = load.durable
            disk.cut(tmp_path / f"cut-{number}", random)
            cuts.append(durable)
        load.join()
        stop.set()
        projector.join()
        store.close()
        assert load.failed is None
        assert disk.syncs >= load.durable

    for number, durable in enumerate(cuts):
        after = open_store(f"sqlite:{tmp_path / f'cut-{number}'}")
        heads = sum(head.sequence for head in after.journal.heads())
        assert heads >= durable
        project(after, holder=HOLDER)
        report = check(after)
        assert report.ok, report.lines()
        assert report.counts["records"] >= len(load.records(durable))
        states = {each.id: State.load(each.facts, each.pieces) for each in after.transactions.iter_states()}
        assert {
            record.transaction for record in load.records(durable) if hasattr(record, "transaction")
        } <= set(states)
        after.close()
