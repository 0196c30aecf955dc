"""The pages about foreign protocols say what the mappings do."""

import re
from pathlib import Path

from flowtrail.intake.foreign import cloudevents

DOCS = Path(__file__).parents[2] / "docs"


def test_every_extension_attribute_of_ours_is_documented_and_no_other():
    page = (DOCS / "cloudevents.md").read_text(encoding="utf-8")

    assert re.findall(r"^\| `flowtrail([a-z]+)` \|", page, re.MULTILINE) == list(cloudevents.EXTENSIONS)
