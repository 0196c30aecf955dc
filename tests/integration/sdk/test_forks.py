"""The thread is gone while the process is forked: Python warns of forks beside threads, and rightly."""

import os
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest

from flowtrail.sdk import delivery as delivery_module
from flowtrail.sdk.delivery import open_sink
from flowtrail.sdk.settings import Settings
from tests.support.faults import until
from tests.support.hostile import hostile
from tests.support.items import announced


def is_there(delivery):
    """Whether the system still knows the thread."""
    assert sys.platform == "linux"
    return os.access(delivery._task, os.F_OK)


def sink(url, **settings):
    return open_sink(Settings(**{"url": url, "batch_s": 0.02, "exit_s": 0.3, "timeout_s": 5.0, **settings}))


@pytest.mark.parametrize("way", ["good", "hang", "drip", "later", "reset"])
def test_the_thread_makes_way_for_a_fork_and_goes_on_after_it(way):
    with hostile([way, "good"]) as server:
        # Longer than anybody waits here: who hangs is cut, and does not merely run out of time.
        delivery = sink(server.url, timeout_s=600.0)
        delivery.put(announced(1))
        until(lambda: delivery._task)
        time.sleep(0.05)

        delivery.before_fork()
        # It is given 20 ms, twice; a machine that is busy may need longer to take it down.
        until(lambda: not is_there(delivery))
        delivery.put(announced(2))
        requests = delivery.counts().requests
        time.sleep(0.1)
        assert delivery.counts().requests == requests
        delivery.after_fork_in_parent()

        assert delivery.flush(0.5 if way == "later" else 20) or way == "later"
        delivery.close()
        counts = delivery.counts()
        assert counts.produced == 2
        assert way == "later" or counts.accepted == 2


def test_forks_under_way_on_several_threads_bring_it_back_once():
    with hostile(["good"]) as server:
        delivery = sink(server.url)
        delivery.put(announced(1))
        delivery.before_fork()
        delivery.before_fork()
        delivery.after_fork_in_parent()
        time.sleep(0.02)
        assert not is_there(delivery)
        delivery.after_fork_in_parent()
        until(lambda: is_there(delivery) or sys.version_info >= (3, 13))

        delivery.put(announced(2))
        assert delivery.flush(20)
        delivery.close()
        until(lambda: not is_there(delivery))
        delivery.before_fork()
        delivery.after_fork_in_parent()
        assert not is_there(delivery)


def test_a_child_holds_nothing_of_what_its_parent_sends_for_others(tmp_path):
    dead = open_sink(Settings(url="http://127.0.0.1:1", exit_s=0.0, spill_dir=str(tmp_path)))
    dead.put(announced(1))
    dead.close()
    assert list(tmp_path.iterdir())
    with hostile(["hang"]) as server:
        # Its files are for this one now.
        for path in list(tmp_path.iterdir()):
            target = sha256(server.url.encode()).hexdigest()[:8]
            path.rename(tmp_path / f"{target}-{path.name.partition('-')[2]}")
        delivery = sink(server.url, spill_dir=str(tmp_path))
        delivery.put(announced(2))
        until(lambda: delivery._courier and delivery._courier._source.left.is_busy)
        child = os.fork()
        if not child:
            held = [str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.exists()]
            os._exit(sum(str(tmp_path) in each for each in held))
        _, status = os.waitpid(child, 0)
        delivery.close()

    assert os.waitstatus_to_exitcode(status) == 0
    assert delivery.counts().pending == 1


def test_forks_in_a_row_do_not_keep_a_slow_server_from_being_heard():
    with hostile(["slow"]) as server:
        delivery = sink(server.url)
        delivery.put(announced(1))
        until_s = time.monotonic() + 20
        while delivery.counts().pending and time.monotonic() < until_s:
            delivery.before_fork()
            delivery.after_fork_in_parent()
            time.sleep(0.01)

        assert delivery.counts().accepted == 1
        delivery.close()


@pytest.mark.parametrize("ends", [False, True])
def test_what_waits_is_sent_although_the_thread_does_not_return_by_itself(monkeypatch, ends):
    monkeypatch.setattr(delivery_module, "_RETURNS_AT_ONCE", False)
    with hostile(["slow"]) as server:
        delivery = sink(server.url, exit_s=2.0)
        delivery.put(announced(1))
        delivery.before_fork()
        delivery.after_fork_in_parent()
        assert not is_there(delivery)

        assert ends or delivery.flush(20)
        delivery.close()

        assert delivery.counts().accepted == 1
