"""Pages as tests want them."""

from collections.abc import Sequence

from hypothesis import strategies as st

from flowtrail.ledger.pages import build_page
from flowtrail.model.pages import Page, Writer
from flowtrail.model.records import AnyRecord, encode_record
from tests.support.records import BASE, records

WRITER = Writer(3, "default", "6f1c")

lists_of_records = st.lists(records(), min_size=1, max_size=9)


def page_of(
    held: Sequence[AnyRecord], sequence: int = 1, previous: bytes = b"", writer: Writer = WRITER, **more
) -> Page:
    return build_page(writer, sequence, previous, BASE, [encode_record(record) for record in held], **more)


def chain_of(*lists: Sequence[AnyRecord], writer: Writer = WRITER) -> list[Page]:
    pages: list[Page] = []
    for held in lists:
        previous = pages[-1].hash if pages else b""
        pages.append(page_of(held, len(pages) + 1, previous, writer))
    return pages
