"""Producer sessions as they are answered: verdicts, gaps, filters and walks."""

import pytest

from flowtrail.model.records import EndRecord, ReportRecord
from flowtrail.projection.producers import CHUNK
from flowtrail.query.producers import SILENT_S, get_producer, list_producers
from tests.support.records import BASE, order_id
from tests.support.refusals import refused
from tests.support.stores import store_of, tell

SECOND = 1_000_000


def statements(producer, *seqs):
    return [EndRecord(order_id(1), BASE, producer, seq, "delivered", 1, BASE) for seq in seqs]


def report(producer, seq, produced, sent, **dropped):
    return ReportRecord(BASE, producer, seq, produced, sent, dropped or None)


def listed(store, now=BASE, **question):
    return list_producers(store, "default", now=now, **question)


def one(store, now=BASE, **question):
    (found,) = listed(store, now, **question)["producers"]
    return found


def told(*records, at=BASE):
    store = store_of([])
    tell(store, records, received_at=at)
    return store


def test_a_session_is_shown_with_its_counts_and_its_own_account():
    store = told(*statements("shop-1/7f", 1, 2, 5), report("shop-1/7f", 9, 14, 9, full=3))

    assert one(store, BASE + 4 * SECOND) == {
        "producer": "shop-1/7f",
        "name": "shop-1",
        "session": "7f",
        "verdict": "gaps",
        "first_seen": "2026-09-21T14:13:20.000000Z",
        "last_seen": "2026-09-21T14:13:20.000000Z",
        "silent_s": 4.0,
        "last_seq": 9,
        "received": 4,
        "accepted": 4,
        "rejected": 0,
        "missing": 5,
        "gaps": [{"from": 3, "to": 4}, {"from": 6, "to": 8}],
        "gaps_complete": True,
        "report": {
            "at": "2026-09-21T14:13:20.000000Z",
            "seq": 9,
            "produced": 14,
            "sent": 9,
            "dropped": {"full": 3},
            "unsent": 2,
        },
    }
    assert listed(store)["totals"] == {
        "sessions": 1, "troubled": 1, "accepted": 4, "rejected": 0, "missing": 5, "dropped": 3,
    }  # fmt: skip


LATE = BASE + (SILENT_S + 1) * SECOND


@pytest.mark.parametrize(
    ("records", "now", "verdict"),
    [
        (statements("a/1", 1, 3), BASE, "gaps"),
        ([*statements("a/1", 1, 3), report("a/1", 4, 9, 4, full=5)], LATE, "gaps"),
        ([*statements("a/1", 1), report("a/1", 2, 9, 2, full=1)], BASE, "lost"),
        (statements("a/1", 1, 2), BASE + SILENT_S * SECOND, "complete"),
        (statements("a/1", 1, 2), LATE, "silent"),
        ([*statements("a/1", 1), report("a/1", 2, 2, 2)], LATE, "complete"),
        ([*statements("a/1", 1), report("a/1", 2, 3, 2)], LATE, "silent"),
        ([*statements("a/1", 1, 3), report("a/1", 2, 2, 2)], LATE, "silent"),
    ],
)  # fmt: skip
def test_the_verdict_is_the_worst_that_is_known(records, now, verdict):
    assert one(told(*records), now)["verdict"] == verdict


def test_records_without_a_number_have_no_session():
    assert listed(told(*statements(None, None), *statements("a/1", None)))["producers"] == []


def many():
    store = store_of([])
    for number in range(30):
        name = f"{'ab'[number % 2]}/{number:02}"
        seqs = (1, 3) if number % 3 == 0 else (1, 2)
        tell(store, statements(name, *seqs), received_at=BASE + number * SECOND)
    return store


def walked(store, **question):
    found, token = [], None
    while True:
        page = listed(store, BASE + (SILENT_S + 10) * SECOND, page_token=token, **question)
        found += [each["producer"] for each in page["producers"]]
        token = page["next_page_token"]
        if token is None:
            return found


@pytest.mark.parametrize("size", ["1", "7", "1000"])
@pytest.mark.parametrize("rows", [1, 4, 200])
def test_a_walk_shows_every_session_that_fits_once_by_name(monkeypatch, size, rows):
    monkeypatch.setattr("flowtrail.query.producers._ROWS_READ", rows)
    store = many()
    everyone = sorted(f"{'ab'[number % 2]}/{number:02}" for number in range(30))
    with_gaps = [each for each in everyone if int(each[2:]) % 3 == 0]
    silent = [each for each in everyone if int(each[2:]) % 3 and int(each[2:]) < 10]

    assert walked(store, page_size=size) == everyone
    assert walked(store, page_size=size, producer="a") == [each for each in everyone if each[0] == "a"]
    assert walked(store, page_size=size, verdict="gaps") == with_gaps
    assert walked(store, page_size=size, verdict="silent") == silent
    assert walked(store, page_size=size, verdict="gaps,silent") == sorted([*with_gaps, *silent])
    assert walked(store, page_size=size, verdict="lost") == []
    assert walked(store, page_size=size, verdict="gaps", producer="b") == [
        x for x in with_gaps if x[0] == "b"
    ]


