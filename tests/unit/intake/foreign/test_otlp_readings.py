"""The fast reading of ordinary spans and the whole mapping are one; so are both encodings; and company changes nothing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail.intake.foreign import otlp_json, otlp_protobuf
from flowtrail.intake.foreign.otlp import JSON, PROTOBUF
from flowtrail.intake.foreign.otlp_mapping import Mapping
from flowtrail.intake.foreign.otlp_plain import PlainReader
from flowtrail.intake.foreign.otlp_settings import trace_settings
from flowtrail.intake.wire import decode_body
from flowtrail.model.errors import Refusal
from flowtrail.query.records import wire_json
from tests.support.otlp import END, START, attributes, encode, exception, read, request, root, span

SETTINGS = trace_settings("import", "order=app.order", "customer=app.customer")
ODD_TEXT = st.text(max_size=12) | st.sampled_from(["x" * 1_100, "a\0b", ""])
WORDS = st.sampled_from(["POST", "/orders", "grüß", "C-9"])
ODD = ODD_TEXT | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.none()
VALUES = WORDS | st.booleans() | st.integers(0, 999) | ODD
NAMES = st.sampled_from(
    [
        "http.request.method",
        "http.route",
        "country",
        "n" * 201,
        "",
        "flowtrail.block",
        "flowtrail.flow",
        "flowtrail.object.id",
        "flowtrail.key.k",
        "flowtrail.outcome",
        "app.order",
        "app.customer",
        "messaging.message.id",
        "http.request.resend_count",
        "gen_ai.usage.input_tokens",
        "error.type",
    ]
)
# Ordinary ones are what usually comes, and what the fast reading is for.
ORDINARY = st.sampled_from(
    ["http.request.method", "http.route", "db.system", "country", "otel.kind", "service.name"]
)
IDS = [f"{number:016x}" for number in range(1, 9)]
SELF = "self"
RARE = {
    "attributes": st.dictionaries(NAMES, VALUES | st.lists(VALUES, max_size=3), min_size=1, max_size=3).map(
        attributes
    ),
    "droppedLinksCount": st.integers(0, 2),
    "endTimeUnixNano": st.sampled_from([0, 1, str(START), str(START - 1_000_000)]),
    "events": st.lists(st.sampled_from([exception(type="E"), {"name": "e"}, {}]), max_size=2),
    "links": st.lists(st.sampled_from([{"traceId": "0d" * 16, "spanId": "01" * 8}, {}]), max_size=2),
    "name": st.sampled_from(["", "n" * 201]),
    "parentSpanId": st.sampled_from(["00" * 8, "0c", SELF]),
    "spanId": st.sampled_from(["00" * 8, "0c"]),
    "startTimeUnixNano": st.sampled_from([0, 1, str(END), str(2**64 - 1)]),
    "status": st.sampled_from([{}, {"code": 1}, {"code": 2, "message": "m"}, {"message": "m"}]),
    "traceId": st.sampled_from(["00" * 16, "0c"]),
    "traceState": st.just("v=1"),
}


@st.composite
def spans(draw):
    own, parent = draw(st.permutations(IDS))[:2]
    made = span(
        draw(st.dictionaries(ORDINARY, VALUES, max_size=4)),
        traceId=draw(st.sampled_from(["0a" * 16, "0b" * 16])),
        spanId=own,
        parentSpanId=draw(st.sampled_from(["", parent, parent])),
        name=draw(st.sampled_from(["map", "POST /orders", "deliver"])),
        kind=draw(st.integers(0, 6)),
        startTimeUnixNano=str(draw(st.integers(START, END))),
        endTimeUnixNano=str(draw(st.integers(START, END))),
        flags=draw(st.sampled_from([0, 1, 0x101, 0x301, 0x102])),
    )
    # Half of them are ordinary; of the others, most are so but for one thing.
    number = draw(st.sampled_from([0, 0, 0, 1, 1, 2]))
    for name in draw(st.sets(st.sampled_from([*RARE]), min_size=number, max_size=number)):
        made[name] = draw(RARE[name])
    if made["parentSpanId"] == SELF:
        made["parentSpanId"] = made["spanId"]
    return made


def several(least):
    return st.lists(spans(), min_size=least, max_size=12)


RESOURCES = st.sampled_from(
    [
        {"service.name": "shop"},
        {},
        {"service.name": "shop", "host.name": "h", "flowtrail.flow": "import"},
        {"service.name": "s\0"},
    ]
)


def by_the_mapping(raw, kind):
    groups = (otlp_protobuf if kind == PROTOBUF else otlp_json).Groups()(raw)
    mapping, encoded, refused = Mapping("default", SETTINGS), [], []
    for group in groups:
        for place in range(group.size):
            try:
                encoded += mapping.encoded(group.read(place), group.shared.origin)
            except Refusal as refusal:
                refused.append((place, refusal.code))
    return encoded, refused


@given(several(1), RESOURCES)
def test_the_fast_reading_says_what_the_mapping_says(told, resource):
    body = request(*told, resource=resource)
    for kind in (PROTOBUF, JSON):
        raw = encode(body, kind)
        decoded = read(raw, kind, SETTINGS)
        encoded, refused = by_the_mapping(raw, kind)
        assert sorted(decoded.encoded) == sorted(encoded)
        assert sorted((each.index, each.code) for each in decoded.rejected) == refused


@given(several(1), RESOURCES)
def test_both_encodings_say_the_same(told, resource):
    body = request(*told, resource=resource)
    one, other = read(body, PROTOBUF, SETTINGS), read(body, JSON, SETTINGS)

    assert one.encoded == other.encoded
    assert one.rejected == other.rejected


@given(several(2), st.randoms(use_true_random=False))
def test_what_a_span_becomes_does_not_depend_on_its_company(told, random):
    together = read(request(*told), PROTOBUF, SETTINGS)
    alone = [read(request(each), PROTOBUF, SETTINGS) for each in random.sample(told, len(told))]

    assert sorted(together.encoded) == sorted(record for each in alone for record in each.encoded)
    assert len(together.rejected) == sum(len(each.rejected) for each in alone)


@given(several(1), RESOURCES)
def test_what_spans_become_any_producer_may_send(told, resource):
    decoded = read(request(*told, resource=resource), PROTOBUF, SETTINGS)
    if decoded.encoded:
        lines = b"\n".join(json.dumps(wire_json(record, texts=False)).encode() for record in decoded.records)
        exact = decode_body(lines, "application/x-ndjson", None, 0)
        assert exact.rejected == []
        assert exact.encoded == decoded.encoded


@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
def test_ordinary_spans_need_no_mapping(kind, monkeypatch):
    def none(*_):
        raise AssertionError

    monkeypatch.setattr(Mapping, "encoded", none)
    told = {"http.request.method": "POST", "lines": 3, "share": 0.5, "vip": True, "tags": ["a", "b"]}
    usual = [
        span(told, spanId=f"{number:016x}", kind=number, status={"code": number % 2})
        for number in range(1, 6)
    ]

    decoded = read(request(root(told), *usual), kind, SETTINGS)
    assert (len(decoded.encoded), decoded.rejected) == (8, [])


def test_what_seldom_comes_again_is_not_remembered():
    failed = [span(status={"code": 2, "message": f"order {number}"}) for number in range(9)]
    (group,) = otlp_protobuf.Groups()(encode(request(*failed, span()), PROTOBUF))
    plain = PlainReader(SETTINGS, otlp_protobuf.read_attribute, otlp_protobuf.read_name)

    assert plain.read(group.rows, *group.shared, []) == list(range(9))
    assert len(group.shared.looks) == 1


@pytest.mark.parametrize("kind", [PROTOBUF, JSON])
def test_what_is_remembered_of_a_resource_is_bounded_by_its_schema_too(kind):
    groups = (otlp_protobuf if kind == PROTOBUF else otlp_json).Groups()
    body = request(span())
    (body["resourceSpans"][0],) = [{**body["resourceSpans"][0], "schemaUrl": "x" * 20_000}]
    groups(encode(body, kind))
    assert not groups._origins._held

    groups(encode(request(span()), kind))
    assert len(groups._origins._held) == 1
