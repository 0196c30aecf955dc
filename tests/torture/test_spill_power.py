"""Power cuts under a host with a spill: the image of a mounted file system, copied while the host is stopped.

What the kernel has not written to the image by then is lost. What was recorded longer ago than the interval between
two syncs, and the time one takes, must be there. Needs root, to mount.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from random import Random

import msgspec
import pytest

from flowtrail.sdk.segments import open_segment, read_frame
from tests.support.hosts import ROOT
from tests.torture.test_power import mounted, needs_root, run

CUTS = 15
SYNC_S = 0.2
SLACK_S = 0.3
"""A sync takes its time, and so does waking up for it."""
PROGRAM = """
import os, sys, time
import flowtrail
flowtrail.init(flow="f", url="http://127.0.0.1:9", exit_s=0)
number = 0
while True:
    with flowtrail.transaction("order", str(number)): pass
    os.write(1, b"%d %f\\n" % (number, time.monotonic()))
    number += 1
    time.sleep(0.0003)
"""


def found(directory):
    numbers = set()
    for path in directory.glob("*.spill"):
        if (segment := open_segment(path)) is None:
            continue
        while (frame := read_frame(segment, skips=True)) is not None:
            record = msgspec.json.decode(frame.body)
            if record["kind"] == "transaction":
                numbers.add(int(record["object_id"]))
        segment.close()
    return numbers


@needs_root
@pytest.mark.torture
def test_a_power_cut_costs_no_more_than_was_recorded_since_the_last_sync(tmp_path):
    random = Random(5)
    image, told_of = tmp_path / "image", []
    with image.open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    run("mkfs.ext4", "-q", "-F", str(image))
    for number in range(CUTS):
        after = tmp_path / f"after-{number}"
        with mounted(image, tmp_path / "disk") as disk:
            shutil.rmtree(disk / "spill", ignore_errors=True)
            environment = os.environ | {
                "FLOWTRAIL_SPILL_DIR": str(disk / "spill"),
                "FLOWTRAIL_SPILL_SYNC_S": str(SYNC_S),
                "FLOWTRAIL_SPILL_MIB": "32",
                "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "src", ROOT))),
            }
            lines = (tmp_path / f"told-{number}").open("w+b")
            host = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=lines, env=environment)
            time.sleep(1.5 + 2 * random.random())
            host.send_signal(signal.SIGSTOP)
            time.sleep(0.05)
            stopped = time.monotonic()
            shutil.copyfile(image, after)
            host.kill()
            host.wait(30)
            lines.seek(0)
            told = [line.split() for line in lines.read().split(b"\n")[:-1]]
            lines.close()
        with mounted(after, tmp_path / "disk") as disk:
            numbers = found(disk / "spill")
        after.unlink()

        recorded = {int(each): float(at) for each, at in told}
        lost = {each: stopped - at for each, at in recorded.items() if each not in numbers}
        assert len(recorded) > 500
        assert max(lost.values(), default=0.0) <= SYNC_S + SLACK_S, f"cut {number}"
        assert max(numbers) <= max(recorded) + 1
        told_of.append((len(recorded), len(lost), max(lost.values(), default=0.0)))
    print(
        f"{CUTS} cuts: {sum(each[0] for each in told_of)} recorded, {sum(each[1] for each in told_of)} lost, "
        f"the oldest of them {max(each[2] for each in told_of):.3f} s old, with a sync every {SYNC_S} s"
    )
