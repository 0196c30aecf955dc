"""What the guide and the API's page say of refused records and exports is so."""

import json
import re
from pathlib import Path

from flowtrail.query.export import CONTENTS, FORMATS
from tests.support.served import block, served, transaction

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = (DOCS / "guides" / "export.md").read_text(encoding="utf-8")
API = (DOCS / "api.md").read_text(encoding="utf-8")
NUMBERED = [
    transaction(producer="shop/1", seq=1),
    block(producer="shop/1", seq=2, nonsense="never-exported"),
    block(producer="shop/1", seq=3),
]
CONTENTS_OF = {"ndjson": ("records", "transactions"), "csv": ("transactions", "executions")}


def account(server):
    (session,) = server.get("/v1/producers").json()["producers"]
    return {name: session[name] for name in ("received", "rejected", "missing", "verdict")}


def test_the_guide_and_the_api_say_where_refused_records_are_told():
    assert "An export holds accepted records only, in every format." in GUIDE
    assert re.search(
        r"`flowtrail producers` and \[`GET /v1/producers`\]\(\.\./api\.md#what-was-refused\)", GUIDE
    )
    assert "It holds accepted records only; [what was refused](#what-was-refused) is told elsewhere." in API
    refused = API.partition("### What was refused\n")[2].partition("\n#")[0]
    assert "`GET /v1/producers`" in refused
    assert "`flowtrail_records_rejected_total`" in refused


def test_an_export_holds_accepted_records_only_and_producers_tell_the_others():
    with served() as server, served() as copy:
        answer = server.post(*NUMBERED)
        assert [each["index"] for each in answer.json()["rejected"]] == [1]
        server.seen(transaction(2))

        for kind in FORMATS:
            for content in CONTENTS_OF.get(kind, (None,)):
                asked = {"format": kind} | ({"content": content} if content else {})
                assert "never-exported" not in server.get("/v1/export", **asked).text
        assert set(CONTENTS) >= {each for some in CONTENTS_OF.values() for each in some}
        records = [json.loads(line) for line in server.get("/v1/export").text.splitlines()]
        assert [record["seq"] for record in records if "seq" in record] == [1, 3]

        told = {"received": 3, "rejected": 1, "missing": 0, "verdict": "lost"}
        assert account(server) == told
        assert 'flowtrail_records_rejected_total{code="unknown_field"} 1.0' in server.get("/metrics").text

        copy.seen(*records)
        assert account(copy) == {"received": 2, "rejected": 0, "missing": 1, "verdict": "gaps"}
