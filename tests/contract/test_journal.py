"""`Journal`: pages, writers, heads. Everything is read back through a second handle."""

import msgspec
import pytest

from flowtrail.model.errors import PageConflict
from flowtrail.model.pages import Page, Writer, page_number, split_number
from flowtrail.storage.interface import Head
from tests.support.opaque import opaque_page as page


def sequences(pages: list[Page]) -> list[tuple[int, int]]:
    return [split_number(held.number) for held in pages]


def test_the_same_writer_must_get_the_same_ordinal(store, reading):
    first = store.journal.register("acme", "w1")
    other = store.journal.register("acme", "w2")
    same_name = store.journal.register("globex", "w1")

    assert reading.journal.register("acme", "w1") == first == Writer(first.ordinal, "acme", "w1")
    assert len({first.ordinal, other.ordinal, same_name.ordinal}) == 3
    assert min(first.ordinal, other.ordinal, same_name.ordinal) > 0
    assert reading.journal.writers() == sorted([first, other, same_name], key=lambda writer: writer.ordinal)


def test_what_append_returned_for_must_be_durable_as_the_journal_names_it(store, reading):
    writer = store.journal.register("acme", "w1")
    pages = [page(writer, 1), page(writer, 2, b"")]

    store.journal.append(pages)

    assert store.journal.durability in {"disk", "majority", "none"}
    assert reading.journal.read({}, 10) == pages
    assert reading.journal.page(pages[1].number) == pages[1]
    assert reading.journal.page(page_number(writer.ordinal, 3)) is None
    assert reading.journal.heads() == [Head(writer, 2, pages[1].hash)]
    assert reading.journal.size_bytes() > 0


def test_a_writer_without_pages_stands_at_zero(store, reading):
    writer = store.journal.register("acme", "w1")

    assert reading.journal.heads() == [Head(writer, 0, b"")]


def test_appending_the_same_page_again_must_succeed_and_change_nothing(store, reading):
    writer = store.journal.register("acme", "w1")
    first, second = page(writer, 1), page(writer, 2)
    store.journal.append([first])

    store.journal.append([first])
    store.journal.append([first, second])

    assert reading.journal.read({}, 10) == [first, second]


def test_another_page_at_the_same_number_must_be_a_conflict(store, reading):
    writer = store.journal.register("acme", "w1")
    first = page(writer, 1)
    store.journal.append([first])

    with pytest.raises(PageConflict):
        store.journal.append([page(writer, 1, b"other")])

    assert reading.journal.read({}, 10) == [first]
    store.journal.append([page(writer, 2)])
    assert sequences(reading.journal.read({}, 10)) == [(writer.ordinal, 1), (writer.ordinal, 2)]


def test_reading_must_never_skip_a_page_of_a_writer(store, reading):
    writer = store.journal.register("acme", "w1")
    store.journal.append([page(writer, 1)])
    store.journal.append([page(writer, 3)])

    assert sequences(reading.journal.read({}, 10)) == [(writer.ordinal, 1)]
    assert reading.journal.read({writer.ordinal: 1}, 10) == []

    store.journal.append([page(writer, 2)])

    assert sequences(reading.journal.read({writer.ordinal: 1}, 10)) == [
        (writer.ordinal, 2),
        (writer.ordinal, 3),
    ]


def test_a_limited_read_goes_on_where_the_last_one_ended(store, reading):
    writers = [store.journal.register("acme", f"w{number}") for number in range(3)]
    for writer, count in zip(writers, (1, 5, 9), strict=True):
        store.journal.append([page(writer, sequence) for sequence in range(1, count + 1)])

    position, seen = {}, []
    while pages := reading.journal.read(position, 4):
        assert len(pages) <= 4
        for held in pages:
            ordinal, sequence = split_number(held.number)
            assert sequence == position.get(ordinal, 0) + 1
            position[ordinal] = sequence
            seen.append(held.number)

    assert position == {writers[0].ordinal: 1, writers[1].ordinal: 5, writers[2].ordinal: 9}
    assert len(seen) == len(set(seen)) == 15


def test_pages_of_a_writer_are_walked_from_any_sequence(store, reading):
    writer, other = store.journal.register("acme", "w1"), store.journal.register("acme", "w2")
    store.journal.append([page(writer, sequence) for sequence in range(1, 150)])
    store.journal.append([page(other, 1)])

    walked = sequences(list(reading.journal.iter_pages(writer.ordinal, 20)))

    assert walked == [(writer.ordinal, sequence) for sequence in range(20, 150)]
    assert sequences(list(reading.journal.iter_pages(other.ordinal))) == [(other.ordinal, 1)]


def test_an_erased_page_keeps_header_previous_and_hash(store, reading):
    writer = store.journal.register("acme", "w1")
    held = page(writer, 1)
    store.journal.append([held, page(writer, 2)])

    store.journal.replace_secret(held.number, b"salts", b"what is left")

    assert reading.journal.page(held.number) == msgspec.structs.replace(
        held, secret=b"salts", body=b"what is left"
    )
    assert sequences(reading.journal.read({}, 10)) == [(writer.ordinal, 1), (writer.ordinal, 2)]
