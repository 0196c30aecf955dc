import gzip
import struct
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from flowtrail.intake import bodies
from flowtrail.intake.bodies import decompress, is_lines
from flowtrail.intake.wire import decode_body
from flowtrail.model.errors import Refusal
from flowtrail.model.limits import MAX_BODY_BYTES, MAX_COMPRESSION_RATIO
from flowtrail.simulator.workload import Workload, lines
from tests.support.wire import END, line

LINES = "application/x-ndjson"
BODY = b"\n".join(lines(Workload(40)))
zstd = zstandard.ZstdCompressor().compress


def refusal(call, *arguments, **named) -> Refusal:
    with pytest.raises(Refusal) as caught:
        call(*arguments, **named)
    return caught.value


def streamed(*parts: bytes) -> bytes:
    """One zstd frame that does not say its size."""
    compressor = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    return b"".join([*(compressor.compress(part) for part in parts), compressor.flush()])


# --- what is said about the body ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("application/x-ndjson", True),
        ("application/jsonl", True),
        ("Application/X-NDJSON; charset=UTF-8", True),
        ("application/json", False),
        ('application/json;charset="utf-8"', False),
    ],
)
def test_the_media_type_says_how_records_are_told_apart(content_type, expected):
    assert is_lines(content_type) is expected


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "json"],
)
def test_another_media_type_is_refused_and_the_header_named(content_type):
    answer = refusal(decode_body, BODY, content_type, None, 0)

    assert (answer.status, answer.code, answer.field) == (415, "unsupported_media_type", "Content-Type")
    assert "application/x-ndjson" in answer.allowed


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, zstd", "gzip;q=1"])
def test_another_coding_is_refused_and_the_header_named(coding):
    answer = refusal(decode_body, BODY, LINES, coding, 0)

    assert (answer.status, answer.code, answer.field) == (415, "unsupported_encoding", "Content-Encoding")


# --- compression ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (None, BODY),
        ("identity", BODY),
        ("gzip", gzip.compress(BODY)),
        ("GZIP", gzip.compress(BODY)),
        ("x-gzip", gzip.compress(BODY)),
        ("gzip", gzip.compress(BODY[:5_000]) + gzip.compress(b"") + gzip.compress(BODY[5_000:])),
        ("zstd", zstd(BODY)),
        ("zstd", zstd(BODY[:5_000]) + zstd(b"") + zstd(BODY[5_000:])),
        ("zstd", streamed(BODY[:70], BODY[70:])),
        ("zstd", zstd(BODY[:5_000]) + streamed(BODY[5_000:])),
        ("zstd", b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc" + zstd(BODY)),
    ],
)
def test_a_compressed_body_is_read_whole(coding, body):
    assert decompress(body, coding) == BODY


def test_an_empty_compressed_body_is_an_empty_body():
    assert refusal(decode_body, b"", LINES, "gzip", 0).code == "empty_body"
    assert refusal(decode_body, gzip.compress(b""), LINES, "gzip", 0).code == "empty_body"
    assert refusal(decode_body, zstd(b" "), LINES, "zstd", 0).code == "empty_body"


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=4))
def test_any_division_into_members_or_frames_says_the_same(plain, cuts):
    ends = sorted({min(cut, len(plain)) for cut in cuts} | {len(plain)})
    parts = [plain[start:end] for start, end in zip([0, *ends], ends, strict=False)]

    assert decompress(b"".join(map(gzip.compress, parts)), "gzip") == plain
    assert decompress(b"".join(map(zstd, parts)), "zstd") == plain
    assert decompress(b"".join(map(streamed, parts)), "zstd") == plain


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(BODY)[:-1]),
        ("gzip", gzip.compress(BODY)[:200]),
        ("gzip", gzip.compress(BODY) + b"trailing"),
        ("gzip", gzip.compress(BODY) + b"\0\0\0"),
        ("gzip", gzip.compress(BODY) + gzip.compress(BODY)[:30]),
        ("gzip", gzip.compress(BODY)[:-8] + struct.pack("<II", 1, len(BODY))),
        ("gzip", zlib.compress(BODY)),
        ("gzip", BODY),
        ("gzip", b"\x1f"),
        ("zstd", zstd(BODY)[:-1]),
        ("zstd", zstd(BODY)[:5]),
        ("zstd", zstd(BODY) + b"trailing"),
        ("zstd", zstd(BODY) + b"\0"),
        ("zstd", zstd(BODY) + zstd(BODY)[:30]),
        ("zstd", streamed(BODY)[:-3]),
        ("zstd", BODY),
        ("zstd", b"\x28"),
        ("zstd", gzip.compress(BODY)),
    ],
)
def test_a_broken_or_cut_stream_is_refused(coding, body):
    answer = refusal(decode_body, body, LINES, coding, 0)

    assert (answer.status, answer.code) == (400, "broken_compression")


