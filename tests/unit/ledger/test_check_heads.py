"""`check` holds a journal to the HEAD that was kept of it."""

from itertools import pairwise

import pytest

from flowtrail.ledger.check import check
from flowtrail.model.errors import Refusal, counted
from flowtrail.model.records import EndRecord
from tests.support.checking import ORDER, OTHER, codes, opened_store, places, story
from tests.support.journaling import Journaling, project
from tests.support.records import BASE, IDS


def test_the_head_that_was_kept_is_the_present_one(store):
    kept = check(store).heads[0].kept

    report = check(store, expect=kept)

    assert report.ok
    assert report.notes == [
        "proven: the HEAD you kept stands in the journal of default, over 5 pages, to its end"
    ]


def test_the_line_that_was_printed_can_be_given_back_as_it_is(store):
    printed = [line for line in check(store).lines() if line.startswith("HEAD ")]

    assert [check(store, expect=f"{line}\n").ok for line in printed] == [True]


@pytest.mark.parametrize("whole", [True, False])
def test_a_head_of_the_past_still_stands_after_more_was_written(store, whole):
    head = check(store).heads[0]
    for number in range(3):
        Journaling(store, name=f"later-{number}").append(story(IDS[2]), received_at=BASE * 2 + number)
    project(store)

    report = check(store, expect=head.kept if whole else head.head)

    assert report.ok, report.lines()
    assert "over 5 pages; the 3 pages since are not proven by it" in report.notes[-1]


def test_every_head_of_the_past_is_found_by_its_text():
    store = opened_store()
    kept = []
    writers = []
    for number in range(8):
        if number % 3 == 0:
            writers.append(Journaling(store, name=f"writer-{number}"))
        writers[number % len(writers)].append(story(), received_at=BASE + number)
        kept.append(check(store).heads[0])

    for covered, head in enumerate(kept, 1):
        for text in (head.kept, head.head):
            assert f"over {counted(covered, 'pages')}" in check(store, expect=text).notes[-1]
    assert all(one.head != other.head for one, other in pairwise(kept))


def test_a_head_of_another_history_is_refused(store):
    kept = check(store).heads[0]
    other = opened_store()
    Journaling(other).append(story())

    for text in (kept.kept, kept.head):
        report = check(other, expect=text)
        assert codes(report) == ["head"]
        assert kept.head in places(report)[0]


def test_a_rewritten_page_breaks_a_kept_head_though_its_chain_is_whole():
    histories = []
    for outcome in ("failed", "delivered"):
        store = opened_store()
        writer = Journaling(store)
        writer.append([*story()[:-1], EndRecord(ORDER, BASE, None, None, outcome)])
        writer.append(story(OTHER))
        project(store)
        histories.append(store)
    kept = check(histories[0]).heads[0].kept

    assert check(histories[1]).ok
    assert codes(check(histories[1], expect=kept)) == ["head"]


@pytest.mark.parametrize("text", ["", "deadbeef", "zz" * 32, "00" * 32 + ".%%%", "00" * 32 + ".AAAA"])
def test_what_is_no_head_is_refused(store, text):
    with pytest.raises(Refusal) as refused:
        check(store, expect=text)

    assert refused.value.code == "invalid_head"
