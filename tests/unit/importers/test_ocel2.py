"""OCEL 2.0: every object a transaction, every event one execution for each of its objects, links between objects."""

import json
from collections import Counter
from random import Random

import pytest

from flowtrail.intake.importers import ImportOptions
from flowtrail.model.errors import Refusal
from tests.support.exchange import filled, read_import
from tests.support.logs import OCEL_HEADER, imported, of_kind
from tests.support.stories import canonical
from tests.support.views import seen

SECOND = 1_000_000
PLACED = 1_558_336_067 * SECOND


def at(seconds):
    from datetime import UTC, datetime

    return datetime.fromtimestamp(PLACED // SECOND + seconds, UTC).isoformat().replace("+00:00", "Z")


def typed(name, **attributes):
    return {"name": name, "attributes": [{"name": key, "type": kind} for key, kind in attributes.items()]}


def thing(id, type, *attributes, **related):
    return {
        "id": id,
        "type": type,
        "attributes": [{"name": name, "value": value, "time": time} for name, value, time in attributes],
        "relationships": [
            {"objectId": other, "qualifier": qualifier} for qualifier, other in related.items()
        ],
    }


def event(id, type, seconds, related, **attributes):
    return {
        "id": id,
        "type": type,
        "time": at(seconds),
        "attributes": [{"name": name, "value": value} for name, value in attributes.items()],
        "relationships": [{"objectId": other, "qualifier": qualifier} for other, qualifier in related],
    }


ALWAYS = "1970-01-01T00:00:00Z"
LOG = {
    "objectTypes": [typed("orders", price="float", urgent="boolean"), typed("items", weight="integer")],
    "eventTypes": [
        typed("place order", amount="float", when="time"),
        typed("item out of stock"),
        typed("pay order"),
    ],
    "objects": [
        thing(
            "o1",
            "orders",
            ("price", "9.5", ALWAYS),
            ("urgent", "false", ALWAYS),
            ("price", "8.5", at(60)),
            a="i1",
            b="i2",
        ),
        thing("i1", "items", ("weight", "3", ALWAYS)),
        thing("i2", "items"),
        thing("p1", "products", ("name", "pen", at(5))),
    ],
    "events": [
        event(
            "e1",
            "place order",
            0,
            [("o1", "order"), ("i1", "item"), ("i2", "")],
            amount="9.5",
            when="2026-01-01T01:00:00+01:00",
        ),
        event("e2", "item out of stock", 40, [("i1", "missing")]),
        event("e3", "item out of stock", 50, [("i1", "missing")]),
        event("e4", "pay order", 90, [("o1", "order")]),
    ],
}


@pytest.fixture
def read(tmp_path):
    def reading(log, **options):
        file = tmp_path / "log.json"
        file.write_bytes(log if isinstance(log, bytes) else json.dumps(log).encode())
        return read_import("ocel2", file, ImportOptions(**options))

    return reading


def executions_of(records, object_id):
    key = next(each["id"] for each in of_kind(records, "transaction") if each["object_id"] == object_id)
    return [each for each in of_kind(records, "block") if each["transaction"] == key]


def test_every_object_is_a_transaction_opened_at_its_first_event(read):
    records, problems, counts = read(LOG)

    headers = seen(filled(canonical(records)))["headers"].values()
    assert {(each.flow, each.object_type, each.object_id): each.opened_at - PLACED for each in headers} == {
        ("order", "order", "o1"): 0,
        ("item", "item", "i1"): 0,
        ("item", "item", "i2"): 0,
        ("product", "product", "p1"): 5 * SECOND,
    }
    assert (problems, dict(counts)) == ([], {})


def test_every_event_is_an_execution_of_each_of_its_objects(read):
    records, _, _ = read(LOG)

    assert Counter(each["block"] for each in of_kind(records, "block")) == {
        "place order": 3,
        "item out of stock": 2,
        "pay order": 1,
    }
    first, second, third = executions_of(records, "i1")
    assert (first.get("queued_at"), first["started_at"], first["ended_at"]) == (None, PLACED, PLACED)
    assert (second["queued_at"], second["started_at"]) == (PLACED, PLACED + 40 * SECOND)
    assert [each.get("attempt") for each in (first, second, third)] == [None, None, 2]
    assert [each["status"] for each in (first, second, third)] == ["succeeded", "failed", "failed"]
    assert [each["stage"] for each in (first, second)] == ["ingress", "processing"]
    assert first["details"] == {
        "amount": 9.5,
        "when": "2026-01-01T00:00:00.000000Z",
        "ocel:event": "e1",
        "ocel:qualifier": "item",
    }
    assert "ocel:qualifier" not in executions_of(records, "i2")[0]["details"]


def test_attributes_of_objects_change_as_the_log_says(read):
    records, _, _ = read(LOG)

    first, second = [each for each in of_kind(records, "transaction") if each["object_id"] == "o1"]
    assert first["attributes"] | {"ocel:relationships": None} == {
        "price": 9.5,
        "urgent": False,
        "ocel:relationships": None,
    }
    assert (second["at"], second["attributes"]) == (PLACED + 60 * SECOND, {"price": 8.5})
    state = seen(filled(canonical(records)))["states"]
    assert len(state) == 4


def test_a_change_before_the_first_event_still_comes_after_the_first_value(read):
    log = json.loads(json.dumps(LOG))
    log["objects"][1]["attributes"].append({"name": "weight", "value": "4", "time": at(-100)})

    records, _, _ = read(log)

    told = [
        (each["at"], each.get("attributes"))
        for each in of_kind(records, "transaction")
        if each["object_id"] == "i1"
    ]
    assert told == [(PLACED - 100 * SECOND, {"weight": 4})]


def test_relationships_of_objects_are_links_and_keep_their_qualifiers(read):
    records, _, _ = read(LOG, relation=("a=split",))

    ids = {each["object_id"]: each["id"] for each in of_kind(records, "transaction")}
    assert [(each["parent"], each["child"], each["relation"]) for each in of_kind(records, "link")] == [
        (ids["o1"], ids["i1"], "split"),
        (ids["o1"], ids["i2"], "derive"),
    ]
    attributes = of_kind(records, "transaction")[0]["attributes"]
    assert attributes["ocel:relationships"] == [
        {"object": "i1", "qualifier": "a"},
        {"object": "i2", "qualifier": "b"},
    ]
    with pytest.raises(Refusal):
        read(LOG, relation=("a=nonsense",))


def test_an_object_ends_with_the_activity_that_ends_it(read):
    records, _, _ = read(LOG)

    (ended,) = of_kind(records, "end")
    assert (ended["outcome"], ended["ended_at"]) == ("delivered", PLACED + 90 * SECOND)
    assert of_kind(read(LOG, ends=("item out of stock=failed",))[0], "end")[0]["outcome"] == "failed"


def test_an_event_that_names_an_object_twice_is_one_execution_of_it(read):
    log = LOG | {"events": [event("e1", "place order", 0, [("o1", "first"), ("o1", "second")])]}

    records, _, _ = read(log)

    (only,) = of_kind(records, "block")
    assert only["details"]["ocel:qualifier"] == ["first", "second"]


@pytest.mark.parametrize("members", [["events", "objects", "eventTypes", "objectTypes"], list(LOG)[::-1]])
def test_the_order_of_the_members_does_not_matter(read, members):
    wanted = seen(filled(canonical(read(LOG)[0])))

    found = seen(filled(canonical(read({name: LOG[name] for name in members})[0])))

    assert found == wanted


def test_events_that_are_not_in_order_of_time_are_put_into_it(read):
    random = Random(3)
    events = [
        event(f"e{n}", random.choice("abc"), n // 3, [(f"o{random.randrange(5)}", "")]) for n in range(200)
    ]
    log = {"objects": [thing(f"o{n}", "orders") for n in range(5)], "events": events}
    shuffled = sorted(events, key=lambda each: (random.random(), each["id"]))
    shuffled = [each for _, each in sorted(enumerate(shuffled), key=lambda pair: pair[0])]

    records, problems, counts = read(log | {"events": shuffled})

    assert problems == []
    assert counts == Counter({"logs not in order of time, sorted": 1})
    for number in range(5):
        own = executions_of(records, f"o{number}")
        instants = [each["started_at"] for each in own]
        assert instants == sorted(instants)
        assert [each.get("queued_at") for each in own] == [None, *instants[:-1]]
        attempts = Counter()
        for each in own:
            attempts[each["block"]] += 1
            assert each.get("attempt", 1) == attempts[each["block"]]


def test_the_rows_of_an_ocel_1_table_say_the_same_as_ocel_2(read, tmp_path):
    rows = [
        "1.0,place order,2019-05-20 07:07:47.000Z, ,\"['i1', 'i2']\",\"['o1']\", , ,3.5,524.96",
        "2.0,item out of stock,2019-05-20 08:00:00.000Z, ,\"['i1']\", , , ,3.5,524.96",
        "3.0,pay order,2019-05-21 10:00:00.000Z, , ,\"['o1']\", , ,3.5,524.96",
    ]
    table = tmp_path / "log.csv"
    table.write_text("\n".join([OCEL_HEADER, *rows, ""]))
    facts = {"weight": "3.5", "price": "524.96"}
    log = {
        "eventTypes": [
            typed(name, weight="float", price="float")
            for name in ("place order", "item out of stock", "pay order")
        ],
        "objectTypes": [typed("orders"), typed("items")],
        "objects": [thing("o1", "orders"), thing("i1", "items"), thing("i2", "items")],
        "events": [
            event("e1", "place order", 0, [("o1", ""), ("i1", ""), ("i2", "")], **facts),
            event("e2", "item out of stock", 3_133, [("i1", "")], **facts),
            event("e3", "pay order", 96_733, [("o1", "")], **facts),
        ],
    }

    mine, _ = imported("ocel-csv", table, ImportOptions(source="same"))
    other, _, _ = read(log, source="same")

    for each in of_kind(other, "block"):
        del each["details"]["ocel:event"]
    assert sorted(map(str, of_kind(mine, "block"))) == sorted(map(str, of_kind(other, "block")))
    assert of_kind(mine, "end") == of_kind(other, "end")
    announced = [
        {
            (each["id"], each["flow"], each["object_type"], each["object_id"], each["created_at"])
            for each in of_kind(records, "transaction")
        }
        for records in (mine, other)
    ]
    assert announced[0] == announced[1]


def test_elements_that_cannot_be_used_are_told_and_the_others_go_on(read):
    log = LOG | {
        "objects": [*LOG["objects"], {"id": 7, "type": "orders"}, {"type": "orders"}],
        "events": [
            {"id": "e0", "type": "x"},
            event("e1", "place order", 0, [("o1", ""), ("nowhere", "")]),
            {"id": "e2", "type": "x", "time": "yesterday"},
            event("e3", "pay order", 9, [("o1", "")]),
        ],
    }

    records, problems, _ = read(log)

    assert [(each.row, each.field) for each in problems] == [
        (None, "objects"),
        (None, "objects"),
        (1, "events"),
        (2, "objectId"),
        (3, "time"),
    ]
    assert [each["block"] for each in of_kind(records, "block")] == ["place order", "pay order"]
    canonical(records)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (
            {"ocel:global-log": {"ocel:version": "1.0"}, "ocel:events": {"e": {}}, "ocel:objects": {}},
            "OCEL 1.0",
        ),
        ({"orders": [{"id": 1}]}, "no OCEL 2.0"),
    ],
)
def test_json_of_another_kind_is_not_taken_for_an_empty_log(tmp_path, document, said):
    file = tmp_path / "log.json"
    file.write_text(json.dumps(document))

    records, (problem,) = imported("ocel2", file)

    assert records == []
    assert str(problem) == (
        f"this is {said}; received {next(iter(document))!r}; allowed: an object with the arrays objects and events"
    )


