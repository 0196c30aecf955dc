"""`check` finds and names everything that was altered in the views."""

import pytest

from flowtrail.ledger.check import check
from flowtrail.ledger.report import Report
from flowtrail.model.pages import page_number
from flowtrail.projection.producers import MISSING, Heard, decode_session, encode_session
from flowtrail.storage.interface import LinkRow, SetAside
from tests.support.checking import ORDER, OTHER, codes, rows
from tests.support.records import BASE


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


@pytest.mark.parametrize("parts", [[5], [2, 3], [3, 2], [1, 1, 3]])
def test_further_findings_are_counted_and_not_kept(monkeypatch, parts):
    monkeypatch.setattr("flowtrail.ledger.report.MOST_FINDINGS", 3)
    report = Report()
    for part, found in enumerate(parts):
        other = Report()
        for number in range(found):
            other.find("cell", f"part {part} cell {number}", "differs")
        assert len(other.findings) == min(found, 3)
        report.take(other)

    assert len(report.findings) == 3
    assert report.found == {"cell": 5}
    assert "… and 2 more" in report.lines()


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
