"""A power cut costs at most what was recorded since the last sync: on a disk that keeps what was synced, and of the
rest any sectors, in any order. The kernel's own order is under `tests/torture/test_spill_power.py`."""

import itertools
from random import Random

import msgspec
import pytest

from flowtrail.sdk import segments
from flowtrail.sdk.segments import open_segment, read_frame
from tests.support.items import Told
from tests.unit.sdk_delivery.test_spill import Household

SECTOR = 512
CUTS = 12


class Disk:
    """What is safe of each file: its bytes when it was last synced."""

    def __init__(self, monkeypatch):
        self.safe = {}
        self.household = None
        self.syncs = 0
        monkeypatch.setattr(segments, "_datasync", self.sync)

    def sync(self, fd):
        self.syncs += 1
        for segment in (*self.household.spill.sealed, self.household.spill.current):
            if segment.fd == fd:
                self.safe[segment.path.name] = bytes(segment.map)

    def cut(self, random, target):
        """Another directory, as it is after the power came back."""
        target.mkdir()
        for path in self.household.spill.directory.glob("*.spill"):
            now, safe = path.read_bytes(), self.safe.get(path.name)
            if safe is None:
                safe = bytes(len(now))
            data = bytearray(safe)
            for start in range(0, len(now), SECTOR):
                if random.random() < 0.5:
                    data[start : start + SECTOR] = now[start : start + SECTOR]
            (target / path.name).write_bytes(data)


def found(directory):
    numbers = []
    for path in sorted(directory.glob("*.spill")):
        if (segment := open_segment(path)) is None:
            continue
        while (frame := read_frame(segment, skips=True)) is not None:
            numbers.append(msgspec.json.decode(frame.body)["number"])
        segment.close()
    return numbers


@pytest.mark.parametrize("seed", range(CUTS))
def test_everything_before_the_last_sync_is_there_and_nothing_is_invented(tmp_path, monkeypatch, seed):
    random = Random(seed)
    disk = Disk(monkeypatch)
    disk.household = household = Household(tmp_path / "spill")
    household.spill.prepare()
    counter = itertools.count()
    safe = 0
    for _ in range(random.randrange(1, 6)):
        for _ in range(random.randrange(3_000)):
            number = next(counter)
            household.spill.put(Told(number=number, text="x" * random.randrange(400)))
        if random.random() < 0.7:
            household.spill.sync()
            safe = next(counter)
            household.spill.put(Told(number=safe))
        household.spill.tend()

    disk.cut(random, tmp_path / "after")
    numbers = found(tmp_path / "after")

    assert len(set(numbers)) == len(numbers)
    assert set(range(safe)) <= set(numbers)
    assert max(numbers, default=0) < next(counter)
    assert disk.syncs > 0 or safe == 0
