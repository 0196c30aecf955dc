"""XES: what was scheduled, started and completed is one execution."""

from collections import Counter
from random import Random

import pytest

from tests.support.logs import of_kind
from tests.support.stories import canonical
from tests.support.xes import BEGAN, SECOND, event, lives, log, trace


def test_schedule_start_and_complete_are_one_execution(read_xes):
    records, problems, counts = read_xes(
        log(trace("4711", event("map", "schedule", 0), event("map", "start", 2), event("map", "complete", 5)))
    )

    assert lives(records) == [("map", 1, "succeeded", 0, 2, 5)]
    (announced,) = of_kind(records, "transaction")
    assert (announced["flow"], announced["object_type"], announced["object_id"]) == ("xes", "case", "4711")
    assert (problems, dict(counts)) == ([], {})
    canonical(records)


def test_activities_are_paired_in_the_order_of_the_file_oldest_first(read_xes):
    records, _, counts = read_xes(
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


def test_the_order_of_the_file_decides_where_instants_are_equal_or_go_backwards(read_xes):
    records, _, _ = read_xes(
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


def test_what_finds_no_partner_is_kept_and_counted(read_xes):
    records, problems, counts = read_xes(
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


def test_one_case_never_takes_the_partner_of_another(read_xes):
    records, _, _ = read_xes(log(trace("1", event("a", "start", 0)), trace("2", event("a", "complete", 1))))

    assert sorted(lives(records), key=str) == [
        ("a", 1, "running", None, 0, None),
        ("a", 1, "succeeded", None, None, 1),
    ]


def test_an_event_without_a_transition_is_an_execution_without_duration(read_xes):
    records, _, counts = read_xes(log(trace("1", event("a", None, 3), event("a", "unknown", 4))))

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
def test_aborted_work_failed(read_xes, transition, life, skip):
    records, _, _ = read_xes(
        log(trace("1", event("a", "schedule", 0), event("a", "start", 1), event("a", transition, 2)))
    )

    assert lives(records) == [life]
    ends = [each["outcome"] for each in of_kind(records, "end")]
    assert ends == (["cancelled"] if transition == "pi_abort" else [])


@pytest.mark.parametrize("transition", ["withdraw", "autoskip", "manualskip"])
def test_work_that_was_passed_over_is_skipped(read_xes, transition):
    records, _, _ = read_xes(
        log(trace("1", event("a", "schedule", 0), event("a", transition, 2), event("b", transition, 3)))
    )

    assert lives(records) == [("a", 1, "skipped", 0, None, 2), ("b", 1, "skipped", None, None, 3)]
    assert [each["skip"] for each in of_kind(records, "block")] == [{"predicate": transition}] * 2
    canonical(records)


def test_people_pauses_and_other_models_are_kept(read_xes):
    resource = '<string key="org:resource" value="{}"/>'.format
    records, _, counts = read_xes(
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


def test_pairing_agrees_with_the_plain_way_of_doing_it(read_xes):
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

    records, _, _ = read_xes(log(*traces))

    names = {each["id"]: int(each["object_id"]) for each in of_kind(records, "transaction")}
    found = [
        [names[each["transaction"]], life[0], *life[3:]]
        for each, life in zip(of_kind(records, "block"), lives(records), strict=True)
    ]
    assert sorted(found, key=str) == sorted(wanted, key=str)
    canonical(records)


def test_what_was_suspended_without_ever_starting_is_known_by_when_that_was(read_xes):
    records, problems, counts = read_xes(
        log(trace("1", event("a", "suspend", 3), event("a", "resume", 5), event("b", "suspend", 6)))
    )

    told = of_kind(records, "block")
    assert [(each["block"], each["status"], each["at"] - BEGAN) for each in told] == [
        ("a", "running", 5 * SECOND),
        ("b", "running", 6 * SECOND),
    ]
    assert (problems, counts["starts without an end"]) == ([], 2)
    canonical(records)


def test_what_was_suspended_and_completed_is_known_by_its_end(read_xes):
    records, _, _ = read_xes(log(trace("1", event("a", "suspend", 3), event("a", "complete", 5))))

    (told,) = of_kind(records, "block")
    assert ("at" in told, told["ended_at"] - BEGAN) == (False, 5 * SECOND)
