"""Logs as other tools write them, from a seed: XES with lifecycles and gaps, OCEL 2.0 with changes and qualifiers."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from xml.sax.saxutils import quoteattr

BEGAN = datetime(2026, 9, 21, 14, 0, tzinfo=UTC)
ACTIVITIES = ("receive", "check & sort", "map", "deliver")


def write_xes(file: Path, traces: int, seed: int = 7) -> Path:
    """Cases whose activities are scheduled, started and completed; some events are missing."""
    random = Random(seed)
    with file.open("w", encoding="utf-8") as into:
        into.write(
            '<?xml version="1.0" encoding="UTF-8"?>\n<log xes.version="2.0" xes.features="nested-attributes"'
        )
        into.write(' xmlns="http://www.xes-standard.org/">\n')
        into.write(
            '<extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>\n'
        )
        into.write('<global scope="event"><string key="concept:name" value="?"/></global>\n')
        for number in range(traces):
            into.write(f'<trace>\n<string key="concept:name" value="case {number}"/>\n')
            into.write(
                f'<string key="customer" value="C-{number % 9}"><int key="age" value="{number % 70}"/></string>\n'
            )
            for moment, activity, step in sorted(_steps(random, number)):
                into.write(f'<event><string key="concept:name" value={quoteattr(activity)}/>')
                into.write(f'<date key="time:timestamp" value="{_text(moment)}"/>')
                into.write(f'<string key="lifecycle:transition" value="{step}"/>')
                into.write(f'<string key="org:resource" value="w{random.randrange(4)}"/>')
                into.write(f'<float key="cost:total" value="{random.randrange(99) / 4}"/></event>\n')
            into.write("</trace>\n")
        into.write("</log>\n")
    return file


def _steps(random: Random, number: int) -> list[tuple[datetime, str, str]]:
    found, moment = [], BEGAN + timedelta(minutes=number)
    for _ in range(random.randrange(1, 9)):
        activity = random.choice(ACTIVITIES)
        for step in ("schedule", "start", random.choice(["complete"] * 7 + ["ate_abort"])):
            moment += timedelta(milliseconds=random.randrange(90_000))
            if random.random() < 0.95:
                found.append((moment, activity, step))
    return found


def write_ocel2(file: Path, orders: int, seed: int = 7) -> Path:
    """Orders of items, in packages; prices change, relationships have qualifiers of the log's own."""
    random = Random(seed)
    objects: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    always = "1970-01-01T00:00:00Z"
    for number in range(orders):
        moment = BEGAN + timedelta(minutes=10 * number)
        order, items = f"o{number}", [f"i{number}-{index}" for index in range(random.randrange(1, 5))]
        price = [{"name": "price", "value": f"{random.randrange(900) / 4}", "time": always}]
        if random.random() < 0.3:
            later = _text(moment + timedelta(hours=5))
            price.append({"name": "price", "value": f"{random.randrange(900) / 4}", "time": later})
        related = [{"objectId": item, "qualifier": "comprises"} for item in items]
        objects.append({"id": order, "type": "orders", "attributes": price, "relationships": related})
        objects += [{"id": item, "type": "items", "attributes": []} for item in items]
        steps = [
            ("place order", [order, *items]),
            *(("pick item", [item]) for item in items),
            ("pay order", [order]),
        ]
        for step, (name, concerned) in enumerate(steps):
            moment += timedelta(seconds=random.randrange(4_000))
            events.append(
                {
                    "id": f"e{number}-{step}",
                    "type": name,
                    "time": _text(moment),
                    "attributes": [{"name": "clerk", "value": f"w{random.randrange(4)}"}],
                    "relationships": [{"objectId": each, "qualifier": "of"} for each in concerned],
                }
            )
    events.sort(key=lambda event: event["time"])
    log = {
        "objectTypes": [
            {"name": "orders", "attributes": [{"name": "price", "type": "float"}]},
            {"name": "items", "attributes": []},
        ],
        "eventTypes": [
            {"name": name, "attributes": [{"name": "clerk", "type": "string"}]}
            for name in ("place order", "pick item", "pay order")
        ],
        "objects": objects,
        "events": events,
    }
    file.write_text(json.dumps(log), encoding="utf-8")
    return file


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
