"""What a producer says, captured instead of sent."""

import msgspec
import pytest

import flowtrail
from flowtrail.intake.wire import decode_body
from flowtrail.sdk.notices import forget
from flowtrail.sdk.producer import Unheard, producer
from flowtrail.sdk.redacting import only_named


class Captured:
    """A sink that keeps what is put, and tells it as the delivery thread would."""

    def __init__(self):
        self.items = []

    def put(self, item):
        self.items.append(item)

    def grow(self, item, size):
        item.cost += size

    def flush(self, timeout_s):
        return True

    def take(self):
        """The records of everything put since, each checked by the server's own reading."""
        items, self.items = self.items, []
        records = [item.record() for item in items]
        if records:
            lines = [msgspec.json.encode(record) for record in records]
            decoded = decode_body(b"\n".join(lines), "application/x-ndjson", None, 0)
            assert decoded.rejected == []
            assert len(decoded.encoded) == len(records)
        return records

    def of(self, kind):
        return [record for record in self.take() if record["kind"] == kind]

    def parents(self):
        """Of each block by name, its parent's name."""
        blocks = self.of("block")
        names = {block["id"]: block["block"] for block in blocks}
        return {block["block"]: names.get(block.get("parent")) for block in blocks}


@pytest.fixture
def sink():
    captured = Captured()
    flowtrail.init(flow="shop-to-erp", sink=captured)
    yield captured
    producer.flow, producer.version, producer.worker = "", None, None
    producer.finish = only_named
    producer.listen(Unheard("the test is over"))
    forget()
