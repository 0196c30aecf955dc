"""`check` is green on what the projector made, and finds and names everything that was altered."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtrail.ledger.check import check
from flowtrail.ledger.pages import erase, read_records
from flowtrail.model.errors import Refusal
from flowtrail.model.pages import page_number
from flowtrail.model.points import watch
from flowtrail.model.records import (
    BlockRecord,
    EndRecord,
    FlowRecord,
    LinkRecord,
    ReportRecord,
    TransactionRecord,
)
from flowtrail.projection.header import Header
from flowtrail.projection.producers import MISSING, Heard, decode_session, encode_session
from flowtrail.storage.interface import Batch, Change, LinkRow, SetAside
from flowtrail.storage.memory.store import MemoryStore
from flowtrail.storage.memory.views import MemoryViewWriter
from tests.support.journaling import Journaling, project
from tests.support.records import BASE, IDS, records

ORDER, OTHER = IDS[0], IDS[1]


def opened_store():
    store = MemoryStore()
    store.open()
    return store


def story(key=ORDER, day=0):
    at = BASE + day * 86_400_000_000
    return [
        TransactionRecord(
            key, at, "shop/1", 1, "shop", "order", "4711", keys={"customer": "C-9"}, created_at=at
        ),
        BlockRecord(key, at + 5, "shop/1", 2, b"\1" * 8, "map", "succeeded", at + 1, at + 2, at + 5),
        BlockRecord(key, at + 9, "shop/1", 3, b"\2" * 8, "ship", "failed", at + 5, at + 6, at + 9),
        EndRecord(key, at + 10, "shop/1", 4, "failed", 1, at + 10),
    ]


@pytest.fixture
def store():
    """Two writers, five pages, every kind of record; projected."""
    store = opened_store()
    first = Journaling(store)
    first.append(story(ORDER))
    first.append([LinkRecord(ORDER, OTHER, "split"), FlowRecord(BASE, "shop/1", 5, "shop", "1")])
    second = Journaling(store, name="writer-2")
    second.append([TransactionRecord(OTHER, BASE, "shop/2", 1, "shop", "item", "1", retry_of=ORDER)])
    second.append(story(OTHER, day=40)[1:])
    second.append([ReportRecord(BASE, "shop/1", 6, 5, 5)])
    project(store)
    return store


def rows(store):
    return store.transactions._shelf.views


def codes(report):
    return sorted(report.found)


def places(report):
    return [finding.where for finding in report.findings]


def page_of(store, ordinal=1, sequence=1):
    return store.journal.page(page_number(ordinal, sequence))


def alter(store, page, **fields):
    store.journal._pages[page.number] = msgspec.structs.replace(page, **fields)


def flipped(raw, bit):
    altered = bytearray(raw)
    altered[bit // 8] ^= 1 << bit % 8
    return bytes(altered)


# --- what is right is green ---


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
    assert report.notes == ["the views are 1 pages behind the journal: compared as far as they are folded"]


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


# --- pages ---


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


def read_all(store, page):
    try:
        return read_records(store.journal.page(page.number))
    except Exception:  # noqa: BLE001 -- unreadable is what was asked
        return None


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


def test_a_lost_tail_is_found_by_the_page_of_another_writer_that_named_it(store):
    store.journal._pages.pop(store.journal._numbers[1].pop())
    rows(store).position = {}

    report = check(store)

    assert "page 1/2" in places(report), report.lines()


def test_records_swapped_between_pages_are_found(store):
    one, two = page_of(store, 2, 1), page_of(store, 2, 2)
    alter(store, one, body=two.body, secret=two.secret)

    assert "page 2/1" in places(check(store))


# --- HEAD ---


def test_the_head_that_was_kept_is_the_present_one(store):
    kept = check(store).heads[0].kept

    report = check(store, expect=kept)

    assert report.ok
    assert report.notes == [
        "proven: the HEAD you kept stands in the journal of default, over 5 pages, to its end"
    ]


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
            assert f"over {covered} pages" in check(store, expect=text).notes[-1]
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


# --- views ---


def damage_state(views):
    row = views.rows["default", ORDER]
    row.pieces = row.pieces[:-1]


def damage_header(views):
    views.rows["default", ORDER].header.ended_at += 1


def damage_opened(views):
    views.rows["default", ORDER].header.current_block = "map"


def lose_transaction(views):
    del views.rows["default", ORDER]


def invent_transaction(views):
    views.rows["default", b"\7" * 16] = views.rows["default", ORDER]


def lose_term(views):
    views.rows["default", ORDER].terms.pop()


def invent_term(views):
    views.rows["default", ORDER].terms.add(("oX\0order", BASE))


def lose_cell(views):
    del views.cells[next(iter(views.cells))]


def miscount_cell(views):
    cell = views.cells[next(iter(views.cells))]
    cell[next(iter(cell))] += 1


def invent_cell(views):
    key = next(iter(views.cells))
    views.cells[key._replace(start=key.start + 60_000_000_000)] = {1: 1}


def lose_link(views):
    views.links.pop()


def invent_link(views):
    views.links.add(LinkRow("default", OTHER, ORDER, "merge"))


def lose_producer(views):
    views.sessions.kept.popitem()


def damage_producer(views):
    kept = views.sessions.kept["default", "shop/1"]
    session = decode_session(kept.body)
    session.accepted += 1
    kept.body = encode_session(session)


def invent_producer(views):
    views.sessions.hear([Heard("default", "shop/9", 1, 1, [1, 1])])


def damage_totals(views):
    views.sessions.totals["default"][MISSING] = 5


def lose_definition(views):
    views.definitions.popitem()


def damage_definition(views):
    name, held = views.definitions.popitem()
    views.definitions[name] = held._replace(body=b"\x90")


def forget_page(views):
    views.rows["default", ORDER].pages.clear()


def invent_page(views):
    views.rows["default", ORDER].pages.append(page_number(2, 3))


def fold_further(views):
    views.position[9] = 1


@pytest.mark.parametrize(
    ("damage", "found", "place"),
    [
        (damage_state, "state", f"transaction default/{ORDER.hex()}"),
        (damage_header, "header", f"transaction default/{ORDER.hex()}"),
        (damage_opened, "header", f"transaction default/{ORDER.hex()}"),
        (lose_transaction, "transaction_missing", f"transaction default/{ORDER.hex()}"),
        (invent_transaction, "transaction_extra", f"transaction default/{'07' * 16}"),
        (lose_term, "term_missing", f"transaction default/{ORDER.hex()}"),
        (invent_term, "term_extra", f"transaction default/{ORDER.hex()}"),
        (lose_cell, "cell", "cell default/"),
        (miscount_cell, "cell", "cell default/"),
        (invent_cell, "cell", "cell default/"),
        (lose_link, "link_missing", "link default/"),
        (invent_link, "link_extra", f"link default/{OTHER.hex()} merge {ORDER.hex()}"),
        (lose_producer, "producer_missing", "default/shop/"),
        (damage_producer, "producer", "default/shop/1"),
        (invent_producer, "producer_extra", "default/shop/9"),
        (damage_totals, "producer_total", "default"),
        (lose_definition, "definition", "default/"),
        (damage_definition, "definition", "default/"),
        (forget_page, "pages", f"transaction default/{ORDER.hex()}"),
        (invent_page, "pages", f"transaction default/{ORDER.hex()}"),
        (fold_further, "journal", "page 9/1"),
    ],
)
def test_damaged_views_are_found_and_named(store, damage, found, place):
    damage(rows(store))

    report = check(store)

    assert found in codes(report), report.lines()
    assert any(place in finding.where for finding in report.findings if finding.code == found)
    assert report.lines()[-1] == "not ok"


def test_a_record_projected_twice_is_found(store):
    for cell in rows(store).cells.values():
        for code in cell:
            cell[code] *= 2

    assert codes(check(store)) == ["cell"]


def test_what_was_set_aside_is_listed_and_no_damage(store):
    rows(store).set_aside.append(SetAside("default", page_number(1, 1), 2, ORDER, "OverflowError: too large"))

    report = check(store)

    assert report.ok
    line = f"set aside at page 1/1 leaf 2: transaction {ORDER.hex()}: OverflowError: too large"
    assert line in report.lines()
    assert report.as_dict()["set_aside"][0]["page"] == "page 1/1"


def test_views_of_another_projection_version_are_not_compared(store):
    rows(store).version = 0
    damage_state(rows(store))

    report = check(store)

    assert report.ok
    assert "rebuild them" in report.notes[0]


# --- a batch in parts ---


class Died(BaseException):
    """The projector is gone."""


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_states_that_are_ahead_of_the_position_are_no_damage(store, monkeypatch, parts):
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
        project(store)
    watch(None)

    report = check(store)

    assert report.ok, report.lines()
    assert report.notes == ["the views are 4 pages behind the journal: compared as far as they are folded"]
    rows(store).rows["default", ORDER].pages.clear()
    assert not check(store).ok


# --- a server that goes on writing ---


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
            None,
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


def test_progress_is_told(store):
    told = []

    check(store, progress=lambda *step: told.append(step))

    assert told[0] == ("journal", 5, 5)
