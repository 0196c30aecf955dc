"""Each way a record can be wrong, with the code and the place that the answer names."""

import json

import pytest

from flowtrail.intake.suspects import FIELDS, REQUIRED, read_exact
from flowtrail.intake.wire import decode_body
from flowtrail.model import limits
from flowtrail.model.errors import Refusal
from tests.support.wire import AT, BLOCK, END, EXECUTION, FLOW, KEY, LINK, REPORT, SMALLEST, TRANSACTION, line

LINES = "application/x-ndjson"
MISSING = object()


def rejected(text: bytes):
    """The one rejection of a record that stands between good ones; alone it is refused for the same reason."""
    good = [line(END)] * 8
    decoded = decode_body(b"\n".join([*good, text, *good]), LINES, None, 0)
    assert len(decoded.records) == 16
    (only,) = decoded.rejected
    assert only.index == 8
    with pytest.raises(Refusal) as caught:
        read_exact(text)
    assert (caught.value.code, caught.value.field) == (only.code, only.field)
    return only


def changed(record, **changes):
    merged = {**record, **changes}
    return line({name: value for name, value in merged.items() if value is not MISSING})


def nested(levels: int):
    value = 1
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


def caused(times: int):
    exception = {"type": "E"}
    for _ in range(times):
        exception = {"type": "E", "cause": exception}
    return exception


LATER = "2026-11-23T11:00:00Z"
SKIP = {"predicate": "paid"}
FAILED = {**BLOCK, "status": "failed"}

