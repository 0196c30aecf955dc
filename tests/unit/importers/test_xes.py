"""XES: traces are transactions, what was scheduled, started and completed is one execution."""

import gzip
from collections import Counter
from random import Random

import pytest

from flowtrail.intake.importers import ImportOptions, markup
from tests.support.exchange import read_import
from tests.support.logs import of_kind
from tests.support.stories import canonical

SECOND = 1_000_000
BEGAN = 1_790_000_000 * SECOND


def at(second, zone="+00:00"):
    from datetime import UTC, datetime

    return datetime.fromtimestamp(1_790_000_000 + second, UTC).strftime("%Y-%m-%dT%H:%M:%S.000") + zone


def event(name, transition=None, second=0, *more):
    parts = [
        f'<string key="concept:name" value="{name}"/>',
        f'<date key="time:timestamp" value="{at(second)}"/>',
    ]
    if transition is not None:
        parts.append(f'<string key="lifecycle:transition" value="{transition}"/>')
    return f"<event>{''.join([*parts, *more])}</event>"


def trace(name, *events, more=""):
    return f'<trace><string key="concept:name" value="{name}"/>{more}{"".join(events)}</trace>'


def log(*traces, head=""):
    return f'<?xml version="1.0" encoding="UTF-8"?><log xes.version="1.0">{head}{"".join(traces)}</log>'


@pytest.fixture
def read(tmp_path):
    def reading(text, **options):
        file = tmp_path / "log.xes"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_import("xes", file, ImportOptions(**options))

    return reading


def lives(records):
    """(activity, attempt, status, queued, started, ended) of every execution, in seconds since the log began."""

    def seconds(instant):
        return None if instant is None else (instant - BEGAN) // SECOND

    return [
        (
            each["block"],
            each.get("attempt", 1),
            each["status"],
            *(seconds(each.get(name)) for name in ("queued_at", "started_at", "ended_at")),
        )
        for each in of_kind(records, "block")
    ]


def test_schedule_start_and_complete_are_one_execution(read):
    records, problems, counts = read(
        log(trace("4711", event("map", "schedule", 0), event("map", "start", 2), event("map", "complete", 5)))
    )

    assert lives(records) == [("map", 1, "succeeded", 0, 2, 5)]
    (announced,) = of_kind(records, "transaction")
    assert (announced["flow"], announced["object_type"], announced["object_id"]) == ("xes", "case", "4711")
    assert (problems, dict(counts)) == ([], {})
    canonical(records)


def test_activities_are_paired_in_the_order_of_the_file_oldest_first(read):
    records, _, counts = read(
        log(
            trace(
                "1",
                event("a", "START", 0),
                event("b", "START", 1),
                event("a", "START", 2),
                event("a", "COMPLETE", 3),
                event("b", "COMPLETE", 4),
                event("a", "COMPLETE", 9),
            )
        )
    )

    assert lives(records) == [
        ("a", 1, "succeeded", None, 0, 3),
        ("b", 1, "succeeded", None, 1, 4),
        ("a", 2, "succeeded", None, 2, 9),
    ]
    assert dict(counts) == {}


def test_the_order_of_the_file_decides_where_instants_are_equal_or_go_backwards(read):
    records, _, _ = read(
        log(
            trace(
                "1",
                event("a", "start", 5),
                event("a", "start", 5),
                event("a", "complete", 5, '<string key="n" value="first"/>'),
                event("a", "complete", 2, '<string key="n" value="second"/>'),
            )
        )
    )

    assert [
        (each["started_at"], each["ended_at"], each["details"]) for each in of_kind(records, "block")
    ] == [
        (BEGAN + 5 * SECOND, BEGAN + 5 * SECOND, {"n": "first"}),
        (BEGAN + 5 * SECOND, BEGAN + 2 * SECOND, {"n": "second"}),
    ]


def test_what_finds_no_partner_is_kept_and_counted(read):
    records, problems, counts = read(
        log(
            trace("1", event("a", "start", 0), event("b", "complete", 1), event("c", "schedule", 2)),
            trace("2", event("a", "complete", 3), event("c", "schedule", 4), event("c", "complete", 6)),
        )
    )

    assert sorted(lives(records), key=str) == [
        ("a", 1, "running", None, 0, None),
        ("a", 1, "succeeded", None, None, 3),
        ("b", 1, "succeeded", None, None, 1),
        ("c", 1, "pending", 2, None, None),
        ("c", 1, "succeeded", 4, None, 6),
    ]
    assert problems == []
    assert counts == Counter(
        {"starts without an end": 1, "schedules without a start": 1, "ends without a start": 3}
    )
    canonical(records)


