import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail.intake.chunks import AT_ONCE, cut
from flowtrail.intake.wire import decode_body
from flowtrail.model.errors import Refusal
from flowtrail.model.limits import MAX_BODY_BYTES, MAX_BODY_RECORDS
from tests.support.wire import BLOCK, END, line

LINES = "application/x-ndjson"
JSON = "application/json"


def refusal(call, *arguments, **named) -> Refusal:
    with pytest.raises(Refusal) as caught:
        call(*arguments, **named)
    return caught.value


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (LINES, b""),
        (LINES, b"\n \r\n\t\n"),
        (LINES, b"\xef\xbb\xbf"),
        (JSON, b""),
        (JSON, b" \n"),
        (JSON, b"[]"),
        (JSON, b" [ ] "),
    ],
)
def test_a_body_without_records_is_refused(content_type, body):
    answer = refusal(decode_body, body, content_type, None, 0)

    assert (answer.status, answer.code) == (400, "empty_body")


@pytest.mark.parametrize(
    "body",
    [
        END_TEXT.encode(coding)
        for END_TEXT in [json.dumps(END)]
        for coding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le")
    ],
)
@pytest.mark.parametrize("content_type", [LINES, JSON])
def test_utf_16_and_utf_32_are_refused_with_and_without_their_mark(content_type, body):
    assert refusal(decode_body, body, content_type, None, 0).code == "not_utf8"


def test_the_mark_of_utf_8_is_ignored():
    assert len(decode_body(b"\xef\xbb\xbf" + line(END), LINES, None, 0).records) == 1
    assert len(decode_body(b"\xef\xbb\xbf[" + line(END) + b"]", JSON, None, 0).records) == 1


def test_one_object_is_a_batch_of_one():
    pretty = json.dumps(END, indent=2).encode()

    assert len(decode_body(pretty, JSON, None, 0).records) == 1


@pytest.mark.parametrize(
    "body", [b"[", b"[{}", b"[{}]]", b"[{}] {}", b"[{},]", b"[,{}]", b"[{}}", b"[1 2", b'["a]']
)
def test_an_array_whose_elements_cannot_be_told_apart_is_refused_whole(body):
    answer = refusal(decode_body, body, JSON, None, 0)

    assert (answer.status, answer.code) == (400, "invalid_json")


def test_elements_are_told_apart_by_brackets_outside_texts():
    body = rb'[{"a":"],[\"{"},[1,[2]],NaN,"\\"]'

    assert [text for chunk in cut(body, lines=False) for text in chunk.texts] == [
        rb'{"a":"],[\"{"}',
        b"[1,[2]]",
        b"NaN",
        rb'"\\"',
    ]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (LINES, b"1\n" * (MAX_BODY_RECORDS + 1)),
        (JSON, b"[" + b"1," * MAX_BODY_RECORDS + b"1]"),
        (JSON, b"[" + b"NaN," * MAX_BODY_RECORDS + b"NaN]"),
    ],
)
def test_too_many_records_are_refused_before_they_are_read(content_type, body):
    answer = refusal(decode_body, body, content_type, None, 0)

    assert (answer.status, answer.code) == (413, "too_many_records")


def test_a_body_of_line_ends_costs_no_more_than_its_size():
    body = b"\n" * (MAX_BODY_BYTES - 1)

    assert refusal(decode_body, body, LINES, None, 0).code in {"empty_body", "too_many_records"}


@pytest.mark.parametrize("body", [b"[]", b" [ ]\n"])
def test_of_lines_an_empty_array_is_a_record_that_is_none(body):
    (rejected,) = decode_body(body, LINES, None, 0).rejected

    assert (rejected.index, rejected.code) == (0, "wrong_type")


