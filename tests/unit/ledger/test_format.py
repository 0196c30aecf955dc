"""The format is frozen, and documented well enough to write a verifier from the page alone."""

import hashlib
import re
from pathlib import Path

import msgspec
import pytest

from flowtrail.ledger import pages as module
from flowtrail.ledger.heads import head_of
from flowtrail.ledger.pages import build_page, erase
from flowtrail.model.pages import Page, Writer
from flowtrail.model.records import BlockRecord, EndRecord, encode_record
from flowtrail.storage.interface import Head
from tests.support.pages import WRITER, chain_of

DOCUMENT = Path(__file__).parents[3] / "docs" / "journal.md"


@pytest.fixture(scope="module")
def verify():
    code = re.search(r"^```python\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    names = {}
    exec(compile(code[1], str(DOCUMENT), "exec"), names)
    return names["verify"]


def rows(pages: list[Page]) -> list[tuple[bytes, ...]]:
    return [(page.header, page.previous, page.hash, page.secret, page.body) for page in pages]


def record(n: int) -> BlockRecord:
    return BlockRecord(b"t" * 16, n, id=n.to_bytes(8, "big"), block="map")


PAGES = chain_of([record(n) for n in range(1, 38)], [], [record(1)])


def test_the_documented_verifier_finds_our_pages_whole(verify):
    assert verify("default", WRITER.name, rows(PAGES)) == []


def test_the_documented_verifier_finds_an_erased_page_whole(verify):
    pages = [erase(erase(PAGES[0], 5), 36), *PAGES[1:]]

    assert verify("default", WRITER.name, rows(pages)) == []


def test_the_documented_verifier_finds_what_was_altered(verify):
    body = chain_of([record(n) for n in range(2, 39)])[0].body
    altered = [msgspec.structs.replace(PAGES[0], body=body), *PAGES[1:]]

    assert verify("default", WRITER.name, rows(altered)) == ["page 1: was altered"]
    assert verify("default", WRITER.name, rows(PAGES[1:])) != []
    assert verify("default", "other", rows(PAGES)) != []


def test_the_format_is_frozen(monkeypatch):
    # given everything that a page depends on; a change here makes every journal that exists unprovable
    monkeypatch.setattr(module, "random_bytes", lambda size: bytes(range(size)))
    writer = Writer(1, "default", "00ff")
    encoded = [
        encode_record(BlockRecord(b"t" * 16, 1_790_000_000_000_000, "a/1", 1, b"e" * 8, "map", "succeeded")),
        encode_record(EndRecord(b"t" * 16, 1_790_000_000_000_001, "a/1", 2, "delivered")),
    ]

    page = build_page(
        writer, 1, b"", 1_790_000_000_000_002, encoded, [("a/1", 3)], [(7, 2, hashlib.sha256(b"x").digest())]
    )

    assert page.header.hex() == HEADER
    assert page.hash.hex() == HASH
    assert head_of("default", [Head(writer, 1, page.hash)]) == HEAD


HEADER = "9801a764656661756c74a43030666601cf00065bfeda25e0020281a3612f31910391930702c4202d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
HASH = "6ce25b3a2728bdf8145e63a67196185d1c3b291e869913c412bc7a0eb79c84a0"
HEAD = "906dc3bb87588039551911172d6fb973c8104996e39b4a56e32f367dc0fce1ae"