def test_one_case_never_takes_the_partner_of_another(read):
    records, _, _ = read(log(trace("1", event("a", "start", 0)), trace("2", event("a", "complete", 1))))

    assert sorted(lives(records), key=str) == [
        ("a", 1, "running", None, 0, None),
        ("a", 1, "succeeded", None, None, 1),
    ]


def test_an_event_without_a_transition_is_an_execution_without_duration(read):
    records, _, counts = read(log(trace("1", event("a", None, 3), event("a", "unknown", 4))))

    assert lives(records) == [("a", 1, "succeeded", None, 3, 3), ("a", 2, "succeeded", None, 4, 4)]
    assert dict(counts) == {}


@pytest.mark.parametrize(
    ("transition", "life", "skip"),
    [
        ("ate_abort", ("a", 1, "failed", 0, 1, 2), None),
        ("pi_abort", ("a", 1, "failed", 0, 1, 2), None),
        ("complete", ("a", 1, "succeeded", 0, 1, 2), None),
    ],
)
def test_aborted_work_failed(read, transition, life, skip):
    records, _, _ = read(
        log(trace("1", event("a", "schedule", 0), event("a", "start", 1), event("a", transition, 2)))
    )

    assert lives(records) == [life]
    ends = [each["outcome"] for each in of_kind(records, "end")]
    assert ends == (["cancelled"] if transition == "pi_abort" else [])


@pytest.mark.parametrize("transition", ["withdraw", "autoskip", "manualskip"])
def test_work_that_was_passed_over_is_skipped(read, transition):
    records, _, _ = read(
        log(trace("1", event("a", "schedule", 0), event("a", transition, 2), event("b", transition, 3)))
    )

    assert lives(records) == [("a", 1, "skipped", 0, None, 2), ("b", 1, "skipped", None, None, 3)]
    assert [each["skip"] for each in of_kind(records, "block")] == [{"predicate": transition}] * 2
    canonical(records)


def test_people_pauses_and_other_models_are_kept(read):
    resource = '<string key="org:resource" value="{}"/>'.format
    records, _, counts = read(
        log(
            trace(
                "1",
                event("a", "schedule", 0),
                event("a", "assign", 1, resource("anna")),
                event("a", "reassign", 2, resource("ben")),
                event("a", "start", 3),
                event("a", "suspend", 4),
                event("a", "resume", 5),
                event("a", "suspend", 6),
                event("a", "resume", 7),
                event("a", "complete", 8),
                event("b", "in_progress", 9),
            )
        )
    )

    assert lives(records) == [("a", 1, "succeeded", 0, 3, 8), ("b", 1, "succeeded", None, 9, 9)]
    first, second = of_kind(records, "block")
    assert first["worker"] == "ben"
    assert {name: len(told) for name, told in first["details"].items()} == {
        "lifecycle:suspend": 2,
        "lifecycle:resume": 2,
    }
    assert second["details"] == {"lifecycle:transition": "in_progress"}
    assert sum(counts.values()) == 1


