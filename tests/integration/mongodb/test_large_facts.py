"""What a transaction says of itself stands in one document, which MongoDB bounds at 16 MiB: what would exceed it is set
aside, is said to be, and holds nobody up."""

import json
from random import Random

import pytest

from flowtrail.ledger.check import check
from flowtrail.server.run import serving
from tests.support.reading import Told

LONG, NEXT = "0192e4a0b1c27d3e8f90a1b2c3d4e5f6", "0192e4a0b1c27d3e8f90a1b2c3d4e5f7"
BEGAN = 1_790_000_000_000_000
OPENED = {"kind": "transaction", "flow": "bulk", "object_type": "file", "created_at": BEGAN}
ATTEMPTS = 400


def lines(records):
    return [json.dumps(record, ensure_ascii=False).encode() for record in records]


@pytest.mark.torture
def test_facts_beyond_a_document_are_set_aside_and_nobody_waits(mongodb_url, opened):
    random = Random(3)
    printable = "".join(map(chr, range(35, 92)))
    attributes = [
        {**OPENED, "id": LONG, "object_id": "long", "at": BEGAN + n,
         "attributes": {f"a{n:02}": "".join(random.choices(printable, k=260_000))}}
        for n in range(64)
    ]  # fmt: skip
    ends = [
        {"kind": "end", "transaction": LONG, "outcome": "failed", "attempt": n + 1, "ended_at": BEGAN + n,
         "reason": "".join(map(chr, random.choices(range(0x10000, 0x10FFFF), k=4_000)))}
        for n in range(ATTEMPTS)
    ]  # fmt: skip

    with serving(mongodb_url, writing=True, after_timeout_s=60) as address:
        told = Told(address)
        told.say(lines(attributes))
        told.say(lines(ends))
        told.say(lines([{**OPENED, "id": NEXT, "object_id": "next"}]))

        long = told.get(f"/v1/transactions/{LONG}")
        assert len(long["attributes"]) == 64
        assert long["set_aside"]
        assert all("DocumentTooLarge" in aside["reason"] for aside in long["set_aside"])
        assert [row["object_id"] for row in told.transactions()] == ["next", "long"]
        assert told.http.get("/readyz").status_code == 200

    report = check(opened(create=False))
    assert {entry.transaction.hex() for entry in report.set_aside} == {LONG}
    assert {finding.where for finding in report.findings if finding.code == "state"} == {
        f"transaction default/{LONG}"
    }