WRONG = [
    # kinds and fields
    (changed(END, kind="happening"), "unknown_kind", "kind"),
    (changed(END, kind=MISSING), "missing_field", "kind"),
    (changed(END, kind=7), "unknown_kind", "kind"),
    (changed(END, kind=None), "missing_field", "kind"),
    (changed(END, colour="red"), "unknown_field", "colour"),
    (changed(END, Outcome="failed"), "unknown_field", "Outcome"),
    (changed(LINK, ended_at=AT), "unknown_field", "ended_at"),
    (changed(FAILED, exceptions=[{"type": "E", "kind": "x"}]), "unknown_field", "exceptions[0].kind"),
    (changed(FAILED, exceptions=[{"type": "E", "frames": [{"row": 1}]}]), "unknown_field", "exceptions[0].frames[0].row"),
    (b"[]", "wrong_type", None),
    (b"null", "wrong_type", None),
    (b'"text"', "wrong_type", None),
    (b"17", "wrong_type", None),
    # grammar
    (b'{"kind":"end"', "invalid_json", None),
    (b"{'kind':'end'}", "invalid_json", None),
    (line(END) + line(END), "invalid_json", None),
    (line(END) + b"]", "invalid_json", None),
    (line(END)[:-1] + b",}", "invalid_json", None),
    (b'{"kind":"end","reason":"a\tb"}', "invalid_json", None),
    (b'{"kind":"end","attempt":01}', "invalid_json", None),
    (b'{"kind":"end","attempt":1_0}', "invalid_json", None),
    (b'{"kind":"end","reason":"\xff"}', "not_utf8", None),
    (b'{"kind":"end","reason":"\xed\xa0\x80"}', "not_utf8", None),
    (line(END).decode().encode("utf-16-le").replace(b"\n", b""), "invalid_json", None),
    (b"[" * 250_000, "too_deep", None),
    (changed(END)[:-1] + b',"reason":"a","reason":"b"}', "repeated_name", "reason"),
    (changed(END)[:-1] + b',"reason":null,"reason":"b"}', "repeated_name", "reason"),
    (changed(END)[:-1] + b',"outcome" : "failed"}', "repeated_name", "outcome"),
    (changed(END)[:-1] + b',"kind":"end"}', "repeated_name", "kind"),
    (changed(BLOCK)[:-1] + b',"details":{"a":{"x":1,"x":1}}}', "repeated_name", "details.a.x"),
    (changed(BLOCK)[:-1] + b',"details":{"a":1,"\\u0061":1}}', "repeated_name", "details.a"),
    (changed(BLOCK)[:-1] + b',"details":{"a\\\\":1,"a\\\\":1}}', "repeated_name", "details.a\\"),
    (changed(FAILED)[:-1] + b',"exceptions":[{"type":"A","type":"B"}]}', "repeated_name", "exceptions[0].type"),
    (changed(FLOW, stages=["a", "a"]), "repeated_name", "stages[1]"),
    (changed(FLOW, blocks=[{"name": "a"}, {"name": "a"}]), "repeated_name", "blocks[1].name"),
    # numbers
    (changed(BLOCK)[:-1] + b',"details":{"a":NaN}}', "invalid_number", "details.a"),
    (changed(BLOCK)[:-1] + b',"details":{"a":[1,-Infinity]}}', "invalid_number", "details.a[1]"),
    (changed(BLOCK)[:-1] + b',"details":{"a":1e999}}', "invalid_number", "details.a"),
    (changed(BLOCK)[:-1] + b',"usage":{"a":1e999}}', "invalid_number", "usage.a"),
    (changed(BLOCK, details={"a": 1 << 63}), "invalid_number", "details.a"),
    (changed(BLOCK, details={"a": [-(1 << 63) - 1]}), "invalid_number", "details.a[0]"),
    (changed(TRANSACTION, attributes={"a": {"b": 1 << 64}}), "invalid_number", "attributes.a.b"),
    (changed(BLOCK)[:-1] + b',"details":{"a":' + b"9" * 5_000 + b"}}", "invalid_number", "details.a"),
    (changed(END)[:-1] + b',"attempt":' + b"9" * 5_000 + b"}", "invalid_number", "attempt"),
    (changed(END, attempt=0), "out_of_range", "attempt"),
    (changed(END, attempt=limits.MAX_ATTEMPT + 1), "out_of_range", "attempt"),
    (changed(END, attempt=1.0), "wrong_type", "attempt"),
    (changed(END, attempt="1"), "wrong_type", "attempt"),
    (changed(END, attempt=True), "wrong_type", "attempt"),
    (changed(END, producer="a/1", seq=0), "out_of_range", "seq"),
    (changed(END, producer="a/1", seq=1 << 63), "invalid_number", "seq"),
    (changed(BLOCK, usage={"bytes_in": -1}), "out_of_range", "usage.bytes_in"),
    (changed(BLOCK, usage={"bytes_in": limits.MAX_USAGE * 2}), "out_of_range", "usage.bytes_in"),
    (changed(BLOCK, usage={"bytes_in": "1"}), "wrong_type", "usage.bytes_in"),
    (changed(BLOCK, usage={"bytes_in": None}), "wrong_type", "usage.bytes_in"),
    (changed(BLOCK, usage={"bytes_in": True}), "wrong_type", "usage.bytes_in"),
    (changed(FLOW, deadline_s=0), "out_of_range", "deadline_s"),
    (changed(FLOW, blocks=[{"name": "a", "workers": 0}]), "out_of_range", "blocks[0].workers"),
    (changed(REPORT, dropped={"full": -1}), "out_of_range", "dropped.full"),
    (changed(FAILED, exceptions=[{"type": "E", "frames": [{"line": -1}]}]), "out_of_range", "exceptions[0].frames[0].line"),
    # text
    (changed(END, reason="a\0b"), "invalid_text", "reason"),
    (changed(END, reason="\0"), "invalid_text", "reason"),
    (changed(END, reason="half \ud800"), "invalid_text", "reason"),
    (changed(END, reason="\udc00 half"), "invalid_text", "reason"),
    (changed(BLOCK, details={"a": ["\0"]}), "invalid_text", "details.a[0]"),
    (changed(BLOCK, details={"\0": 1}), "invalid_text", "details"),
    (changed(BLOCK, details={"a": {"\ud800": 1}}), "invalid_text", "details.a"),
    (changed(TRANSACTION, keys={"customer": "\0"}), "invalid_text", "keys.customer"),
    (changed(TRANSACTION, object_id=""), "empty", "object_id"),
    (changed(BLOCK, block=""), "empty", "block"),
    (changed(BLOCK, details={"": 1}), "empty", "details"),
    (changed(FLOW, stages=[""]), "empty", "stages[0]"),
    (changed(FAILED, exceptions=[{"type": ""}]), "empty", "exceptions[0].type"),
    (changed(TRANSACTION, flow="f" * 201), "too_long", "flow"),
    (changed(TRANSACTION, object_id="i" * 1_001), "too_long", "object_id"),
    (changed(TRANSACTION, keys={"a": "i" * 1_001}), "too_long", "keys.a"),
    (changed(TRANSACTION, keys={"k" * 201: "v"}), "too_long", "keys"),
    (changed(BLOCK, details={"a": {"n" * 201: 1}}), "too_long", "details.a"),
    (changed(END, reason="r" * 4_001), "too_long", "reason"),
    (changed(END, predicate="p" * 201), "too_long", "predicate"),
    (changed(TRANSACTION, flow=7), "wrong_type", "flow"),
    (changed(TRANSACTION, keys={"a": 7}), "wrong_type", "keys.a"),
    (changed(TRANSACTION, keys={"a": None}), "wrong_type", "keys.a"),
    (changed(TRANSACTION, keys=["a"]), "wrong_type", "keys"),
    (changed(FAILED, exceptions={"type": "E"}), "wrong_type", "exceptions"),
    (changed(FAILED, exceptions=[None]), "wrong_type", "exceptions[0]"),
    (changed(FAILED, exceptions=["KeyError"]), "wrong_type", "exceptions[0]"),
    (changed(FAILED, exceptions=[{"type": "E", "frames": [{"in_app": 1}]}]), "wrong_type", "exceptions[0].frames[0].in_app"),
    # how many, how deep, how large
    (changed(TRANSACTION, attributes={str(n): n for n in range(65)}), "too_many", "attributes"),
    (changed(TRANSACTION, keys={str(n): "v" for n in range(17)}), "too_many", "keys"),
    (changed(BLOCK, details={str(n): n for n in range(65)}), "too_many", "details"),
    (changed(BLOCK, usage={str(n): n for n in range(65)}), "too_many", "usage"),
    (changed(FAILED, exceptions=[{"type": "E"}] * 65), "too_many", "exceptions"),
    (changed(FLOW, stages=[str(n) for n in range(1_001)]), "too_many", "stages"),
    (changed(BLOCK, details={"a": nested(9)}), "too_deep", "details.a" + ".a[0]" * 4),
    (changed(BLOCK, status="skipped", skip={**SKIP, "expected": nested(9)}), "too_deep", "skip.expected" + ".a[0]" * 4),
    (changed(FAILED, exceptions=[caused(17)]), "too_deep", "exceptions[0]" + ".cause" * 17),
    (changed(FAILED, exceptions=[caused(300)]), "too_deep", "exceptions[0]" + ".cause" * 17),
    (changed(END, reason="r" * limits.MAX_RECORD_BYTES), "record_too_large", None),
    # ids
    (changed(END, transaction=KEY[:-1]), "invalid_id", "transaction"),
    (changed(END, transaction=KEY + "0"), "invalid_id", "transaction"),
    (changed(END, transaction=KEY.upper()), "invalid_id", "transaction"),
    (changed(END, transaction=KEY[:-1] + "g"), "invalid_id", "transaction"),
    (changed(END, transaction=KEY[:-2] + " 1"), "invalid_id", "transaction"),
    (changed(END, transaction=KEY[:-1] + "１"), "invalid_id", "transaction"),
    (changed(END, transaction="0" * 32), "invalid_id", "transaction"),
    (changed(END, transaction=7), "wrong_type", "transaction"),
    (changed(END, transaction=""), "invalid_id", "transaction"),
    (changed(BLOCK, id=KEY), "invalid_id", "id"),
    (changed(BLOCK, id="0" * 16), "invalid_id", "id"),
    (changed(BLOCK, parent="0" * 16), "invalid_id", "parent"),
    (changed(BLOCK, id="00F067AA0BA902B7"), "invalid_id", "id"),
    (changed(TRANSACTION, retry_of="0" * 32), "invalid_id", "retry_of"),
    (changed(BLOCK, parent=EXECUTION), "contradiction", "parent"),
    (changed(LINK, child=KEY), "contradiction", "child"),
    (changed(TRANSACTION, retry_of=KEY), "contradiction", "retry_of"),
    # instants
    (changed(END, ended_at="2026-11-23T10:00:00"), "naive_instant", "ended_at"),
    (changed(END, ended_at="yesterday"), "invalid_instant", "ended_at"),
    (changed(END, ended_at="2026-02-30T10:00:00Z"), "invalid_instant", "ended_at"),
    (changed(END, ended_at=""), "invalid_instant", "ended_at"),
    (changed(END, ended_at=1_795_428_000), "instant_out_of_range", "ended_at"),
    (changed(END, ended_at="1999-12-31T23:59:59Z"), "instant_out_of_range", "ended_at"),
    (changed(END, ended_at="2200-01-01T00:00:00Z"), "instant_out_of_range", "ended_at"),
    (changed(END, ended_at=1.795428e15), "wrong_type", "ended_at"),
    (changed(END, ended_at=True), "wrong_type", "ended_at"),
    (changed(FAILED, exceptions=[{"type": "E", "raised_at": "now"}]), "invalid_instant", "exceptions[0].raised_at"),
    (changed(END, ended_at=MISSING), "missing_instant", "at"),
    (changed(BLOCK, ended_at=None), "missing_instant", "at"),
    (changed(TRANSACTION, created_at=MISSING, deadline_at=AT), "missing_instant", "at"),
    (changed(FLOW, at=MISSING), "missing_field", "at"),
    (changed(REPORT, at=MISSING), "missing_field", "at"),
    # words, producers, money
    (changed(END, outcome="done"), "not_allowed", "outcome"),
    (changed(END, outcome="in_transit"), "not_allowed", "outcome"),
    (changed(BLOCK, status="ok"), "not_allowed", "status"),
    (changed(BLOCK, status=""), "not_allowed", "status"),
    (changed(BLOCK, status=["failed"]), "wrong_type", "status"),
    (changed(LINK, relation="sibling"), "not_allowed", "relation"),
    (changed(END, producer="shop"), "invalid_producer", "producer"),
    (changed(END, producer="shop/"), "invalid_producer", "producer"),
    (changed(END, producer="/7f3a"), "invalid_producer", "producer"),
    (changed(END, producer=""), "invalid_producer", "producer"),
    (changed(END, producer="p" * 200 + "/1"), "invalid_producer", "producer"),
    (changed(END, seq=1), "missing_field", "producer"),
    (changed(TRANSACTION, value="12.50"), "missing_field", "currency"),
    (changed(TRANSACTION, currency="EUR"), "missing_field", "value"),
    (changed(TRANSACTION, value=12.5, currency="EUR"), "wrong_type", "value"),
    (changed(TRANSACTION, value="12,50", currency="EUR"), "invalid_value", "value"),
    (changed(TRANSACTION, value="1e3", currency="EUR"), "invalid_value", "value"),
    (changed(TRANSACTION, value="１", currency="EUR"), "invalid_value", "value"),
    (changed(TRANSACTION, value="9" * 41, currency="EUR"), "invalid_value", "value"),
    (changed(TRANSACTION, value="1", currency="eur"), "invalid_currency", "currency"),
    # what does not go together
    (changed(BLOCK, status="running"), "contradiction", "ended_at"),
    (changed(BLOCK, status="pending"), "contradiction", "ended_at"),
    (changed(BLOCK, status="pending", ended_at=MISSING, started_at=AT), "contradiction", "started_at"),
    (changed(BLOCK, skip=SKIP), "contradiction", "skip"),
    (changed(BLOCK, status="skipped"), "missing_field", "skip"),
    (changed(BLOCK, status="skipped", skip={}), "missing_field", "skip.predicate"),
    (changed(BLOCK, status="skipped", skip=SKIP, exceptions=[{"type": "E"}]), "contradiction", "exceptions"),
]  # fmt: skip


