"""The page of records is what the wire takes and refuses."""

import re
from pathlib import Path

import pytest

from flowtrail.intake.suspects import FIELDS, REQUIRED
from flowtrail.intake.wire import decode_body

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "records.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
EXAMPLES = re.findall(r"^```json\n(.*?)\n^```", PAGE, re.MULTILINE | re.DOTALL)
SHARED = set(FIELDS["link"]) - {"parent", "child", "relation"}
# Where a refusal can come from; importers and the rest of intake have codes of their own.
SOURCES = [
    *[ROOT / "src/flowtrail/intake" / f"{name}.py" for name in ("exact", "fields", "rules", "suspects")],
    ROOT / "src/flowtrail/model/instants.py",
]
BODY_SOURCES = [ROOT / "src/flowtrail/intake" / f"{name}.py" for name in ("bodies", "chunks")]


def documented(section: str) -> dict[str, bool]:
    """The fields of a section's table, and whether they are in bold."""
    rows = re.findall(r"^\| (\*\*)?`(\w+)`(?:\*\*)? \|", SECTIONS[section], re.MULTILINE)
    return {name: bool(bold) for bold, name in rows}


def codes(paths: list[Path]) -> set[str]:
    source = "\n".join(path.read_text(encoding="utf-8") for path in paths)
    raised = re.findall(r'Refusal\(\s*"(\w+)"', source)
    formed = re.findall(r'_formed\(\s*\w+,\s*"(\w+)"', source)
    return {*raised, *formed} - {"invalid_duration"}


@pytest.mark.parametrize("kind", FIELDS)
def test_every_field_of_a_kind_is_told_with_whether_it_is_required(kind):
    told = {**documented("What all kinds share"), **documented(kind)}

    assert set(told) == set(FIELDS[kind])
    assert {name for name, bold in documented(kind).items() if bold} == REQUIRED[kind] - SHARED
    for name in REQUIRED[kind] & SHARED - {"kind"}:
        assert f"`{name}`" in SECTIONS[kind]


def test_no_kind_is_missing():
    assert [name for name in SECTIONS if name in FIELDS] == list(FIELDS)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_accepted(example):
    decoded = decode_body(example.encode(), "application/x-ndjson", None, 0)

    assert decoded.rejected == []
    assert len(decoded.records) == len(example.splitlines())


@pytest.mark.parametrize("kind", FIELDS)
def test_the_examples_of_a_kind_show_every_field_of_it(kind):
    shown = re.findall(r'"(\w+)":', "\n".join(re.findall(r"```json\n(.*?)```", SECTIONS[kind], re.DOTALL)))

    assert set(FIELDS[kind]) - SHARED - set(shown) == set()


def test_every_code_of_a_refused_record_is_told_and_no_other():
    tables = SECTIONS["What is refused"].split("The body as a whole")
    told = [re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) for table in tables]

    assert sorted(told[0]) == sorted(codes(SOURCES))
    assert sorted(told[1]) == sorted(codes(BODY_SOURCES))


def test_the_statuses_of_refused_bodies_are_the_right_ones():
    told = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", SECTIONS["What is refused"], re.MULTILINE))
    source = "\n".join(path.read_text(encoding="utf-8") for path in BODY_SOURCES)
    raised = {
        code: status or "400"
        for code, status in re.findall(r'Refusal\(\s*"(\w+)".*?(?:,\s*(4\d\d),?)?\s*\)\n', source, re.DOTALL)
    }

    assert raised == told
