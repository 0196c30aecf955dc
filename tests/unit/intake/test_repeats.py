import json

from hypothesis import given

from flowtrail.intake.repeats import names_kept, names_said, names_said_each
from flowtrail.intake.shapes import decode_wire
from tests.support import wire


def names_of(value) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(names_of, value.values()))
    return sum(map(names_of, value)) if isinstance(value, list) else 0


@given(wire.batches())
def test_a_text_never_seems_to_have_fewer_names_than_it_has(texts):
    expected = [names_of(json.loads(text)) for text in texts]

    assert all(said >= have for said, have in zip(names_said_each(texts), expected, strict=True))
    assert names_said(b"\n".join(texts)) == sum(names_said_each(texts))
    assert [names_said(text) for text in texts] == names_said_each(texts)
    assert [names_kept(json.loads(text)) for text in texts] == expected


def test_a_colon_behind_an_escaped_quote_is_no_name():
    text = json.dumps({"payload": json.dumps({"a": 1, "b": {"c": 2}})}).encode()

    assert names_said(text) == 1


def test_a_name_that_ends_in_a_backslash_is_one():
    assert names_said(b'{"a\\\\":1,"a\\\\":2}') == 2


def test_white_space_before_the_colon_hides_no_name():
    assert names_said(b'{"a" :1,"a"\t:2,"a"\r:3,"a"\n:4}') == 4


def test_a_record_keeps_the_names_of_what_stands_inside_it():
    record = {
        **wire.BLOCK,
        "status": "failed",
        "exceptions": [{"type": "E", "frames": [{"line": 3, "in_app": False}], "cause": {"type": "F"}}],
        "details": {"a": {"b": None}, "c": [{"d": 1}]},
        "usage": {"cpu_seconds": 1},
    }

    assert names_kept(decode_wire(wire.line(record))) == names_of(record)
