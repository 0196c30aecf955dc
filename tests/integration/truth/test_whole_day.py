"""A day of spans, its records shuffled and then told a second time in yet another order, answers like its reference.

Every entry of the reference is worked out from what the server tells of each transaction, and is read from statistics
too. `pytest -m torture -s tests/integration/truth/test_whole_day.py` tells the whole day, and prints what each step took.
"""

from collections import Counter
from datetime import datetime, timedelta
from random import Random
from time import monotonic

import pytest

from tests.integration.truth.conftest import SPANS
from tests.support.day import answers, differences, of_reference, recounted, told_steps
from tests.support.reading import micros
from tests.support.truth import SEED

WAVES = 4
INSTANT = "%Y-%m-%dT%H:%M:%SZ"
EXACT = ("n", "sum", "min", "max")


@pytest.fixture(scope="module")
def truth(log):
    """The reference's answers; where it has none, those of the rows."""
    worked_out = answers(recounted(log.recount))
    return worked_out if log.reference is None else of_reference(log.reference)


def shuffled(lines, seed):
    found = list(lines)
    Random(seed).shuffle(found)
    return found


def waves(lines):
    """Parts that are visible one after the other, so that no transaction is folded at once."""
    size = len(lines) // WAVES + 1
    return [lines[first : first + size] for first in range(0, len(lines), size)]


def from_rows(told, rows):
    """What a scan tells, hour by hour: one of a whole day is given up after 20 s on a busy machine, and says so."""
    found: dict[str, dict[str, int]] = {}
    for hour in sorted({row["created_at"][:13] for row in rows}):
        began = datetime.fromisoformat(f"{hour}:00:00+00:00")
        q = f"created:{began:{INSTANT}}..{began + timedelta(hours=1):{INSTANT}}"
        for (_, block), each in told.by_block(source="scan", q=q).items():
            work, held = each["work_s"], found.get(block)
            low, high = micros(work["min"]), micros(work["max"])
            found[block] = {
                "n": work["n"] + (held["n"] if held else 0),
                "sum": micros(work["sum"]) + (held["sum"] if held else 0),
                "min": min(low, held["min"]) if held else low,
                "max": max(high, held["max"]) if held else high,
                "executions": each["executions"]["arrivals"] + (held["executions"] if held else 0),
            }
    return found


def cells(told):
    """What cells tell: they keep no extremes."""
    return {
        block: {
            "n": each["work_s"]["n"],
            "sum": micros(each["work_s"]["sum"]),
            "executions": each["executions"]["arrivals"],
        }
        for (_, block), each in told.by_block().items()
    }


@pytest.mark.parametrize("log", SPANS, indirect=True)
def test_rows_answer_like_their_reference(log, truth):
    assert differences(answers(recounted(log.recount)), truth) == []


@pytest.mark.parametrize("log", SPANS, indirect=True)
def test_shuffled_and_told_twice_it_answers_like_its_reference(log, truth, serving_new, request):
    operations = {
        block: {name: each[name] for name in EXACT} | {"executions": each["n"]}
        for block, each in truth["operations_us"].items()
    }
    with serving_new() as told:
        for time in (1, 2):
            began = monotonic()
            for wave in waves(shuffled(log.lines, SEED + time)):
                told.say(wave)
            said = monotonic()

            rows = told.transactions()
            assert len(rows) == told.total("status:delivered") == truth["traces"]
            assert Counter(row["created_at"][11:16] for row in rows) == truth["requests_per_minute"]
            assert differences(from_rows(told, rows), operations) == []
            listed = monotonic()
            assert differences(answers(told_steps(told)), truth) == []
            for block, each in cells(told).items():
                assert each == {name: operations[block][name] for name in each}, block
            print(
                f"\n{request.node.callspec.id}, time {time}: {len(log.lines)} records told and visible in"
                f" {said - began:.0f} s, lists and statistics {listed - said:.0f} s,"
                f" every transaction {monotonic() - listed:.0f} s"
            )