@pytest.mark.parametrize(
    "document",
    [{}, {"objects": [], "events": []}, {"objectTypes": [typed("orders")], "more": 1, "events": []}],
)
def test_an_empty_log_is_no_mistake(tmp_path, document):
    file = tmp_path / "log.json"
    file.write_text(json.dumps(document))

    assert imported("ocel2", file)[1] == []


def test_what_belongs_to_nothing_is_counted(read):
    log = LOG | {
        "events": [event("e1", "place order", 0, [])],
        "objects": [thing("o1", "orders", a="nowhere"), thing("o2", "orders"), thing("o2", "orders")],
    }

    records, problems, counts = read(log)

    assert (records, problems) == ([], [])
    assert counts == Counter(
        {
            "events without objects, left out": 1,
            "objects without any instant, left out": 3,
            "objects told more than once": 1,
        }
    )


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"no json", b'{"objects":[{"id":', b'{"objects":[}]}', b"<log/>"]
)
def test_what_is_no_ocel_is_told(read, text):
    records, problems, _ = read(text)

    assert records == []
    assert len(problems) >= 1


def test_importing_again_says_the_same(read):
    assert read(LOG)[0] == read(LOG)[0]
    assert {each["id"] for each in of_kind(read(LOG)[0], "transaction")}.isdisjoint(
        each["id"] for each in of_kind(read(LOG, source="other")[0], "transaction")
    )


