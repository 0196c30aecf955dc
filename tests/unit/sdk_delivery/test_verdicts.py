"""What an answer means, whatever the answer is."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail.sdk.verdicts import (
    MAX_WAIT_S,
    Answer,
    Divide,
    Later,
    Settled,
    Uncompressed,
    judge,
    read_retry_after,
)

json = msgspec.json.encode


def verdict(status, body=b"", records=3, retry_after=None, *, compressed=False):
    raw = body if isinstance(body, bytes) else json(body)
    return judge(Answer(status, raw, retry_after), records, compressed=compressed)


def rejected(*places, code="missing_field"):
    return [{"index": place, "code": code, "field": "x", "message": "m"} for place in places]


def test_a_receipt_that_adds_up_settles_every_record():
    assert verdict(200, {"accepted": 3, "rejected": [], "durable": "disk", "token": "t"}) == Settled()
    assert verdict(200, {"accepted": 2, "rejected": rejected(1)}) == Settled({1: "missing_field"})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>sign in</html>",
        b"[" * 100_000,
        b'{"accepted":3}',
        {"accepted": 2, "rejected": []},
        {"accepted": 3, "rejected": rejected(0)},
        {"accepted": 2, "rejected": rejected(3)},
        {"accepted": 2, "rejected": rejected(-1)},
        {"accepted": 1, "rejected": rejected(1, 1)},
        {"accepted": 4, "rejected": []},
        {"accepted": -1, "rejected": rejected(0, 1, 2)},
        {"accepted": True, "rejected": []},
    ],
)
def test_a_receipt_that_does_not_add_up_settles_nothing(body):
    assert isinstance(verdict(200, body), Later)


def test_a_refusal_of_every_record_settles_them_and_any_other_400_divides():
    assert verdict(400, {"code": "nothing_accepted", "rejected": rejected(0, 1, 2)}) == Settled(
        dict.fromkeys(range(3), "missing_field")
    )
    assert verdict(400, {"code": "not_utf8"}) == Divide("not_utf8")
    assert isinstance(verdict(400, {"code": "nothing_accepted", "rejected": rejected(0)}), Later)
    assert isinstance(verdict(400, b"Bad Request"), Later)


def test_an_answer_that_was_not_read_to_its_end_is_asked_for_again_about_fewer_records():
    for status in (200, 400, 500):
        assert judge(Answer(status, b"[", is_whole=False), 3, compressed=False).in_halves
        assert not judge(Answer(status, b"[", is_whole=False), 1, compressed=False).in_halves


def test_what_is_too_large_is_divided_whoever_says_so():
    assert verdict(413, {"code": "too_many_records"}) == Divide("too_many_records")
    assert verdict(413, b"<html>nginx</html>") == Divide("body_too_large")


def test_a_coding_that_is_not_read_is_given_up_and_only_then():
    assert verdict(415, {"code": "unsupported_encoding"}, compressed=True) == Uncompressed()
    assert isinstance(verdict(415, {"code": "unsupported_encoding"}), Later)


@pytest.mark.parametrize(
    "status", [101, 204, 301, 302, 307, 308, 401, 403, 404, 405, 429, 500, 502, 503, 504, 507]
)
def test_everything_else_is_tried_again(status):
    assert isinstance(verdict(status, {"code": "busy"}), Later)
    assert verdict(status, b"", retry_after="7").wait_s == 7


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("5", 5),
        (" 0 ", 0),
        ("999999999999999999999", MAX_WAIT_S),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2199 07:28:00 GMT", MAX_WAIT_S),
        ("Wed, 99 Oct 2199 07:28:00 GMT", None),
        ("Mon, 01 Jan 0001 00:00:00 -2359", 0),
        ("٥", None),
    ],
)
def test_what_a_server_asks_for_is_read_and_bounded(text, seconds):
    assert read_retry_after(text) == seconds


@given(
    status=st.integers(100, 599),
    body=st.one_of(
        st.binary(max_size=200),
        st.fixed_dictionaries(
            {},
            optional={
                "accepted": st.integers(-5, 10),
                "code": st.text(max_size=100),
                "rejected": st.lists(
                    st.fixed_dictionaries({"index": st.integers(-2, 5), "code": st.text(max_size=5)}),
                    max_size=5,
                ),
            },
        ).map(json),
    ),
    retry_after=st.none() | st.text(max_size=40),
    records=st.integers(1, 4),
)
def test_no_answer_at_all_raises_or_settles_other_than_every_record_once(status, body, retry_after, records):
    found = judge(Answer(status, body, retry_after), records, compressed=False)

    if isinstance(found, Settled):
        assert status in {200, 400}
        assert all(0 <= place < records for place in found.rejected)
        assert status == 200 or len(found.rejected) == records
        assert all(code.isascii() and 0 < len(code) <= 64 for code in found.rejected.values())
    if isinstance(found, Later) and found.wait_s is not None:
        assert 0 <= found.wait_s <= MAX_WAIT_S


@given(st.text(max_size=60))
def test_no_text_at_all_makes_a_producer_wait_longer_than_the_bound(text):
    seconds = read_retry_after(text)

    assert seconds is None or 0 <= seconds <= MAX_WAIT_S
