"""How a life is worded: texts of others on a terminal, and durations."""

import pytest
from rich.cells import cell_len

from flowtrail.projection.life import life, plain, safe, told_seconds


@pytest.mark.parametrize(
    "text",
    ["Prix\u00a0: 12\u202f€", "株式会社\u3000山田", "می\u200cخواهم", "👩\u200d💻", "e\u0301", "two words"],
)
def test_text_of_every_script_stays_as_it_is(text):
    assert safe(text) == text


@pytest.mark.parametrize("control", "\x00\t\n\r\x1b\x7f\x85\x9b\u00ad\u200b\u2028\u202e\u2066\ufeff")
def test_what_a_terminal_obeys_and_what_turns_text_around_is_replaced(control):
    assert safe(f"a{control}b") == "a\ufffdb"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (None, ""),
        (0, "0 µs"),
        (0.0004, "400 µs"),
        (1.5, "1.5 s"),
        (-5, "-5 s"),
        (-0.25, "-250 ms"),
        (3_600, "60 min"),
        (86_400, "24 h"),
        (86_400 * 3, "3 d"),
        (86_400 * 999.4, "999 d"),
        (86_400 * 999.6, "1,000 d"),
        (86_400 * 12_345, "12,345 d"),
    ],
)
def test_a_duration_is_told_in_a_unit_that_people_use(seconds, told):
    assert told_seconds(seconds) == told


@pytest.mark.parametrize(
    "name", ["map", "住所を確認する", "e\u0301te\u0301", "出" * 60, "x" * 99, "a" + "出" * 60]
)
def test_bars_stand_below_each_other_whatever_the_blocks_are_called(name):
    at = "2026-11-23T10:00:00.000000Z"
    block = dict.fromkeys(["queued_at", "parent", "wait_s", "skip"])
    block |= {"status": "succeeded", "attempt": 1, "started_at": at, "ended_at": at, "work_s": 1.0}
    block |= {"exceptions": [], "details": {}}
    found = dict.fromkeys(["flow", "version", "duration_s", "current_block", "reason", "predicate"])
    found |= {
        "announced": False,
        "status": "delivered",
        "attempt": 1,
        "id": "00",
        "keys": {},
        "attributes": {},
    }
    found |= {"created_at": at, "ended_at": at, "updated_at": at, "truncated": False}
    found["blocks"] = [
        block | {"id": str(number), "block": each} for number, each in enumerate([name, "ship"])
    ]

    lines = plain(life(found, {"parents": [], "children": []}, 120)).splitlines()

    bars = [cell_len(line.partition("█")[0]) for line in lines if "█" in line and "░" not in line]
    assert len(bars) == 2
    assert bars[0] == bars[1]
