"""`check` finds and names every page that was altered, lost or swapped."""

import msgspec
import pytest

from flowtrail.ledger.check import check
from flowtrail.ledger.pages import read_records
from flowtrail.model.pages import page_number
from tests.support.checking import page_of, places, rows


def alter(store, page, **fields):
    store.journal._pages[page.number] = msgspec.structs.replace(page, **fields)


def flipped(raw, bit):
    altered = bytearray(raw)
    altered[bit // 8] ^= 1 << bit % 8
    return bytes(altered)


def read_all(store, page):
    try:
        return read_records(store.journal.page(page.number))
    except Exception:  # noqa: BLE001 -- unreadable is what was asked
        return None


@pytest.mark.parametrize("field", ["header", "previous", "hash", "secret", "body"])
@pytest.mark.parametrize("share", range(16))
def test_a_flipped_bit_of_a_page_is_found_and_named(store, field, share):
    page = page_of(store, 2, 2)
    raw = getattr(page, field)
    altered = flipped(raw, len(raw) * 8 * share // 16)
    alter(store, page, **{field: altered})
    # A bit of the compression's own header may mean nothing: then the records are as they were.
    meant = field != "body" or read_all(store, page) != read_records(page)

    report = check(store)

    assert report.ok is not meant
    assert not meant or any("page 2/2" in place for place in places(report)), report.lines()


def test_a_missing_page_is_found(store):
    del store.journal._pages[page_number(2, 2)]
    store.journal._numbers[2].remove(page_number(2, 2))

    report = check(store)

    assert not report.ok
    assert any("page 2/" in place for place in places(report)), report.lines()


def test_a_lost_tail_is_found_by_what_the_views_were_folded_to(store):
    lost = store.journal._numbers[2].pop()
    del store.journal._pages[lost]

    report = check(store)

    assert ("page 2/3", True) in [(each.where, "pages are lost" in each.message) for each in report.findings]


def test_a_lost_tail_is_found_by_a_head_that_outlived_it(store, monkeypatch):
    heads = store.journal.heads()
    monkeypatch.setattr(store.journal, "heads", lambda: heads)
    store.journal._pages.pop(store.journal._numbers[1].pop())
    rows(store).position = {}

    told = [(each.where, each.message) for each in check(store).findings]

    assert ("page 1/2", "the head is not the last page of its chain") in told


def test_a_lost_tail_is_found_by_the_page_of_another_writer_that_named_it(store):
    store.journal._pages.pop(store.journal._numbers[1].pop())
    rows(store).position = {}

    report = check(store)

    assert "page 1/2" in places(report), report.lines()


def test_records_swapped_between_pages_are_found(store):
    one, two = page_of(store, 2, 1), page_of(store, 2, 2)
    alter(store, one, body=two.body, secret=two.secret)

    assert "page 2/1" in places(check(store))
