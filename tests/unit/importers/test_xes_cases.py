"""XES: traces are transactions, with their names, ids, ends and attributes."""

from tests.support.logs import of_kind
from tests.support.stories import canonical
from tests.support.xes import BEGAN, SECOND, event, log, trace


def test_attributes_of_every_kind_become_plain_values(read_xes):
    nested = '<string key="who" value="anna"><int key="age" value="7"/></string>'
    kinds = (
        '<int key="i" value="42"/><float key="f" value="1.5"/><float key="nan" value="NaN"/>'
        '<boolean key="b" value="TRUE"/><id key="u" value="x-1"/><date key="d" value="2026-01-01T00:00:00+02:00"/>'
        '<int key="big" value="99999999999999999999"/><int key="odd" value="1_0"/><string key="s" value=" a&#10;b "/>'
        '<list key="l"><values><string key="x" value="1"/><string key="x" value="2"/></values></list>'
        '<float key="cost:total" value="9.5"/><string key="org:role" value="clerk"/>'
    )
    records, problems, _ = read_xes(
        log(trace("1", event("a", "complete", 1, kinds, nested), more=nested + kinds))
    )

    values = {
        "i": 42,
        "f": 1.5,
        "nan": "NaN",
        "b": True,
        "u": "x-1",
        "d": "2025-12-31T22:00:00.000000Z",
        "big": "99999999999999999999",
        "odd": "1_0",
        "s": " a\nb ",
        "l": [{"x": "1"}, {"x": "2"}],
        "cost:total": 9.5,
        "org:role": "clerk",
        "who": {"value": "anna", "age": 7},
    }
    assert of_kind(records, "block")[0]["details"] == values
    assert of_kind(records, "transaction")[0]["attributes"] == values
    assert problems == []
    canonical(records)


def test_globals_extensions_and_attributes_of_the_log_say_nothing_about_cases(read_xes):
    head = (
        '<extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>'
        '<global scope="event"><string key="concept:name" value="__INVALID__"/></global>'
        '<global scope="trace"><string key="concept:name" value="__INVALID__"/></global>'
        '<classifier name="Activity" keys="concept:name"/><string key="concept:name" value="the log"/>'
    )
    records, problems, _ = read_xes(log(trace("1", event("a", "complete", 1)), head=head))

    assert len(records) == 2
    assert problems == []


def test_instants_without_an_offset_need_a_zone(read_xes):
    text = log(trace("1", event("a", "complete", 1))).replace("+00:00", "")

    records, (problem,), _ = read_xes(text)
    assert (records, problem.row, problem.field) == ([], 1, "time:timestamp")

    records, problems, _ = read_xes(text, timezone="Asia/Tokyo")
    assert problems == []
    assert of_kind(records, "block")[0]["ended_at"] == BEGAN + SECOND - 9 * 3_600 * SECOND


def test_traces_without_a_name_are_called_by_their_number_and_those_without_events_are_counted(read_xes):
    records, problems, counts = read_xes(log(f"<trace>{event('a', 'complete', 1)}</trace>", trace("2")))

    assert of_kind(records, "transaction")[0]["object_id"] == "trace 1"
    assert counts["traces without a name, called by their number"] == 1
    assert counts["traces without events, left out"] == 1
    assert problems == []


def test_attributes_that_stand_behind_the_events_are_not_lost(read_xes):
    late = f'<trace><string key="concept:name" value="1"/>{event("a", "complete", 1)}<int key="n" value="3"/></trace>'

    records, _, _ = read_xes(log(late))

    assert of_kind(records, "transaction")[-1]["attributes"] == {"n": 3}


def test_ends_are_named_by_the_last_activity(read_xes):
    text = log(
        trace("1", event("a", "complete", 1), event("pay", "complete", 9)),
        trace("2", event("pay", "complete", 1), event("a", "complete", 9)),
    )

    records, _, _ = read_xes(text, ends=("pay=delivered",))

    (ended,) = of_kind(records, "end")
    assert (ended["outcome"], ended["ended_at"]) == ("delivered", BEGAN + 9 * SECOND)


def test_ids_follow_from_source_flow_and_case_and_from_the_events_place(read_xes):
    text = log(trace("1", event("a", "start", 1), event("a", "complete", 2), event("b", "complete", 2)))

    first, again, other = read_xes(text)[0], read_xes(text)[0], read_xes(text, source="elsewhere")[0]

    assert first == again
    assert {each["id"] for each in of_kind(first, "transaction")}.isdisjoint(
        each["id"] for each in of_kind(other, "transaction")
    )
    assert [each["id"] for each in of_kind(first, "block")] == [f"{n:016x}" for n in (1, 3)]


def test_more_attributes_than_a_transaction_holds_are_told(read_xes):
    many = "".join(f'<int key="n{number}" value="1"/>' for number in range(70))

    records, (problem,), _ = read_xes(log(trace("1", event("a", "complete", 1), more=many)))

    assert "attributes" in problem.message
    assert len(of_kind(records, "transaction")[0]["attributes"]) == 64
    canonical(records)


def test_more_attributes_than_an_execution_holds_are_told_and_the_execution_stays(read_xes):
    one, other = ("".join(f'<int key="{key}{n:02}" value="1"/>' for n in range(40)) for key in "ab")
    text = log(
        trace("1", event("a", "start", 1, one), event("a", "complete", 2, other), event("b", "start", 3))
    )

    records, (problem,), _ = read_xes(text)

    assert (problem.row, problem.received) == (2, "80 details")
    assert [len(each.get("details", ())) for each in of_kind(records, "block")] == [64, 0]
    canonical(records)


def test_what_stands_in_a_list_without_a_key_is_kept(read_xes):
    listed = '<list key="l"><values><string value="x"/><int key="n" value="1"/></values></list>'

    records, problems, _ = read_xes(log(trace("1", event("a", "complete", 1, listed))))

    assert of_kind(records, "block")[0]["details"] == {"l": ["x", {"n": 1}]}
    assert problems == []
    canonical(records)
