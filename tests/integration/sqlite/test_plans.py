"""Lists and counts read indexes: no condition with a term or a column looks through a whole table."""

import pytest

from flowtrail.model.conditions import (
    EVERYTHING,
    AllOf,
    AnyOf,
    Between,
    BlockHas,
    DurationIs,
    FlowIs,
    HasFailures,
    HasTerm,
    HasTermPrefix,
    IdIs,
    IsStuck,
    KeyStarts,
    Moment,
    Not,
    StatusIs,
    TypeIs,
)
from flowtrail.projection import terms
from flowtrail.storage.interface import Cursor, Selection
from flowtrail.storage.sqlite import plan as planning
from flowtrail.storage.sqlite.store import SqliteStore
from flowtrail.storage.sqlite.walk import Walk
from tests.support.folding import Folder
from tests.support.records import BASE, an_order, order_id

NOW = Moment(BASE + 10_000_000_000)
CONDITIONS = {
    "everything": EVERYTHING,
    "status": StatusIs("failed"),
    "two statuses": AnyOf((StatusIs("failed"), StatusIs("filtered"))),
    "not a status": Not(StatusIs("filtered")),
    "flow and type": AllOf((FlowIs("shop"), TypeIs("order"))),
    "failures": HasFailures(),
    "a term": HasTerm(terms.key_term("customer", "C-1")),
    "two terms": AllOf((HasTerm(terms.key_term("customer", "C-1")), HasTerm(terms.version_term("3")))),
    "either term": AnyOf((HasTerm(terms.version_term("3")), HasTerm(terms.version_term("4")))),
    "a term and a status": AllOf((HasTerm(terms.version_term("3")), StatusIs("failed"))),
    "a term and not another": AllOf((HasTerm(terms.version_term("3")), Not(HasTerm(terms.worker_term("w"))))),
    "a failed block": BlockHas("ship", "failed"),
    "a duration": DurationIs(1, None),
    "a duration and a status": AllOf((DurationIs(1, None), StatusIs("failed"))),
    "an id": IdIs(order_id(3)),
    "a prefix": HasTermPrefix("o4711"),
    "a key's prefix": KeyStarts("customer", "C-"),
    "ended": Between("ended", BASE, BASE + 9_000_000),
    "updated": Between("updated", BASE, BASE + 9_000_000),
    "opened": Between("opened", BASE, BASE + 9_000_000),
    "stuck": IsStuck(),
}


@pytest.fixture(scope="module")
def orders(tmp_path_factory):
    """A store with seventy orders that nobody changes."""
    store = SqliteStore(tmp_path_factory.mktemp("orders"))
    store.open()
    folder = Folder(store.view_writer())
    folder.tell("acme", *(record for number in range(1, 40) for record in an_order(number)))
    folder.tell(
        "acme", *(record for number in range(40, 60) for record in an_order(number, outcome="failed"))
    )
    folder.tell("acme", *(record for number in range(60, 70) for record in an_order(number, outcome=None)))
    yield store
    store.close()


@pytest.fixture(scope="module")
def many_orders(tmp_path_factory):
    """A store with orders enough for pages to lie deep, which nobody changes."""
    store = SqliteStore(tmp_path_factory.mktemp("many"))
    store.open()
    folder = Folder(store.view_writer())
    folder.tell("acme", *(record for number in range(1, 3_001) for record in an_order(number)))
    yield store
    store.close()


def plans_of(store, selection):
    """What SQLite says to each statement that a page and a count take."""
    seen = []
    with store._views.snapshot() as snapshot:
        snapshot.connection.set_trace_callback(seen.append)
        walk = Walk(snapshot, selection)
        walk.select()
        walk.count()
        snapshot.connection.set_trace_callback(None)
        told = []
        for statement in seen:
            steps = snapshot.connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
            told += [(step[3], statement) for step in steps]
    return told


@pytest.mark.parametrize("small", [0, 8_000], ids=["walked", "as a set"])
@pytest.mark.parametrize("sort", ["opened", "updated", "ended"])
@pytest.mark.parametrize("condition", CONDITIONS.values(), ids=CONDITIONS)
@pytest.mark.parametrize("after", [None, Cursor(BASE + 30_000_000, order_id(30), 99)], ids=["first", "later"])
def test_no_list_or_count_scans_a_table(orders, monkeypatch, condition, sort, small, after):
    monkeypatch.setattr(planning, "SMALL", small)
    selection = Selection("acme", NOW, condition, sort=sort, after=after, budget_s=None)

    told = plans_of(orders, selection)

    assert told
    scans = [
        (step, statement)
        for step, statement in told
        # Subqueries are scanned because they are what the indexes gave; the three small tables of names are read whole.
        if step.startswith("SCAN")
        and not step.startswith(
            ("SCAN s", "SCAN u", "SCAN (", "SCAN CONSTANT ROW", "SCAN present", "SCAN 1 CONSTANT")
        )
        and not step.startswith(("SCAN cohort", "SCAN tenant"))
    ]
    assert scans == []


