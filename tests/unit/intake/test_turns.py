"""Turns: first come, first served, and nobody waits longer than they want to."""

import threading
from concurrent.futures import ThreadPoolExecutor

from flowtrail.intake.turns import Turns
from tests.support.faults import until


def test_who_comes_while_nobody_has_it_has_it_at_once():
    turns = Turns()

    for _ in range(2):
        assert turns.take(0)
        turns.give()


def test_they_come_in_the_order_in_which_they_lined_up():
    turns, served = Turns(), []

    def work(number):
        with turns.taken():
            served.append(number)

    with ThreadPoolExecutor(8) as pool:
        with turns.taken():
            for number in range(8):
                pool.submit(work, number)
                until(lambda waiting=number + 2: len(turns._line) == waiting)
            assert served == []
        until(lambda: len(served) == 8)

    assert served == list(range(8))


def test_who_loses_patience_leaves_the_line_and_holds_nobody_up():
    turns = Turns()

    with ThreadPoolExecutor(2) as pool:
        with turns.taken():
            assert pool.submit(turns.take, 0.01).result(10) is False
            patient = pool.submit(turns.take)
            until(lambda: len(turns._line) == 2)
        assert patient.result(10)
        turns.give()

    assert turns.take(0)


def test_nobody_computes_beside_another():
    turns, inside, most = Turns(), [], []
    begun = threading.Barrier(4)

    def work():
        begun.wait(10)
        for _ in range(200):
            with turns.taken():
                inside.append(None)
                most.append(len(inside))
                inside.pop()

    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(work) for _ in range(4)]:
            future.result(30)

    assert max(most) == 1
    assert len(most) == 800
