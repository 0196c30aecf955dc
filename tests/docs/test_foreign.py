"""The pages about foreign protocols say what the mappings do."""

import re
from pathlib import Path

from flowtrail.intake.foreign import cloudevents, openlineage
from flowtrail.model import redaction, sensitive
from tests.support.foreign import whole
from tests.support.served import served

DOCS = Path(__file__).parents[2] / "docs"


def test_every_extension_attribute_of_ours_is_documented_and_no_other():
    page = (DOCS / "cloudevents.md").read_text(encoding="utf-8")

    assert re.findall(r"^\| `flowtrail([a-z]+)` \|", page, re.MULTILINE) == list(cloudevents.EXTENSIONS)


def test_every_type_of_event_of_openlineage_is_documented_with_what_it_means():
    page = (DOCS / "openlineage.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[A-Z]+`[^|]*)\|([^|]*)\|([^|]*)\|$", page, re.MULTILINE)

    assert [re.search("[A-Z]+", types)[0] for types, _, _ in rows] == sorted(
        openlineage.STATUSES, key=["START", "RUNNING", "COMPLETE", "FAIL", "ABORT", "OTHER"].index
    )
    for types, execution, transaction in rows:
        name = re.search("[A-Z]+", types)[0]
        assert (openlineage.STATUSES[name] or "nothing") in execution
        assert openlineage.OUTCOMES.get(name, "") in transaction


def test_the_client_of_openlineage_is_used_as_documented():
    page = (DOCS / "openlineage.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)

    with served() as server:
        exec(compile(code.replace("http://127.0.0.1:8765", server.url), "openlineage.md", "exec"), {})

        assert whole(server, "type:run")["status"] == "delivered"


def test_policies_fields_and_named_patterns_of_redaction_are_documented_and_no_other():
    page = (DOCS / "guides" / "redaction.md").read_text(encoding="utf-8")

    policies, named = (
        re.findall(r"^\| `(\w+)` \|", page[page.index(heading) :].split("\n\n")[0], re.MULTILINE)
        for heading in ("| policy |", "| instead of a pattern |")
    )
    assert policies == list(redaction.POLICIES)
    assert set(named) == set(sensitive.NAMED)
    for field in redaction.FIELDS:
        assert f"`{field}`" in page or f"`{field}.NAME`" in page
