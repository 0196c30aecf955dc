import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail.intake.chunks import cut
from flowtrail.intake.suspects import read_exact
from flowtrail.intake.typed import read_typed
from flowtrail.intake.wire import decode_body
from flowtrail.model.errors import Refusal
from flowtrail.model.limits import NEWEST_INSTANT_US, OLDEST_INSTANT_US
from flowtrail.model.records import (
    BlockRecord,
    EndRecord,
    LinkRecord,
    TransactionRecord,
    decode_record,
    encode_record,
)
from flowtrail.simulator.workload import Workload, bodies
from tests.support import wire

LINES = "application/x-ndjson"
JSON = "application/json"


def typed(texts):
    """What the typed reading says of them: canonical bytes, or None where it is not certain."""
    (chunk,) = cut(b"\n".join(texts), lines=True)
    return read_typed(chunk)


def exactly(text: bytes):
    """What the exact reading says of one record: its canonical bytes, or the code of its refusal."""
    try:
        return encode_record(read_exact(text)), None
    except Refusal as refusal:
        return None, refusal.code


@given(wire.batches())
def test_sound_records_are_accepted_in_their_order(texts):
    decoded = decode_body(b"\n".join(texts), LINES, None, 0)

    assert decoded.rejected == []
    assert decoded.encoded == [encode_record(read_exact(text)) for text in texts]
    assert decoded.encoded == [encode_record(record) for record in decoded.records]


@given(wire.records, st.randoms())
def test_a_canonical_record_keeps_what_the_model_promises(sent, random):
    record = decode_body(wire.write(sent, random), LINES, None, 0).records[0]

    assert decode_record(encode_record(record)) == record
    assert isinstance(record, LinkRecord) or record.at is not None
    for name, value in zip(record.__struct_fields__, msgspec.structs.astuple(record), strict=True):
        assert value not in ({}, [], ""), name
        if (
            name in {"at", "created_at", "deadline_at", "queued_at", "started_at", "ended_at"}
            and value is not None
        ):
            assert OLDEST_INSTANT_US <= value < NEWEST_INSTANT_US
        if name in {"id", "transaction", "parent", "child", "retry_of"} and value is not None:
            assert len(value) == (8 if isinstance(record, BlockRecord) and name != "transaction" else 16)
    if isinstance(record, BlockRecord):
        implies = record.ended_at or record.started_at or record.queued_at or record.exceptions or record.skip
        assert record.status is not None or not implies


@given(wire.batches(damaged=True))
def test_damage_is_refused_per_record_as_the_exact_reading_refuses_it_alone(texts):
    decoded = decode_body(b"\n".join(texts), LINES, None, 0)

    expected = [exactly(text) for text in texts if text.strip()]
    assert decoded.encoded == [encoded for encoded, _ in expected if encoded is not None]
    assert [(each.index, each.code) for each in decoded.rejected] == [
        (index, code) for index, (_, code) in enumerate(expected) if code is not None
    ]
    msgspec.json.encode(decoded.rejected)


@given(wire.batches(damaged=True))
def test_where_the_typed_reading_is_certain_the_exact_one_says_the_same(texts):
    texts = [text for text in texts if text.strip()]
    for text, record in zip(texts, typed(texts), strict=True):
        if record is not None:
            assert (record, None) == exactly(text)
            assert decode_record(record) == read_exact(text)


@given(
    st.binary(max_size=60) | st.builds(b",".join, wire.batches(damaged=True)), st.sampled_from([LINES, JSON])
)
def test_whatever_the_bytes_nothing_but_a_refusal_is_raised(body, content_type):
    try:
        decoded = decode_body(body, content_type, None, 0)
    except Refusal as refusal:
        assert refusal.status in {400, 413}  # noqa: PT017 -- both ways of refusing are right
    else:
        assert decoded.records or decoded.rejected


@given(wire.batches())
def test_an_array_says_the_same_as_lines(texts):
    lines = decode_body(b"\n".join(texts), LINES, None, 0)
    array = decode_body(b" [ " + b" ,\n ".join(texts) + b"]\n", JSON, None, 0)

    assert array.encoded == lines.encoded


