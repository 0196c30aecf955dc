"""What leaves the store as a file: any size, in constant memory, as parts of a document that is written while it is read.

A query walks its transactions as a list does, page after page, newest first; each transaction is one snapshot, and the
walk shows every one that was there at its start and still matches exactly once. Nothing is held open between two
parts: a slow reader costs the store nothing. Every format but `csv` can be imported again and gives the same views.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from flowtrail.model.errors import Refusal
from flowtrail.query.export.asking import Asked, ask
from flowtrail.query.export.lines import record_lines, transaction_lines
from flowtrail.query.export.ocel import ocel_document
from flowtrail.query.export.parts import Parts
from flowtrail.query.export.tables import execution_rows, transaction_rows
from flowtrail.query.export.xes import xes_document
from flowtrail.storage.interface import Store

__all__ = ["CONTENTS", "FORMATS", "MEDIA_TYPES", "Export", "open_export"]


@dataclass(frozen=True, slots=True)
class _Format:
    media_type: str
    suffix: str
    contents: dict[str, Callable[[Asked], Parts]]
    """What it can carry; the first is meant when nothing is said."""


_FORMATS: Final = {
    "ndjson": _Format(
        "application/x-ndjson", "ndjson", {"records": record_lines, "transactions": transaction_lines}
    ),
    "csv": _Format(
        "text/csv; charset=utf-8", "csv", {"transactions": transaction_rows, "executions": execution_rows}
    ),
    "ocel2-json": _Format("application/json", "json", {"log": ocel_document}),
    "xes": _Format("application/xml", "xes", {"log": xes_document}),
}
FORMATS: Final = tuple(_FORMATS)
CONTENTS: Final = tuple(dict.fromkeys(name for each in _FORMATS.values() for name in each.contents))


MEDIA_TYPES: Final = tuple(each.media_type.partition(";")[0] for each in _FORMATS.values())


@dataclass(frozen=True, slots=True)
class Export:
    """A document about to be written. `parts` may be empty where nothing was found for a while; whoever stops early
    closes it, from any thread."""

    media_type: str
    file_name: str
    parts: Iterator[bytes]


def open_export(
    store: Store,
    tenant: str,
    *,
    format: str | None,
    content: str | None = None,
    q: str | None = None,
    from_: str | None = None,
    to: str | None = None,
    now: int,
) -> Export:
    """The document of a query. Nothing is read before its first part is asked for.

    Raises: Refusal (400: an unknown format or content, a query or range that cannot be read).
    """
    name = format or FORMATS[0]
    chosen = _FORMATS.get(name)
    if chosen is None:
        raise _not_one_of("unknown_format", "an export", "format", name, FORMATS)
    write = chosen.contents.get(content) if content else next(iter(chosen.contents.values()))
    if write is None:
        raise _not_one_of(
            "unknown_content", f"an export as {name}", "content", content or "", tuple(chosen.contents)
        )
    asked = ask(store, tenant, q, from_, to, now)
    return Export(chosen.media_type, f"flowtrail.{chosen.suffix}", write(asked))


def _not_one_of(code: str, what: str, name: str, received: str, allowed: tuple[str, ...]) -> Refusal:
    near = get_close_matches(received.casefold(), allowed, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    told = f"{what} has no {name} {received[:40]!r}{hint}"
    return Refusal(code, told, name, received, ", ".join(allowed))