def test_attributes_of_every_kind_become_plain_values(read):
    nested = '<string key="who" value="anna"><int key="age" value="7"/></string>'
    kinds = (
        '<int key="i" value="42"/><float key="f" value="1.5"/><float key="nan" value="NaN"/>'
        '<boolean key="b" value="TRUE"/><id key="u" value="x-1"/><date key="d" value="2026-01-01T00:00:00+02:00"/>'
        '<int key="big" value="99999999999999999999"/><int key="odd" value="1_0"/><string key="s" value=" a&#10;b "/>'
        '<list key="l"><values><string key="x" value="1"/><string key="x" value="2"/></values></list>'
        '<float key="cost:total" value="9.5"/><string key="org:role" value="clerk"/>'
    )
    records, problems, _ = read(
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


def test_globals_extensions_and_attributes_of_the_log_say_nothing_about_cases(read):
    head = (
        '<extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>'
        '<global scope="event"><string key="concept:name" value="__INVALID__"/></global>'
        '<global scope="trace"><string key="concept:name" value="__INVALID__"/></global>'
        '<classifier name="Activity" keys="concept:name"/><string key="concept:name" value="the log"/>'
    )
    records, problems, _ = read(log(trace("1", event("a", "complete", 1)), head=head))

    assert len(records) == 2
    assert problems == []


def test_prefixed_names_and_other_encodings_are_read(read):
    text = log(trace("Größe", event("prüfen", "complete", 1)))
    latin = text.replace("UTF-8", "ISO-8859-1")
    prefixed = latin.replace("<", "<x:").replace("<x:/", "</x:").replace("<x:?", "<?")
    files = (
        latin.encode("latin-1"),
        prefixed.encode("latin-1"),
        text.replace("UTF-8", "UTF-16").encode("utf-16"),
    )

    for each in files:
        records, problems, _ = read(each)
        assert problems == []
        assert of_kind(records, "transaction")[0]["object_id"] == "Größe"
        assert of_kind(records, "block")[0]["block"] == "prüfen"


def test_instants_without_an_offset_need_a_zone(read):
    text = log(trace("1", event("a", "complete", 1))).replace("+00:00", "")

    records, (problem,), _ = read(text)
    assert (records, problem.row, problem.field) == ([], 1, "time:timestamp")

    records, problems, _ = read(text, timezone="Asia/Tokyo")
    assert problems == []
    assert of_kind(records, "block")[0]["ended_at"] == BEGAN + SECOND - 9 * 3_600 * SECOND


def test_an_event_that_cannot_be_used_is_told_and_the_others_go_on(read):
    broken = '<event><date key="time:timestamp" value="2026-01-01T00:00:00Z"/></event>'
    undated = '<event><string key="concept:name" value="x"/></event>'
    records, problems, _ = read(
        log(trace("1", broken, undated, event("a", "complete", 3)), broken, trace("2"))
    )

    assert [(each.row, each.field) for each in problems] == [
        (1, "concept:name"),
        (2, "time:timestamp"),
        (4, "event"),
    ]
    assert lives(records) == [("a", 1, "succeeded", None, None, 3)]


def test_traces_without_a_name_are_called_by_their_number_and_those_without_events_are_counted(read):
    records, problems, counts = read(log(f"<trace>{event('a', 'complete', 1)}</trace>", trace("2")))

    assert of_kind(records, "transaction")[0]["object_id"] == "trace 1"
    assert counts["traces without a name, called by their number"] == 1
    assert counts["traces without events, left out"] == 1
    assert problems == []


def test_attributes_that_stand_behind_the_events_are_not_lost(read):
    late = f'<trace><string key="concept:name" value="1"/>{event("a", "complete", 1)}<int key="n" value="3"/></trace>'

    records, _, _ = read(log(late))

    assert of_kind(records, "transaction")[-1]["attributes"] == {"n": 3}


def test_ends_are_named_by_the_last_activity(read):
    text = log(
        trace("1", event("a", "complete", 1), event("pay", "complete", 9)),
        trace("2", event("pay", "complete", 1), event("a", "complete", 9)),
    )

    records, _, _ = read(text, ends=("pay=delivered",))

    (ended,) = of_kind(records, "end")
    assert (ended["outcome"], ended["ended_at"]) == ("delivered", BEGAN + 9 * SECOND)


def test_ids_follow_from_source_flow_and_case_and_from_the_events_place(read):
    text = log(trace("1", event("a", "start", 1), event("a", "complete", 2), event("b", "complete", 2)))

    first, again, other = read(text)[0], read(text)[0], read(text, source="elsewhere")[0]

    assert first == again
    assert {each["id"] for each in of_kind(first, "transaction")}.isdisjoint(
        each["id"] for each in of_kind(other, "transaction")
    )
    assert [each["id"] for each in of_kind(first, "block")] == [f"{n:016x}" for n in (1, 3)]


def test_more_attributes_than_a_transaction_holds_are_told(read):
    many = "".join(f'<int key="n{number}" value="1"/>' for number in range(70))

    records, (problem,), _ = read(log(trace("1", event("a", "complete", 1), more=many)))

    assert "attributes" in problem.message
    assert len(of_kind(records, "transaction")[0]["attributes"]) == 64
    canonical(records)


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE log [<!ENTITY a "b">]><log><trace/></log>',
        '<!DOCTYPE log SYSTEM "file:///etc/passwd"><log><trace/></log>',
        '<!DOCTYPE log [<!ENTITY x SYSTEM "file:///etc/passwd">]><log><string key="a" value="&x;"/></log>',
        "<html><body/></html>",
        "",
        "no xml at all",
        "<log><trace></log>",
        '<log><trace><string key="a" value="&undefined;"/></trace></log>',
    ],
)
def test_what_is_dangerous_or_no_xes_is_told(read, text):
    records, (problem,), _ = read(text)

    assert records == []
    assert problem.message


