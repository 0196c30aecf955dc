"""The page about delivery says what the code does."""

import re
from dataclasses import fields
from pathlib import Path

from flowtrail.sdk import delivery, parcels
from flowtrail.sdk.counts import Counts
from flowtrail.sdk.courier import INTERNAL
from flowtrail.sdk.settings import SETTINGS, default_of

PAGE = (Path(__file__).parents[2] / "docs" / "delivery.md").read_text(encoding="utf-8")


def rows(heading):
    table = re.search(rf"^\| {re.escape(heading)} \|.*?\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert table, heading
    return [[cell.strip() for cell in row.strip("|\n").split(" |")] for row in table[1].splitlines()]


def test_every_setting_is_documented_as_it_is():
    documented = [[re.sub("`", "", cell) for cell in row] for row in rows("setting")]

    def default(field):
        value = default_of(field)
        return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)

    assert documented == [
        [
            setting.field,
            setting.variable,
            default(setting.field),
            setting.allowed.replace("`", ""),
            setting.meaning.replace("`", ""),
        ]
        for setting in SETTINGS
    ]


def test_every_count_is_documented():
    told = {name for row in rows("count") for name in re.findall(r"`(\w+)`", row[0])}

    assert told == {field.name for field in fields(Counts)} | {"produced"}


def test_every_reason_for_giving_up_is_documented():
    told = {row[0].strip("`") for row in rows("dropped because")}

    assert told == {
        delivery.FULL,
        delivery.OLDEST,
        delivery.EXIT,
        delivery.CLOSED,
        parcels.UNENCODABLE,
        parcels.TOO_LARGE,
        INTERNAL,
    }
