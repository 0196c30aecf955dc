"""CSV (RFC 4180): a row a transaction, or a row an execution.

Spreadsheets run what begins like a formula, and some read it out of what others wrote. A text that begins so gets an
apostrophe in front, which they take for "this is text". Numbers and instants of our own making are left alone.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from flowtrail.query.export.asking import Asked
from flowtrail.query.export.parts import Pieces, in_parts
from flowtrail.query.items import execution_item, ordered_executions, state_of, transaction_item

DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""How what spreadsheets execute begins, the wide forms of East Asian text included."""

TRANSACTION_COLUMNS: Final = (
    *("id", "flow", "version", "object_type", "object_id", "status", "attempt", "retry_of", "opened_at"),
    *("created_at", "updated_at", "ended_at", "duration_s", "deadline_at", "current_block", "reason"),
    *("predicate", "has_failures", "truncated", "trace", "value", "currency", "keys", "attributes"),
)
EXECUTION_COLUMNS: Final = (
    *("transaction", "flow", "version", "object_type", "object_id", "id", "block", "stage", "parent"),
    *("attempt", "status", "queued_at", "started_at", "ended_at", "wait_s", "work_s", "predicate", "reason"),
    *("exception", "message", "worker", "details", "exceptions", "skip", "usage"),
)
_NUMBER: Final = "value"
"""Text that was found to be a decimal number when it came in: a spreadsheet should add it up, negative ones too."""
_encode: Final = msgspec.json.Encoder(order="sorted").encode


@in_parts
def transaction_rows(asked: Asked) -> Pieces:
    """A row a transaction; keys and attributes as JSON."""
    yield _rows([TRANSACTION_COLUMNS])
    for page in asked.pages():
        for stored in page:
            item = transaction_item(stored)
            yield _rows([[_cell(name, item[name]) for name in TRANSACTION_COLUMNS]])
        yield b""


@in_parts
def execution_rows(asked: Asked) -> Pieces:
    """A row an execution, in the order they ran; details, exceptions, skip and usage as JSON."""
    yield _rows([EXECUTION_COLUMNS])
    for stored in asked.states():
        if stored is None:
            yield b""
            continue
        state, header = state_of(stored), stored.header
        declared = asked.declaration(header.flow, header.version) if header.flow else None
        stages = declared.block_stages if declared else {}
        transaction = transaction_item(stored, state)
        known = {name: transaction[name] for name in ("flow", "version", "object_type", "object_id")}
        known["transaction"] = transaction["id"]
        yield _rows(
            [_cell(name, item[name]) for name in EXECUTION_COLUMNS]
            for item in _items(known, (execution_item(each, stages) for each in ordered_executions(state)))
        )


def _items(known: Mapping[str, Any], executions: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for item in executions:
        skip, exceptions = item["skip"] or {}, item["exceptions"]
        first = exceptions[0] if exceptions else {}
        yield {
            **known,
            **item,
            "predicate": skip.get("predicate"),
            "reason": skip.get("reason"),
            "exception": first.get("type"),
            "message": first.get("message"),
            "exceptions": exceptions or None,
        }


def _rows(rows: Any) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cell(name: str, value: Any) -> str:
    if value is None or value == {}:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    text = value if isinstance(value, str) else _encode(value).decode()
    return f"'{text}" if text.startswith(DANGEROUS) and name != _NUMBER else text
