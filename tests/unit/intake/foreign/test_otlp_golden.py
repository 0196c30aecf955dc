"""The standards' own examples, and what they become, in both encodings. Each names where its values come from."""

import json
from pathlib import Path

import pytest

from flowtrail.intake.foreign.otlp import JSON, PROTOBUF
from tests.support.otlp import read, told

CASES = json.loads((Path(__file__).parent / "golden" / "otlp.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_examples_become_these_records(case, kind):
    decoded = read(case["request"], kind)

    assert decoded.rejected == []
    assert told(decoded) == case["records"]
