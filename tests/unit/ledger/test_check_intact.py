"""`check` is green on what the projector made, and says what it looked at."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrail.ledger.check import check
from flowtrail.ledger.pages import erase
from tests.support.checking import opened_store, page_of, story
from tests.support.journaling import Journaling, project
from tests.support.records import IDS, records


def test_a_projected_store_is_green_and_says_what_was_looked_at(store):
    report = check(store)

    assert report.ok, report.lines()
    assert report.counts["pages"] == 5
    assert report.counts["transactions"] == 2
    assert report.counts["links"] == 2
    assert report.counts["definitions"] == 1
    assert report.counts["producers"] == 2
    assert report.counts["terms"] > 4
    assert report.counts["cells"] > 20
    assert report.lines()[-1] == "ok"
    assert report.as_dict()["ok"] is True
    assert report.notes == []


def test_an_empty_store_is_green():
    assert check(opened_store()).ok


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(records(), min_size=1, max_size=5), min_size=1, max_size=6), st.integers(0, 6))
def test_whatever_was_recorded_the_views_are_its_refold(pages, projected):
    store = opened_store()
    writers = [Journaling(store), Journaling(store, "other"), Journaling(store, name="writer-2")]
    for number, page in enumerate(pages):
        writers[number % 3].append(page)
        if number == projected:
            project(store)

    report = check(store)

    assert report.ok, report.lines()


def test_views_behind_the_journal_are_no_damage(store):
    Journaling(store, name="writer-3").append(story(IDS[2]))

    report = check(store)

    assert report.ok, report.lines()
    assert report.notes == ["the views are 1 page behind the journal: compared as far as they are folded"]


def test_a_store_larger_than_memory_gives_the_same_answer(store, monkeypatch):
    whole = check(store)
    monkeypatch.setattr("flowtrail.ledger.runs.Runs.__init__.__defaults__", (3, 1_000))

    spilled = check(store)

    assert spilled.as_dict() == whole.as_dict()


def test_an_erased_record_keeps_the_chain_and_what_was_folded_of_it_is_not_held_against_the_views(store):
    page = erase(page_of(store), 3)
    store.journal.replace_secret(page.number, page.secret, page.body)

    report = check(store)

    assert report.ok, report.lines()
    assert any("1 transactions" in note and "erased" in note for note in report.notes)


@pytest.mark.parametrize(("ordinal", "sequence", "leaf"), [(1, 2, 0), (1, 2, 1), (2, 1, 0), (2, 3, 0)])
def test_whatever_was_erased_the_views_may_still_show_it(store, ordinal, sequence, leaf):
    page = erase(page_of(store, ordinal, sequence), leaf)
    store.journal.replace_secret(page.number, page.secret, page.body)

    report = check(store)

    assert report.ok, report.lines()


def test_progress_is_told(store):
    told = []

    check(store, progress=lambda *step: told.append(step))

    assert told[0] == ("journal", 5, 5)