@pytest.mark.parametrize(
    ("condition", "sort", "index"),
    [
        (EVERYTHING, "opened", "tx_opened (tenant=? AND opened"),
        (StatusIs("failed"), "opened", "tx_cohort (cohort=? AND opened"),
        (HasTerm(terms.version_term("3")), "opened", "PRIMARY KEY (tenant=? AND term=? AND opened"),
        (EVERYTHING, "ended", "tx_ended (tenant=? AND ended"),
        (EVERYTHING, "updated", "tx_tick (tenant=? AND tick"),
    ],
)
def test_a_later_page_starts_reading_at_its_cursor(orders, condition, sort, index):
    after = Cursor(BASE + 30_000_000, order_id(30), 99)

    told = plans_of(orders, Selection("acme", NOW, condition, sort=sort, after=after))

    assert any(index in step for step, _ in told), told


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (AllOf((StatusIs("failed"), HasTerm(terms.version_term("3")))), 20),
        (AllOf((StatusIs("failed"), DurationIs(1, None))), 20),
        (AllOf((StatusIs("failed"), Between("ended", BASE))), 20),
        (DurationIs(1, None), 59),
        (Not(DurationIs(1, None)), 10),
        (AnyOf((DurationIs(None, 0), Not(HasTerm(terms.version_term("3"))))), 0),
    ],
)
def test_what_a_cohorts_index_says_is_counted_without_its_rows(orders, condition, expected):
    with orders._views.snapshot() as snapshot:
        seen = []
        snapshot.connection.set_trace_callback(seen.append)
        counted = Walk(snapshot, Selection("acme", NOW, condition, budget_s=None)).count()
        snapshot.connection.set_trace_callback(None)
        counts = [each for each in seen if each.startswith("SELECT count(*) FROM (SELECT opened")]
        told = [snapshot.connection.execute(f"EXPLAIN QUERY PLAN {each}").fetchall() for each in counts]

    assert counted == (expected, True)
    assert told
    for steps in told:
        assert any("COVERING INDEX tx_cohort" in step[3] for step in steps), steps


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (HasTerm(terms.version_term("3")), 69),
        (BlockHas("ship", "failed"), 20),
        (StatusIs("failed"), 20),
    ],
)
def test_what_keeps_its_total_is_not_counted(orders, condition, expected):
    with orders._views.snapshot() as snapshot:
        seen = []
        snapshot.connection.set_trace_callback(seen.append)
        counted = Walk(snapshot, Selection("acme", NOW, condition, budget_s=None)).count()
        snapshot.connection.set_trace_callback(None)

    assert counted == (expected, True)
    assert [
        statement for statement in seen if statement.startswith("SELECT count(*) FROM (SELECT opened")
    ] == []


def test_along_a_cohorts_index_the_terms_it_does_not_hold_are_looked_up(orders, monkeypatch):
    monkeypatch.setattr(planning, "SMALL", 0)
    other = Not(HasTerm(terms.key_term("customer", "C-1")))
    selection = Selection("acme", NOW, AllOf((StatusIs("failed"), other)), budget_s=None)

    with orders._views.snapshot() as snapshot:
        page = Walk(snapshot, selection).select()

    assert len(page.rows) == 16


def test_points_are_read_by_the_unique_index(orders):
    with orders._views.snapshot() as snapshot:
        steps = snapshot.connection.execute(
            "EXPLAIN QUERY PLAN SELECT * FROM tx AS t WHERE t.tenant = 1 AND t.id = x'00'"
        ).fetchall()

    assert [step[3] for step in steps] == ["SEARCH t USING INDEX tx_id (tenant=? AND id=?)"]


def steps(store, selection):
    """How much SQLite works for a page, in hundreds of its instructions: the same on every machine."""
    counted = 0

    def count():
        nonlocal counted
        counted += 1

    with store._views.snapshot() as snapshot:
        Walk(snapshot, selection).select()
        snapshot.connection.set_progress_handler(count, 100)
        page = Walk(snapshot, selection).select()
        snapshot.connection.set_progress_handler(None, 0)
    return counted, page


@pytest.mark.parametrize("sort", ["opened", "updated", "ended"])
@pytest.mark.parametrize(
    "condition",
    [
        EVERYTHING,
        StatusIs("delivered"),
        HasTerm(terms.version_term("3")),
        AllOf((HasTerm(terms.version_term("3")), StatusIs("delivered"))),
    ],
    ids=["everything", "status", "term", "both"],
)
def test_a_page_costs_the_same_deep_in_the_list_as_at_its_start(many_orders, monkeypatch, sort, condition):
    monkeypatch.setattr(planning, "SMALL", 0)
    selection = Selection("acme", NOW, condition, sort=sort, limit=20, budget_s=None)

    at_start, first = steps(many_orders, selection)
    deep, last = steps(
        many_orders,
        Selection(
            "acme",
            NOW,
            condition,
            sort=sort,
            limit=20,
            budget_s=None,
            after=Cursor(BASE + 50_000_000, order_id(50), 99),
        ),
    )

    assert len(first.rows) == len(last.rows) == 20
    assert deep <= 1.5 * at_start + 10, (deep, at_start)


def test_a_list_of_what_ended_long_ago_starts_reading_there(many_orders):
    newest = Selection("acme", NOW, Between("ended", BASE + 2_900_000_000), limit=20, budget_s=None)
    oldest = Selection("acme", NOW, Between("ended", None, BASE + 90_000_000), limit=20, budget_s=None)

    at_start, first = steps(many_orders, newest)
    at_end, last = steps(many_orders, oldest)

    assert len(first.rows) == len(last.rows) == 20
    assert at_end <= 2 * at_start + 20, (at_end, at_start)