def test_the_usual_load_never_needs_the_exact_reading():
    for interleaved in (1, 50):
        for body in bodies(Workload(200, open_transactions=interleaved)):
            texts = body.split(b"\n")
            assert None not in typed(texts)
            assert typed(texts) == [encode_record(read_exact(text)) for text in texts]


@pytest.mark.parametrize(
    "extra",
    [
        {"details": {"lines": 3, "nested": {"a": [1, None]}}},
        {"usage": {"cpu_seconds": 0.31, "bytes_in": 2048}},
        {"exceptions": [{"type": "KeyError", "message": "'sku'", "frames": [{"line": 3, "in_app": False}]}]},
        {"status": "skipped", "skip": {"predicate": "paid", "expected": [True], "actual": None}},
        {"status": None, "worker": None},
        {"producer": "shop-1/7f3a", "seq": 1, "worker": "w1", "attempt": 2, "parent": "00f067aa0ba902b8"},
        {"queued_at": "2026-11-23T10:00:00Z", "started_at": 1_795_428_000_000_000},
        {"queued_at": "2026-11-23T10:00:00.000000Z", "started_at": "2026-11-24T10:00:00.000000Z"},
        {"queued_at": "2026-11-24T10:00:00.000000Z", "started_at": "2026-11-23T10:00:00.000000Z"},
        {
            "exceptions": [
                {"type": "E", "message": "", "frames": [], "cause": {"type": "F"}, "raised_at": wire.AT}
            ]
        },
        {"exceptions": [], "details": {}, "usage": {}},
        {"status": "running", "ended_at": None, "started_at": "2026-11-23T12:00:00+02:00"},
    ],
)
def test_what_producers_usually_add_does_not_need_it_either(extra):
    text = wire.line({**wire.BLOCK, **extra})

    assert typed([text] * 20) == [encode_record(read_exact(text))] * 20


def test_every_field_of_a_transaction_arrives():
    record = decode_body(
        wire.line(
            {
                **wire.TRANSACTION,
                "version": "3",
                "keys": {"customer": "C-9"},
                "attributes": {"lines": [1, {"x": None}], "express": True},
                "deadline_at": "2026-11-24T11:00:00+01:00",
                "attempt": 2,
                "retry_of": wire.OTHER,
                "trace": "t1",
                "value": "-129.90",
                "currency": "EUR",
                "producer": "shop-1/7f3a",
                "seq": 7,
            }
        ),
        LINES,
        None,
        0,
    ).records[0]

    assert record == TransactionRecord(
        id=bytes.fromhex(wire.KEY),
        at=wire.AT_US,
        producer="shop-1/7f3a",
        seq=7,
        flow="shop-to-erp",
        object_type="order",
        object_id="4711",
        version="3",
        keys={"customer": "C-9"},
        attributes={"lines": [1, {"x": None}], "express": True},
        created_at=wire.AT_US,
        deadline_at=1_795_514_400_000_000,
        attempt=2,
        retry_of=bytes.fromhex(wire.OTHER),
        trace="t1",
        value="-129.90",
        currency="EUR",
    )


