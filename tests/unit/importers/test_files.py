"""Files are read in bounded memory, whatever their compression, and damage is told."""

import gzip

import pytest
import zstandard

from flowtrail.intake.importers.files import Source
from flowtrail.intake.importers.problems import Unreadable
from flowtrail.model.errors import Refusal

TEXT = b"".join(b"line %d\n" % number for number in range(50_000))
CODINGS = {
    "plain": lambda text: text,
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "gzip in two members": lambda text: gzip.compress(text[:1000]) + gzip.compress(text[1000:]),
    "zstd in two frames": lambda text: (
        zstandard.ZstdCompressor().compress(text[:1000]) + zstandard.ZstdCompressor().compress(text[1000:])
    ),
}


def source(tmp_path, content: bytes) -> Source:
    file = tmp_path / "log"
    file.write_bytes(content)
    return Source(file)


@pytest.mark.parametrize("coding", CODINGS)
def test_a_file_reads_the_same_whatever_its_compression(tmp_path, coding):
    held = source(tmp_path, CODINGS[coding](TEXT))

    assert b"".join(held.chunks()) == TEXT
    assert held.done == held.total == (tmp_path / "log").stat().st_size


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_compressed_file_that_was_cut_gives_what_stands_before_and_says_so(tmp_path, coding):
    whole = CODINGS[coding](TEXT)
    held, got, told = source(tmp_path, whole[: len(whole) // 2]), b"", ""

    try:
        for chunk in held.chunks():
            got += chunk
    except Unreadable as error:
        told = str(error)

    assert "ends too early" in told
    assert got
    assert TEXT.startswith(got)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_damaged_compressed_file_says_so(tmp_path, coding):
    whole = bytearray(CODINGS[coding](TEXT))
    whole[len(whole) // 2] ^= 0xFF
    whole[-5] ^= 0xFF

    with pytest.raises(Unreadable, match=r"damaged|too early"):
        list(source(tmp_path, bytes(whole)).chunks())


@pytest.mark.parametrize(
    ("magic", "name"), [(b"PK\x03\x04", "zip"), (b"BZh9", "bzip2"), (b"\xfd7zXZ\x00", "xz")]
)
def test_a_compression_that_is_not_read_is_named(tmp_path, magic, name):
    with pytest.raises(Refusal, match=name) as refused:
        list(source(tmp_path, magic + b"rest").chunks())

    assert refused.value.code == "unsupported_compression"


@pytest.mark.parametrize("length", [1, 65_535, 65_536, 65_537, 131_072])
def test_lines_come_whole_wherever_the_chunks_are_cut(tmp_path, length):
    lines = [b"a" * length, b"", b"b", b"c" * length]

    assert list(source(tmp_path, b"\n".join(lines)).lines(1 << 20)) == lines


def test_a_line_past_the_limit_is_left_out_and_the_next_one_is_whole(tmp_path):
    content = b"first\n" + b"x" * 500_000 + b"\nlast"

    assert list(source(tmp_path, content).lines(100_000)) == [b"first", None, b"last"]


def test_an_empty_file_has_no_lines(tmp_path):
    assert list(source(tmp_path, b"").lines(100)) == []