def test_a_large_body_is_read_in_chunks_with_one_count():
    good, bad = line(END), b'{"kind":"nothing"}'
    texts = [bad if place % 700 == 3 else good for place in range(3 * AT_ONCE + 5)]
    wrong = [place for place, text in enumerate(texts) if text is bad]

    for body, content_type in (
        (b"\n".join(texts), LINES),
        (b"\r\n".join(texts), LINES),
        (b"\n\n".join(texts) + b"\n", LINES),
        (b"[" + b",".join(texts) + b"]", JSON),
    ):
        decoded = decode_body(body, content_type, None, 0)
        assert [each.index for each in decoded.rejected] == wrong
        assert len(decoded.records) == len(texts) - len(wrong)


@pytest.mark.parametrize("records", [1, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 2 * AT_ONCE, 2 * AT_ONCE + 1])
def test_chunks_of_tidy_lines_hold_every_line_once(records):
    texts = [b'{"n":%d}' % number for number in range(records)]

    chunks = cut(b"\n".join(texts) + b"\n", lines=True)

    assert all(chunk.is_tidy for chunk in chunks)
    assert [text for chunk in chunks for text in chunk.texts] == texts
    assert [chunk.count for chunk in chunks] == [len(chunk.texts) for chunk in chunks]
    assert max(chunk.count for chunk in chunks) <= AT_ONCE


@given(
    st.lists(
        st.sampled_from([b"{}", b"{", b"}", b"\n", b" ", b"\r", b'{"a":1}', b"[", b"]", b"1"]), max_size=12
    )
)
def test_lines_are_what_stands_between_line_ends_and_is_not_blank(parts):
    body = b"".join(parts)
    expected = [text.strip() for text in body.split(b"\n") if text.strip()]

    texts = [text.strip() for chunk in cut(body, lines=True) for text in chunk.texts] if expected else []

    assert texts == expected


@pytest.mark.parametrize(
    "body",
    [
        line(BLOCK)[:-1] + b'\n,"worker":"w"}\n' + line(BLOCK) + line(BLOCK),
        line(BLOCK) + line(BLOCK) + b"\n" + line(BLOCK)[:-1] + b"\n}",
        line(BLOCK) + b" " + line(BLOCK) + b"\n" + line(BLOCK),
        b"\n".join([line(BLOCK) + line(BLOCK), line(BLOCK)]),
        line(BLOCK) + line(BLOCK) + b"\n" + line({**BLOCK, "details": {"a": 1}})[:-1] + b"\n}",
        line(BLOCK) + line(BLOCK) + b"\n" + line({**BLOCK, "details": {}}).replace(b" {}", b"\n{}"),
    ],
)
def test_a_line_is_one_record_and_a_record_one_line(body):
    decoded = decode_body(b"\n".join([body, *[line(END)] * 8]), LINES, None, 0)

    assert len(decoded.records) >= 8
    assert decoded.rejected
    assert {each.code for each in decoded.rejected} == {"invalid_json"}


def test_lines_together_larger_than_one_record_may_be_are_tidy_while_none_is_too_large_itself():
    long = line({**BLOCK, "details": {"a": "x" * 200_000}})
    too_long = line({**BLOCK, "details": {"a": "x" * 300_000}})

    assert [chunk.is_tidy for chunk in cut(b"\n".join([long] * 3), lines=True)] == [True]
    decoded = decode_body(b"\n".join([*[long] * 8, too_long, long]), LINES, None, 0)
    assert len(decoded.records) == 9
    assert [(each.index, each.code) for each in decoded.rejected] == [(8, "record_too_large")]


def test_brackets_without_end_are_given_up():
    # Deeper than any stack: Python 3.14 reads as deep as its own goes, those before some hundred levels.
    deep = b"[" * 600_000 + b"]" * 600_000
    for body in (b"[" * 2_000_000, b"[" + deep + b"," + b"{}," * 500_000 + b"{}]"):
        assert refusal(decode_body, body, JSON, None, 0).code == "invalid_json"


def test_elements_that_are_too_many_are_counted_before_each_is_copied():
    body = b"[" + b",".join([b"{}"] * 200_000) + b"]"
    tracemalloc.start()
    with pytest.raises(Refusal) as refused:
        cut(body, lines=False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert refused.value.code == "too_many_records"
    assert peak < 80 * 200_000