def test_an_instant_of_its_own_is_when_a_record_was_stated_but_a_deadline_is_not():
    def at(record):
        return decode_body(wire.line(record), LINES, None, 0).records[0].at

    later = "2027-01-01T00:00:00Z"
    assert at({**wire.TRANSACTION, "deadline_at": later}) == wire.AT_US
    assert at({**wire.BLOCK, "queued_at": later}) > wire.AT_US
    assert at({**wire.BLOCK, "at": 1_795_428_000_000_000, "queued_at": later}) == 1_795_428_000_000_000
    assert at(wire.LINK) is None
    assert at(wire.END) == wire.AT_US


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({"ended_at": wire.AT}, "succeeded"),
        ({"ended_at": wire.AT, "exceptions": [{"type": "E"}]}, "failed"),
        ({"started_at": wire.AT, "exceptions": [{"type": "E"}]}, "failed"),
        ({"started_at": wire.AT, "queued_at": wire.AT}, "running"),
        ({"queued_at": wire.AT}, "pending"),
        ({"at": wire.AT, "skip": {"predicate": "paid"}}, "skipped"),
        ({"at": wire.AT, "details": {"a": 1}}, None),
        ({"at": wire.AT, "exceptions": []}, None),
        ({"ended_at": wire.AT, "status": "failed"}, "failed"),
        ({"started_at": wire.AT, "status": "succeeded", "exceptions": [{"type": "E"}]}, "succeeded"),
    ],
)
def test_a_record_that_implies_a_status_gets_it(facts, status):
    text = wire.line(
        {"kind": "block", "transaction": wire.KEY, "id": wire.EXECUTION, "block": "map", **facts}
    )

    assert decode_body(text, LINES, None, 0).records[0].status == status


def test_empty_texts_maps_and_lists_count_as_absent():
    record = {**wire.BLOCK, "stage": "", "worker": "", "details": {}, "usage": {}, "exceptions": []}

    assert decode_body(wire.line(record), LINES, None, 0).encoded == [
        encode_record(read_exact(wire.line(wire.BLOCK)))
    ]


def test_an_end_without_an_attempt_ends_the_first():
    record = decode_body(wire.line(wire.END), LINES, None, 0).records[0]

    assert record == EndRecord(bytes.fromhex(wire.KEY), wire.AT_US, outcome="delivered", ended_at=wire.AT_US)
    assert record.attempt == 1


def test_one_bad_record_spoils_no_other_and_is_counted_without_blank_lines():
    texts = [
        wire.line(wire.BLOCK),
        b"",
        b" \t\r",
        b'{"kind":"end"',
        wire.line(wire.END),
        b'{"kind":"nothing"}',
        b"",
    ]

    decoded = decode_body(b"\r\n".join(texts), LINES, None, 5)

    assert [type(record) for record in decoded.records] == [BlockRecord, EndRecord]
    assert [(each.index, each.code, each.field) for each in decoded.rejected] == [
        (1, "invalid_json", None),
        (3, "unknown_kind", "kind"),
    ]
    assert decoded.received_at == 5


def test_one_broken_element_spoils_no_other_of_its_array():
    good = wire.line(wire.BLOCK)
    deep = b'{"kind":"block","details":{"a":' + b"[" * 3_000 + b"]" * 3_000 + b"}}"
    body = (
        b"[" + b",".join([good, b'{"kind":NaN,"x":"],["}', good, deep, b'{"kind":"end",}', b"7", good]) + b"]"
    )

    decoded = decode_body(body, JSON, None, 0)

    assert len(decoded.records) == 3
    assert [(each.index, each.code) for each in decoded.rejected] == [
        (1, "invalid_number"),
        (3, "too_deep"),
        (4, "invalid_json"),
        (5, "wrong_type"),
    ]


def test_a_refused_record_names_its_producer_and_sequence_where_they_can_be_read():
    texts = [
        {**wire.BLOCK, "producer": "shop-1/7f3a", "seq": 4, "id": "x"},
        {**wire.BLOCK, "producer": "shop-1", "seq": 5},
        {**wire.BLOCK, "producer": "shop-1/7f3a", "seq": 0},
        {**wire.BLOCK, "seq": 6},
    ]

    decoded = decode_body(b"\n".join(map(wire.line, texts)), LINES, None, 0)

    assert [(each.producer, each.seq) for each in decoded.rejected] == [
        ("shop-1/7f3a", 4),
        (None, None),
        ("shop-1/7f3a", None),
        (None, None),
    ]


def test_instants_beyond_microseconds_are_cut_alike_by_both_readings():
    texts = [wire.line({**wire.BLOCK, "ended_at": "2026-11-23T10:00:00.000120999Z"})] * 20

    assert {decode_record(record).ended_at for record in typed(texts)} == {wire.AT_US}
    assert read_exact(texts[0]).ended_at == wire.AT_US