def test_objects_that_open_without_end_are_refused():
    # Python 3.14 reads as deep as its stack goes and finds that the text ends; those before give up on the way.
    assert rejected(b'{"a":' * 50_000).code in {"too_deep", "invalid_json"}


@pytest.mark.parametrize(
    ("text", "code", "field"), WRONG, ids=lambda each: each if isinstance(each, str) else ""
)
def test_a_wrong_record_is_refused_with_code_and_field(text, code, field):
    answer = rejected(text)

    assert (answer.code, answer.field) == (code, field)
    assert answer.message
    assert len(answer.received or "") <= 120
    json.dumps([answer.message, answer.received, answer.allowed]).encode()


@pytest.mark.parametrize("kind", FIELDS)
def test_the_smallest_record_of_each_kind_is_accepted_and_each_required_field_is_missed(kind):
    smallest = SMALLEST[kind]
    assert decode_body(line(smallest), LINES, None, 0).rejected == []
    for name in REQUIRED[kind]:
        for change in (MISSING, None):
            answer = rejected(changed(smallest, **{name: change}))
            assert (answer.code, answer.field) == ("missing_field", name)


@pytest.mark.parametrize(
    "record",
    [
        {**TRANSACTION, "flow": "f" * 200, "object_id": "i" * 1_000, "keys": {"k" * 200: "v" * 1_000}},
        {
            **TRANSACTION,
            "attributes": {str(n): n for n in range(64)},
            "keys": {str(n): "" for n in range(16)},
        },
        {**TRANSACTION, "value": "9" * 40, "currency": "EUR", "attempt": limits.MAX_ATTEMPT},
        {**BLOCK, "details": {"a": nested(8)}, "usage": {"a": limits.MAX_USAGE, "b": 0}},
        {**BLOCK, "details": {"a": (1 << 63) - 1, "b": -(1 << 63), "c": 1.7e308}},
        {**FAILED, "exceptions": [caused(16)] * 64},
        {**END, "reason": "r" * 4_000, "producer": "p" * 198 + "/1", "seq": (1 << 63) - 1},
        {**END, "reason": "😀 naïve \u0001 \x7f"},
        {**END, "ended_at": "2199-12-31T23:59:59.999999Z", "at": "2000-01-01T00:00:00Z"},
        {
            **FLOW,
            "stages": [str(n) for n in range(1_000)],
            "blocks": [{"name": str(n)} for n in range(1_000)],
        },
    ],
)
def test_what_just_fits_the_limits_is_accepted(record):
    assert decode_body(b"\n".join([line(record)] * 8), LINES, None, 0).rejected == []


def test_a_record_of_exactly_the_largest_size_is_accepted():
    record = line({**BLOCK, "details": {"a": ""}})
    record = record.replace(b'""', b'"' + b"a" * (limits.MAX_RECORD_BYTES - len(record)) + b'"')
    assert len(record) == limits.MAX_RECORD_BYTES

    assert decode_body(b"\n".join([record] * 8), LINES, None, 0).rejected == []
    assert rejected(record.replace(b'"aa', b'"aaa')).code == "record_too_large"


def test_an_unknown_field_is_told_which_ones_there_are():
    answer = rejected(changed(LINK, childs=[]))

    assert answer.allowed == "at, child, kind, parent, producer, relation, seq"
    assert answer.received == "[]"


def test_a_long_value_is_shortened_in_the_answer():
    answer = rejected(changed(BLOCK, block="b" * 9_000))

    assert len(answer.received) == 120
    assert answer.received.endswith("…")