@given(st.integers(0, 10_000), st.integers(0, 255), st.sampled_from(["gzip", "zstd"]))
def test_a_damaged_stream_never_raises_anything_else(place, value, coding):
    body = bytearray(gzip.compress(BODY, mtime=0) if coding == "gzip" else zstd(BODY))
    body[place % len(body)] = value
    try:
        decompress(bytes(body), coding)
    except Refusal as answer:
        code = answer.code
    else:
        code = "broken_compression"

    assert code in {"broken_compression", "compression_ratio", "body_too_large"}


@pytest.mark.parametrize(
    ("coding", "bomb"),
    [
        ("gzip", gzip.compress(b"a" * 3_000_000)),
        ("zstd", zstd(b"a" * 3_000_000)),
        ("zstd", streamed(b"a" * 3_000_000)),
        ("gzip", gzip.compress(b"a" * 300_000) * 9),
    ],
)
def test_a_body_that_grows_too_much_is_refused_by_its_ratio(coding, bomb):
    answer = refusal(decompress, bomb, coding)

    assert (answer.status, answer.code) == (413, "compression_ratio")
    assert str(MAX_COMPRESSION_RATIO) in answer.allowed


def watched(monkeypatch) -> list[int]:
    """The sizes of what comes out of a body, also of what breaks the limit."""
    grown: list[int] = []
    add = bodies._Grown.add

    def add_and_tell(self, part):
        grown.append(len(part))
        add(self, part)

    monkeypatch.setattr(bodies._Grown, "add", add_and_tell)
    return grown


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_bomb_is_given_up_before_it_has_grown(coding, monkeypatch):
    grown = watched(monkeypatch)
    size = 400_000_000
    bomb = gzip.compress(bytes(size), 1) if coding == "gzip" else zstd(bytes(size))

    assert refusal(decompress, bomb, coding).status == 413
    assert sum(grown) < MAX_BODY_BYTES * 2


def test_a_frame_that_lies_about_its_size_gets_no_more_room_than_it_may_have(monkeypatch):
    grown = watched(monkeypatch)
    # Magic, a header with a window of 256 KiB that says 1,000 bytes, then blocks of 128 KiB made from one each.
    header = b"\x28\xb5\x2f\xfd\x40\x40" + (1_000 - 256).to_bytes(2, "little")
    block = (128 * 1024 << 3 | 1 << 1).to_bytes(3, "little") + b"a"
    last = (1 << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"a"

    answer = refusal(decompress, header + block * 100_000 + last, "zstd")

    assert answer.code in {"compression_ratio", "body_too_large", "broken_compression"}
    assert sum(grown) <= 2 * MAX_BODY_BYTES


def test_a_body_may_not_be_too_large_after_decompression_either():
    noise = b"".join(line({**END, "reason": str(n) * 9}) + b"\n" for n in range(120_000))
    assert len(noise) > MAX_BODY_BYTES

    for coding, body in ((None, noise), ("gzip", gzip.compress(noise, 1)), ("zstd", zstd(noise))):
        answer = refusal(decode_body, body, LINES, coding, 0)
        assert (answer.status, answer.code) == (413, "body_too_large")


def test_a_stream_of_endless_empty_members_is_refused():
    assert refusal(decompress, gzip.compress(b"") * 5_000, "gzip").code == "broken_compression"
