"""Logs of the shape of the real ones, made from a seed, and what importers say of a file."""

import json
from pathlib import Path
from random import Random
from typing import Any

from flowtrail.intake.importers import ImportOptions, Problem, open_import

OCEL_HEADER = (
    "ocel:eid,ocel:activity,ocel:timestamp,ocel:type:customers,ocel:type:items,ocel:type:orders,"
    "ocel:type:packages,ocel:type:products,weight,price"
)


def imported(
    format: str, file: Path, options: ImportOptions | None = None
) -> tuple[list[dict[str, Any]], list[Problem]]:
    """Every record a file holds, and every problem."""
    problems: list[Problem] = []
    bodies = [batch.body for batch in open_import(format, file, options or ImportOptions(), problems.append)]
    return [json.loads(line) for body in bodies for line in body.split(b"\n")], problems


def of_kind(records: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [record for record in records if record["kind"] == kind]


def ocel_rows(orders: int, seed: int = 7) -> list[str]:
    """Events of orders with items and packages, in order of time, some at the same second."""
    random = Random(seed)
    events: list[tuple[int, str, dict[str, list[str]], float]] = []
    began = 1_558_000_000
    for number in range(orders):
        at = began + number * 3_600 + random.randrange(3_600)
        order, price = f"99{number:04}", round(random.uniform(1, 900), 2)
        items = [f"88{number:04}{index}" for index in range(random.randrange(1, 5))]
        events.append((at, "place order", {"orders": [order], "items": items}, price))
        confirmed = at + random.randrange(0, 90_000)
        events.append((confirmed, "confirm order", {"orders": [order]}, price))
        reached = []
        for item in items:
            picked = confirmed + random.randrange(0, 50_000)
            if random.random() < 0.2:
                events.append((picked, "item out of stock", {"items": [item]}, price))
                picked += random.randrange(1, 90_000)
                events.append((picked, "reorder item", {"items": [item]}, price))
            events.append((picked + 5, "pick item", {"items": [item]}, price))
            reached.append(picked + 5)
        package, packed = f"66{number:04}", max(reached) + random.randrange(0, 3)
        events.append((packed, "create package", {"items": items, "packages": [package]}, price))
        sent = packed + random.randrange(0, 5_000)
        events.append((sent, "send package", {"packages": [package]}, price))
        while random.random() < 0.3:
            sent += random.randrange(1, 90_000)
            events.append((sent, "failed delivery", {"packages": [package]}, price))
        events.append((sent + 60, "package delivered", {"packages": [package]}, price))
        paid = confirmed + random.randrange(0, 900_000)
        if random.random() < 0.3:
            events.append((paid, "payment reminder", {"orders": [order]}, price))
            paid += 1
        if number % 17:
            events.append((paid, "pay order", {"orders": [order]}, price))
    events.sort(key=lambda event: event[0])
    return [_ocel_row(number, *event) for number, event in enumerate(events, 1)]


def _ocel_row(number: int, at: int, activity: str, objects: dict[str, list[str]], price: float) -> str:
    from datetime import UTC, datetime

    def ids(name: str) -> str:
        return '"' + str(objects[name]) + '"' if name in objects else " "

    moment = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S.000Z")
    return f"{number}.0,{activity},{moment}, ,{ids('items')},{ids('orders')},{ids('packages')}, ,1.5,{price}"


def write_ocel(file: Path, rows: list[str]) -> Path:
    file.write_text("\n".join([OCEL_HEADER, *rows, ""]), encoding="utf-8")
    return file


SERVICES = ("frontend", "cartservice", "shippingservice", "emailservice", "paymentservice", "adservice")


def span_rows(traces: int, seed: int = 7) -> list[dict[str, Any]]:
    """Spans of nested calls; some traces stand in two places of the file, some children before their parents."""
    random = Random(seed)
    groups: list[list[dict[str, Any]]] = []
    for number in range(traces):
        trace, start = f"{random.getrandbits(64):016x}", 1_661_140_000_000_000 + number * 700_000
        spans = [_span(trace, None, "frontend", "Recv.", start, random.randrange(10, 2_000_000))]
        for _ in range(random.randrange(0, 30)):
            parent = random.randrange(len(spans))
            service, operation = random.choice(SERVICES), random.choice(["Get", "Put", "sql.rows"])
            at = spans[parent]["start_us"] + random.randrange(0, 5_000)
            spans.append(_span(trace, parent, service, operation, at, random.randrange(0, 200_000)))
        groups.append(spans)
    order = [(group, index) for group, spans in enumerate(groups) for index in range(len(spans))]
    for _ in range(traces):
        a = random.randrange(len(order) - 1)
        order[a], order[a + 1] = order[a + 1], order[a]
    place = {pair: row for row, pair in enumerate(order)}
    rows = []
    for row, (group, index) in enumerate(order):
        span = dict(groups[group][index])
        span["span"] = row
        span["parent"] = -1 if span["parent"] is None else place[group, span["parent"]]
        rows.append(span)
    return rows


def _span(
    trace: str, parent: int | None, service: str, operation: str, start: int, duration: int
) -> dict[str, Any]:
    return {
        "trace_id": trace,
        "span": 0,
        "parent": parent,
        "root": parent is None,
        "service": service,
        "operation": operation,
        "start_us": start,
        "dur_us": duration,
        "window": "03_53",
        "phase": "fault",
    }


def write_spans(file: Path, rows: list[dict[str, Any]], rows_a_group: int = 1 << 20) -> Path:
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.Table.from_pylist(rows)
    for name in ("trace_id", "service", "operation", "window", "phase"):
        if name in table.column_names:
            index = table.column_names.index(name)
            table = table.set_column(index, name, table.column(name).dictionary_encode())
    parquet.write_table(table, file, row_group_size=rows_a_group)
    return file