def test_what_stood_before_the_damage_is_read(read):
    whole = log(trace("1", event("a", "complete", 1)), trace("2", event("b", "complete", 1)))

    records, (problem,), _ = read(whole[: whole.index("</log>") - 4])

    assert [each["block"] for each in of_kind(records, "block")] == ["a", "b"]
    assert "not well-formed" in problem.message


def test_an_element_without_end_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(markup, "MAX_ELEMENT_BYTES", 1_000_000)
    file = tmp_path / "log.xes.gz"
    with gzip.open(file, "wb", 1) as into:
        into.write(log(trace("1", event("a", "complete", 1)))[: -len("</log>")].encode())
        into.write(b'<trace><string key="a" value="' + b"x" * 4_000_000)

    records, (problem,), _ = read_import("xes", file)

    assert [each["block"] for each in of_kind(records, "block")] == ["a"]
    assert "longer than" in problem.message


def test_attributes_without_end_do_not_fill_the_memory(read):
    many = "".join(f'<int key="n{number}" value="1"/>' for number in range(10_050))
    nested = f'<list key="l"><values>{many}</values></list>'

    for more in (many, nested):
        records, _, counts = read(log(trace("1", event("a", "complete", 1, more), event("b", "complete", 2))))

        assert [each["block"] for each in of_kind(records, "block")] == ["a", "b"]
        assert sum(counts.values()) > 10


def test_elements_that_xes_does_not_have_are_passed_over(read):
    odd = '<string key="who" value="anna"><odd><string key="deep" value="x"/></odd></string><odd/>'

    records, problems, _ = read(log(trace("1", event("a", "complete", 1, odd)), head="<odd><odd/></odd>"))

    assert problems == []
    assert of_kind(records, "block")[0]["details"] == {"who": "anna"}


def test_a_long_element_is_read(read):
    text = "x" * 3_000_000

    records, problems, _ = read(
        log(trace("1", event("a", "complete", 1, f'<string key="long" value="{text}"/>')))
    )

    assert problems == []
    assert of_kind(records, "block")[0]["details"] == {"long": text}


def test_pairing_agrees_with_the_plain_way_of_doing_it(read):
    random = Random(5)
    traces, wanted = [], []
    for number in range(40):
        events, waiting, running = [], {}, {}
        for second in range(random.randrange(2, 30)):
            name, transition = random.choice("ab"), random.choice(["schedule", "start", "complete"])
            events.append(event(name, transition, second))
            if transition == "schedule":
                waiting.setdefault(name, []).append([number, name, second, None, None])
            elif transition == "start":
                one = waiting[name].pop(0) if waiting.get(name) else [number, name, None, None, None]
                one[3] = second
                running.setdefault(name, []).append(one)
            else:
                queue = running.get(name) or waiting.get(name)
                one = queue.pop(0) if queue else [number, name, None, None, None]
                wanted.append([*one[:4], second])
        wanted += [one for queue in (*waiting.values(), *running.values()) for one in queue]
        traces.append(trace(str(number), *events))

    records, _, _ = read(log(*traces))

    names = {each["id"]: int(each["object_id"]) for each in of_kind(records, "transaction")}
    found = [
        [names[each["transaction"]], life[0], *life[3:]]
        for each, life in zip(of_kind(records, "block"), lives(records), strict=True)
    ]
    assert sorted(found, key=str) == sorted(wanted, key=str)
    canonical(records)
