"""Hostile servers, hostile values, and every way a host lives and ends, many times over."""

import random
import socket
import statistics
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.ends import LIVES, program
from tests.support.hostile import hostile
from tests.support.hostile_values import PROGRAM
from tests.support.hosts import run
from tests.support.scripts import play, without_us
from tests.support.served import served

SCRIPTS = 2_000
VALUES = 200
TIMES = 20
AT_ONCE = 4
DELAY_S = 2.1


@pytest.mark.torture
def test_two_thousand_random_scripts_of_a_hostile_server_show_nothing():
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(play, range(10_000, 10_000 + SCRIPTS)))

    delays = sorted(outcome.delay_s for outcome in outcomes)
    print(
        f"{len(outcomes)} scripts: {sum(each.accepted for each in outcomes)} accepted, "
        f"{sum(each.rejected for each in outcomes)} rejected, {sum(each.dropped for each in outcomes)} dropped; "
        f"exit delayed by {statistics.median(delays):.3f} s (half), {delays[-len(delays) // 100]:.3f} s (99 %), "
        f"{delays[-1]:.3f} s (most); memory at most {max(each.peak_kib for each in outcomes)} KiB more"
    )
    assert delays[-1] <= DELAY_S


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(4))
def test_two_hundred_hostile_values_show_nothing(seed):
    values = {"TEST_SEED": str(seed), "TEST_VALUES": str(VALUES)}
    without = run(PROGRAM, **values)
    with served() as server:
        ran = run(PROGRAM, url=server.url, **values)

    assert without.code == 3
    assert ran.shown == without.shown
    (told,) = ran.told
    assert told["produced"] == told["accepted"] > VALUES


@pytest.mark.torture
def test_every_life_and_end_twenty_times_with_every_kind_of_server():
    with (
        socket.socket() as unused,
        hostile(["hang"]) as hanging,
        hostile(["drip"]) as dripping,
        served() as good,
    ):
        unused.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{unused.getsockname()[1]}"
        servers = [good.url, dead, hanging.url, dripping.url]

        def live(case):
            name, number = case
            ran = run(program(name), url=servers[number % len(servers)])
            what = f"{name}, number {number}"
            assert ran.shown == without_us(name).shown, f"{what}: {ran.shown}"
            for told in ran.told:
                lost = sum(told["dropped"].values()) + sum(told["rejected"].values())
                assert told["produced"] == told["accepted"] + lost, f"{what}: {told}"
                assert told["tasks"] == max(told["threads"], 1), f"{what}: {told}"
            return max([told["delay_s"] or 0.0 for told in ran.told], default=0.0)

        cases = [(name, number) for name in LIVES for number in range(TIMES)]
        random.Random(1).shuffle(cases)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            delays = list(pool.map(live, cases))

    print(f"{len(delays)} lives; exit delayed by {max(delays):.3f} s at most")
    assert max(delays) <= DELAY_S