def test_a_log_on_standard_input_is_read_twice_too(monkeypatch, tmp_path):
    from pathlib import Path

    file = tmp_path / "log.json"
    file.write_text(json.dumps(LOG))
    wanted, _, _ = read_import("ocel2", file)
    with file.open("rb") as raw:
        monkeypatch.setattr("sys.stdin", type("Stdin", (), {"buffer": raw}))
        found, problems, _ = read_import("ocel2", Path("-"))

    assert problems == []
    assert found == wanted


@pytest.mark.parametrize("unit", [1, 1_000], ids=["s", "ms"])
@pytest.mark.parametrize("backwards", [False, True], ids=["in order", "not in order"])
def test_instants_may_be_numbers_where_the_option_says_of_what(tmp_path, unit, backwards):
    objects = [thing("o", "orders", ("p", 1, 0), ("p", 2, (PLACED // SECOND + 5) * unit))]
    events = [
        {**event(f"e{second}", "pick", 0, [("o", "")]), "time": (PLACED // SECOND + second) * unit}
        for second in ((3, 0) if backwards else (0, 3))
    ]
    file = tmp_path / "log.json"
    file.write_text(json.dumps({"objects": objects, "events": events}))
    options = ImportOptions(time_unit="s" if unit == 1 else "ms")

    records, problems = imported("ocel2", file, options)
    assert problems == []
    assert [each["started_at"] - PLACED for each in of_kind(records, "block")] == [0, 3 * SECOND]
    assert [each["attributes"]["p"] for each in of_kind(records, "transaction")] == [1, 2]

    _, (*_, problem) = imported("ocel2", file)
    assert "for numbers say --time-unit" in problem.message
