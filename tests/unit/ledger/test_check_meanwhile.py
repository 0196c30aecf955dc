"""`check` while somebody writes: a batch half written, and a server that goes on."""

import pytest

from flowtrail.ledger.check import check
from flowtrail.model.points import watch
from flowtrail.model.records import BlockRecord, EndRecord
from flowtrail.projection.header import Header
from flowtrail.storage.interface import Batch, Change
from flowtrail.storage.memory.views import MemoryViewWriter
from tests.support.checking import ORDER, OTHER, codes, rows, story
from tests.support.journaling import Journaling, project
from tests.support.records import BASE, IDS


class Died(BaseException):
    """The projector is gone."""


def write_in_part(store, monkeypatch, parts):
    """A projector died between two parts of a batch: some transactions show pages that are not folded yet."""
    monkeypatch.setattr(MemoryViewWriter, "max_changes", 1)
    later = Journaling(store, name="later")
    for key in (ORDER, OTHER, IDS[2], b"\x09" * 16):
        later.append(
            [BlockRecord(key, BASE + 99, "shop/1", 9, b"\3" * 8, "bill", "failed", None, BASE, BASE)]
        )
    written = []

    def die(point):
        if point == "written":
            written.append(point)
            if len(written) == parts:
                raise Died

    watch(die)
    with pytest.raises(Died):
        project(store, holder="one")
    watch(None)
    return later


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_states_that_are_ahead_of_the_position_are_no_damage(store, monkeypatch, parts):
    write_in_part(store, monkeypatch, parts)

    report = check(store)

    assert report.ok, report.lines()
    assert report.notes == ["the views are 4 pages behind the journal: compared as far as they are folded"]
    rows(store).rows["default", ORDER].pages.clear()
    assert not check(store).ok


class Meanwhile:
    """Runs something once, after the cells and before the states are read."""

    def __init__(self, store, act):
        self._store, self._act = store, act
        self._iter_states = store.transactions.iter_states

    def __call__(self, tenant=None):
        act, self._act = self._act, lambda: None
        act()
        return self._iter_states(tenant)


def test_what_a_server_writes_meanwhile_is_compared_again(store, monkeypatch):
    def write():
        later = Journaling(store, name="later")
        later.append(
            [BlockRecord(ORDER, BASE + 99, "shop/1", 9, b"\3" * 8, "bill", "succeeded", None, BASE, BASE)]
        )
        later.append(story(IDS[2]))
        project(store)

    monkeypatch.setattr(store.transactions, "iter_states", Meanwhile(store, write))

    report = check(store)

    assert report.ok, report.lines()
    assert "2 transactions changed meanwhile and were compared again" in report.notes


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_what_was_ahead_of_the_position_and_goes_on_meanwhile_is_no_damage(store, monkeypatch, parts):
    later = write_in_part(store, monkeypatch, parts)

    def go_on():
        for key in (ORDER, OTHER, IDS[2]):
            later.append([EndRecord(key, BASE + 200, "shop/1", 10, "delivered", 2, BASE + 200)])
        project(store, holder="one")

    monkeypatch.setattr(store.transactions, "iter_states", Meanwhile(store, go_on))

    report = check(store)

    assert report.ok, report.lines()
    assert [note for note in report.notes if "not proven" in note]
    assert check(store).notes == []


def test_damage_written_meanwhile_is_found(store, monkeypatch):
    def damage():
        writer = store.view_writer()
        lease = writer.acquire("intruder", 5)
        loaded = writer.load("default", [ORDER])[ORDER]
        change = Change(
            "default",
            ORDER,
            loaded.locator,
            loaded.header,
            Header(True),
            None,
            loaded.pieces[0],
            (),
            (),
            (),
        )
        rows(store).rows["default", ORDER].pieces.clear()
        writer.write(Batch([change], position=rows(store).position), lease)

    monkeypatch.setattr(store.transactions, "iter_states", Meanwhile(store, damage))

    assert {"state", "header"} & set(codes(check(store)))


def test_views_rebuilt_meanwhile_are_not_held_against_the_store(store, monkeypatch):
    def rebuild():
        writer = store.view_writer()
        fresh = writer.begin_rebuild()
        fresh.acquire("rebuilder", 5)
        writer.finish_rebuild(fresh)

    monkeypatch.setattr(store.transactions, "iter_states", Meanwhile(store, rebuild))

    report = check(store)

    assert report.ok
    assert "the views were rebuilt meanwhile: not compared, check again" in report.notes


def test_a_check_comes_to_its_end_however_fast_others_write(store, monkeypatch):
    later, read, asked = Journaling(store, name="later"), store.journal.read, []

    def busy(after, limit):
        pages = read(after, limit)
        asked.append(after)
        assert len(asked) < 100, "it follows whoever writes without end"
        later.append([EndRecord(OTHER, BASE + len(asked), "shop/3", 1, "delivered", 1, BASE)])
        return pages

    def write():
        later.append(story(IDS[2]))
        project(store)
        monkeypatch.setattr(store.journal, "read", busy)

    monkeypatch.setattr(store.transactions, "iter_states", Meanwhile(store, write))

    report = check(store)

    assert report.ok, report.lines()
    assert "1 transactions changed meanwhile and were compared again" in report.notes
