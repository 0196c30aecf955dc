"""Every query that the documentation shows can be asked."""

import re
from pathlib import Path

import pytest

from flowtrail.query.fields import FIELDS
from flowtrail.query.parse import parse

PAGE = (Path(__file__).parents[2] / "docs/query-language.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE)
EXAMPLES = re.search(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[1].splitlines()


@pytest.mark.parametrize("query", [*SHOWN, *EXAMPLES])
def test_a_query_of_the_documentation_is_understood(query: str):
    parse(query, 1_795_428_000_000_000)


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_is_documented(field: str):
    assert any(re.match(rf"-?{field}:", query) for query in SHOWN)
