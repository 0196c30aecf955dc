"""The page of limits says what the code does."""

import re
from pathlib import Path

import pytest

from flowtrail.model import limits

PAGE = (Path(__file__).parents[2] / "docs" / "limits.md").read_text(encoding="utf-8")
LIMITS = {name: value for name, value in vars(limits).items() if name.isupper()}
LINES = [line for line in PAGE.splitlines() if "`" in line]


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_stands_on_the_page_with_its_number(name):
    named = [line for line in LINES if f"`{name}`" in line]

    assert named, "the page does not name it"
    assert all(f"{LIMITS[name]:,}" in line for line in named)


def test_the_page_names_no_other_limit():
    named = set(re.findall(r"`([A-Z][A-Z_]+)`", PAGE))

    assert named - set(LIMITS) == set()


def test_every_limit_has_a_reason():
    source = Path(limits.__file__).read_text(encoding="utf-8")

    assert [
        name for name in LIMITS if not re.search(rf'^{name}: Final = .*\n"""', source, re.MULTILINE)
    ] == []
