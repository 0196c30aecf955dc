"""What is too much of a span is cut and counted, and refused only when nothing else is left."""

import json

import pytest

from flowtrail.model.limits import MAX_RECORD_BYTES
from flowtrail.model.records import BlockRecord, TransactionRecord
from tests.support.encodings import BOTH, block
from tests.support.otlp import START, attributes, read, request, root, span


@BOTH
def test_of_too_many_attributes_the_useful_ones_are_kept_and_the_others_counted(kind):
    many = {f"a.{number:03}": number for number in range(100)} | {"http.route": "/orders", "db.system": "x"}
    found = block(span(many), kind=kind).details

    assert len(found) == 64
    assert (found["http.route"], found["db.system"]) == ("/orders", "x")
    assert found["flowtrail.cut"] == 102 - (64 - 3)


@BOTH
@pytest.mark.parametrize("events", [1, 256, 257, 300])
@pytest.mark.parametrize("size", range(58, 66))
def test_the_mark_of_what_was_cut_has_its_place_among_the_64_names(kind, size, events):
    told = {f"a.{number:03}": number for number in range(size)}
    happened = [{"name": "seen", "timeUnixNano": str(START)}] * events
    found = block(span(told, events=happened), kind=kind).details

    assert len(found) <= 64
    lost = size - sum(name.startswith("a.") for name in found) + max(events - 256, 0)
    assert found.get("flowtrail.cut", 0) == lost


@BOTH
@pytest.mark.parametrize("size", range(58, 66))
def test_the_mark_has_its_place_also_where_one_of_those_that_fitted_was_cut(kind, size):
    told = {f"a.{number:03}": number for number in range(size - 1)} | {"http.route": "x" * 20_000}
    found = block(span(told), kind=kind).details

    assert len(found) <= 64
    assert found["http.route"].endswith("…")
    assert found["flowtrail.cut"] == 1 + size - sum(
        name[:2] == "a." or name == "http.route" for name in found
    )


@BOTH
def test_long_texts_end_in_a_mark_and_are_counted(kind):
    found = block(span({"long": "x" * 20_000, "ok": "y" * 16_384}), kind=kind).details

    assert (len(found["long"]), found["long"][-1]) == (16_384, "…")
    assert found["ok"] == "y" * 16_384
    assert found["flowtrail.cut"] == 1


def test_nul_names_without_letters_and_deep_values_are_mended_and_counted():
    deep = "bottom"
    for _ in range(12):
        deep = [deep]
    told = [*attributes({"nul": "a\0b", "n" * 300: 1, "deep": deep}), {"key": "", "value": {"intValue": "1"}}]
    found = block(span(attributes=told)).details

    assert found["nul"] == "a\ufffdb"
    assert found["n" * 199 + "…"] == 1
    assert json.dumps(found["deep"]).count("[") == 12
    assert found["flowtrail.cut"] == 4


@BOTH
def test_a_name_without_letters_inside_a_map_is_counted_too(kind):
    found = block(span({"map": {"": 1, "kept": {"": 2}}}), kind=kind).details

    assert (found["map"], found["flowtrail.cut"]) == ({"kept": {}}, 2)


def test_a_span_that_is_too_large_is_cut_closer():
    found = block(span({f"a{number}": "x" * 16_000 for number in range(60)})).details

    assert {len(found[f"a{number}"]) for number in range(60)} == {512}
    assert found["flowtrail.cut"] == 60


def test_what_is_too_large_even_so_is_refused():
    decoded = read(request(span({"list": ["x" * 400] * 1_000}), span(spanId="1" * 16)))

    (rejected,) = decoded.rejected
    assert (rejected.index, rejected.code, rejected.field) == (
        0,
        "record_too_large",
        "resource_spans[0].scope_spans[0].spans[0]",
    )
    assert rejected.allowed == f"{MAX_RECORD_BYTES} bytes"
    assert len(decoded.encoded) == 1


def test_long_names_of_spans_and_objects_are_cut_and_counted():
    decoded = read(request(root({"flowtrail.object.id": "o" * 2_000}, name="n" * 300)))
    found = {type(each): each for each in decoded.records}

    assert found[BlockRecord].block == "n" * 199 + "…"
    assert found[TransactionRecord].object_id == "o" * 999 + "…"
    assert found[BlockRecord].details["flowtrail.cut"] == 2


@BOTH
def test_a_resource_that_makes_a_span_too_large_is_cut_closer_with_it(kind):
    large = {f"a{number}": "x" * 16_000 for number in range(20)}
    decoded = read(request(root(), span(spanId="1" * 16), resource=large), kind)

    assert (decoded.rejected, max(map(len, decoded.encoded)) < MAX_RECORD_BYTES) == ([], True)
    of_root, other = [record for record in decoded.records if isinstance(record, BlockRecord)]
    if of_root.parent is not None:
        of_root, other = other, of_root
    assert {len(text) for text in of_root.details["otel.resource"].values()} == {512}
    assert of_root.details["flowtrail.cut"] == 20
    assert other.details == {"otel.kind": "internal"}


@BOTH
def test_an_event_of_an_impossible_instant_keeps_it_as_text(kind):
    found = block(span(events=[{"name": "e", "timeUnixNano": str(2**64 - 1)}]), kind=kind).details

    assert found["otel.events"] == [{"name": "e", "at": str(2**64 - 1)}]
    assert found["flowtrail.cut"] == 1


@BOTH
def test_bytes_that_are_none_name_nothing(kind):
    told = {"messaging.message.id": b"", "http.route": b"", "db.operation.name": "SELECT"}
    (taken, opened, _) = read(request(root(told, name="")), kind).records

    assert (opened.object_type, opened.keys) == ("trace", None)
    assert taken.block == "SELECT"


@BOTH
@pytest.mark.parametrize("part", ["attributes", "events", "links"])
def test_parts_without_end_are_refused_before_they_are_read(kind, part):
    decoded = read(
        request(span(**{part: [{}] * 10_001}), span(**{part: [{}] * 10_000}, spanId="1" * 16)), kind
    )

    (rejected,) = decoded.rejected
    assert (rejected.index, rejected.code, rejected.field) == (
        0,
        "too_many",
        f"resource_spans[0].scope_spans[0].spans[0].{part}",
    )
    assert [each.id.hex() for each in decoded.records if isinstance(each, BlockRecord)] == ["1" * 16]