def test_a_page_that_looked_for_too_long_is_short_and_goes_on(monkeypatch):
    monkeypatch.setattr("flowtrail.query.producers._ROWS_READ", 3)
    monkeypatch.setattr("flowtrail.query.producers.BUDGET_S", -1.0)
    store = many()

    page = listed(store, verdict="gaps", producer="b")

    assert page["short"]
    assert len(page["producers"]) <= 3
    assert walked(store, verdict="gaps") == sorted(
        f"{'ab'[number % 2]}/{number:02}" for number in range(0, 30, 3)
    )


def test_a_text_may_name_a_session_and_a_producer():
    store = told(*statements("a/b", 1), *statements("a/b/1", 1), *statements("a/bc", 1))

    assert walked(store, producer="a/b") == ["a/b", "a/b/1"]
    assert walked(store, producer="a/b", page_size="1") == ["a/b", "a/b/1"]
    assert walked(store, producer="a/bc") == ["a/bc"]
    assert walked(store, producer="a") == ["a/b", "a/b/1", "a/bc"]
    assert walked(store, producer="") == ["a/b", "a/b/1", "a/bc"]
    assert walked(store, producer="c") == []
    assert walked(store, producer="a/b\0") == []


def test_a_list_shows_the_first_gaps_and_the_session_all_of_them_page_by_page():
    came = [*range(1, 60, 2), 5 * CHUNK, *range(8 * CHUNK + 1, 9 * CHUNK + 1), 900 * CHUNK]
    store = told(*statements("a/1", *came))
    gaps = [[seq, seq] for seq in range(2, 59, 2)] + [
        [60, 5 * CHUNK - 1], [5 * CHUNK + 1, 8 * CHUNK], [9 * CHUNK + 1, 900 * CHUNK - 1],
    ]  # fmt: skip

    row = one(store)
    assert [[gap["from"], gap["to"]] for gap in row["gaps"]] == gaps[:10]
    assert not row["gaps_complete"]

    def all_gaps(**question):
        found, token = [], None
        while True:
            page = get_producer(store, "default", "a/1", page_token=token, **question)
            assert page["missing"] == row["missing"] == sum(last - first + 1 for first, last in gaps)
            assert page["gaps_complete"] is (token is None and page["next_page_token"] is None)
            found += [[gap["from"], gap["to"]] for gap in page["gaps"]]
            token = page["next_page_token"]
            if token is None:
                return found

    assert all_gaps() == gaps
    for size in ("1", "3", "29", "30"):
        assert all_gaps(page_size=size) == gaps


def test_gaps_of_many_chunks_are_read_a_few_chunks_at_a_time(monkeypatch):
    monkeypatch.setattr("flowtrail.query.producers._GAP_CHUNKS_READ", 2)
    store = told(*statements("a/1", *(number * CHUNK + 5 for number in range(9))))

    found, token = [], None
    while True:
        page = get_producer(store, "default", "a/1", page_token=token)
        found += [(gap["from"], gap["to"]) for gap in page["gaps"]]
        token = page["next_page_token"]
        if token is None:
            break
    assert found == [(1, 4)] + [(n * CHUNK + 6, (n + 1) * CHUNK + 4) for n in range(8)]


def test_what_cannot_be_meant_is_refused():
    store = told(*statements("a/1", 1), *statements("b/1", 1))

    wrong = refused(listed, store, verdict="gaps,fine")
    assert (wrong.code, wrong.field, wrong.received) == ("out_of_range", "verdict", "gaps,fine")
    assert "silent" in wrong.allowed
    assert refused(listed, store, page_size="0").field == "page_size"
    token = listed(store, page_size="1")["next_page_token"]
    assert refused(listed, store, page_token=token, producer="a").code == "invalid_page_token"
    assert refused(get_producer, store, "default", "a/1", page_token=token).code == "invalid_page_token"
    assert refused(get_producer, store, "default", "c/1").status == 404
    assert refused(get_producer, store, "other", "a/1").status == 404


def test_the_longest_names_can_be_walked():
    names = [f"{chr(0x1F600 + number) * 198}/1" for number in range(3)]
    store = told(*(record for name in names for record in statements(name, 1)))

    assert walked(store, page_size="1") == names
