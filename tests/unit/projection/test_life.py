"""How a life is worded: texts of others on a terminal, and durations."""

import pytest

from flowtrail.projection.life import safe, told_seconds


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
