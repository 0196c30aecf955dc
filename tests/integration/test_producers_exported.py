"""Reports and declarations leave and come back as they were said."""

from flowtrail.intake.wire import decode_body
from flowtrail.model.records import AnyRecord, BlockRecord, ReportRecord, encode_record
from flowtrail.query.export import open_export
from flowtrail.storage.memory.store import MemoryStore
from tests.support.journaling import Journaling, project
from tests.support.records import BASE, order_id
from tests.support.views import seen


def statements() -> list[AnyRecord]:
    """Of two sessions, with gaps and reports."""
    return [
        ReportRecord(BASE + seq, producer, seq, seq + 3, seq, {"full": seq // 10, "exit": 1})
        if seq % 10 == 0
        else BlockRecord(
            order_id(seq), BASE + seq, producer, seq, b"\1" * 8, "map", "running", None, BASE + seq
        )
        for producer in ("shop-1/7f", "till 7/ä")
        for seq in range(1, 60)
        if seq not in {7, 8, 31}
    ]


def test_an_export_of_everything_says_the_same_of_every_producer_when_it_is_imported():
    records = statements()
    flow = decode_body(
        b'{"kind":"flow","at":1790000000000000,"flow":"shop","version":"3","stages":["in","out"],"producer":"a/1","seq":1,'
        b'"blocks":[{"name":"map","stage":"in","workers":2}],"deadline_s":86400.5}',
        "application/json",
        None,
        BASE,
    )
    store, again = MemoryStore(), MemoryStore()
    store.open()
    again.open()
    Journaling(store).append([*records, *flow.records])
    project(store)

    sent = b"".join(open_export(store, "default", format="ndjson", now=BASE).parts)
    taken = decode_body(sent, "application/x-ndjson", None, BASE)
    assert taken.rejected == []
    assert sorted(taken.encoded) == sorted(map(encode_record, [*records, *flow.records]))
    Journaling(again).append(taken.records)
    project(again)

    assert seen(again) == seen(store)
