"""Compressing what travels."""

import gzip
import os
import sys

import pytest

from flowtrail.intake.bodies import decompress
from flowtrail.sdk import packing
from flowtrail.sdk.packing import pack

BODY = b'{"kind":"transaction","id":"0192e4a0b1c27d3e8f90a1b2c3d4e5f6","flow":"shop-to-erp"}\n' * 200


@pytest.fixture(params=["zstd", "gzip"])
def coding(request, monkeypatch):
    packing._compressor.cache_clear()
    if request.param == "gzip":
        monkeypatch.setitem(sys.modules, "zstandard", None)
    yield request.param
    packing._compressor.cache_clear()


def test_what_is_packed_is_smaller_and_read_by_the_server(coding):
    body = BODY + os.urandom(2_000)

    packed, named = pack(body)

    assert named == coding
    assert len(packed) < len(body) / 2
    assert decompress(packed, named) == body
    assert coding == "zstd" or gzip.decompress(packed) == body


@pytest.mark.parametrize("body", [b"short", os.urandom(5_000), b" " * 1_000_000])
def test_what_is_short_or_random_or_looks_like_a_bomb_stays_as_it_is(coding, body):
    assert pack(body) == (body, None)
