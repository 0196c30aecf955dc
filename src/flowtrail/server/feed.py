"""What changed, as the live feed tells it: chunks of changed transactions, and the ids of its events.

An event's id names a revision whose changes, and all before it, have been sent: only the last event of a revision
carries it, those before it carry the one before. So whoever resumes with the last id he got misses nothing.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from flowtrail.model.clock import now_us
from flowtrail.model.conditions import Condition
from flowtrail.query.live import present
from flowtrail.server.problems import Problem
from flowtrail.storage.interface import Revision, Store

CHUNK: Final = 200
"""Transactions looked up at once, and most that a listener holds: some 150 KiB."""


class Moved(Exception):
    """What was asked for is no longer, or never was, in the log of changes: begin anew."""


class Found(NamedTuple):
    """What a changed transaction is to a query: `item` is its JSON, None where it does not match."""

    number: int
    transaction: bytes
    item: str | None


@dataclass(slots=True)
class Chunk:
    """Changes, each transaction once, in order of revision. `after` is the revision of the last change before them,
    `complete` the last revision whose changes end here or before."""

    after: int
    rows: list[tuple[int, bytes]]
    complete: int
    found: dict[str, "asyncio.Task[list[Found]]"] = field(default_factory=dict)
    """By query; filled by those who share the chunk."""


class Changes(NamedTuple):
    """What one look found: `chunks` lead from the known revision to `revision`."""

    revision: Revision
    chunks: list[Chunk]
    more: bool


def format_revision(revision: Revision) -> str:
    """`generation.epoch.number`."""
    return f"{revision.generation}.{revision.epoch}.{revision.number}"


def parse_revision(text: str) -> Revision:
    """A revision from an event's id. Raises: Problem (400)."""
    generation, *numbers = text.rsplit(".", 2)
    if generation and len(numbers) == 2 and all(n.isascii() and n.isdigit() and len(n) < 19 for n in numbers):
        return Revision(generation, int(numbers[0]), int(numbers[1]))
    raise Problem(
        400,
        "invalid_event_id",
        "this is not an id of this feed's events",
        field="Last-Event-ID",
        received=text,
        allowed="the id of an event as it came; without one the feed begins now",
    )


def resumable(store: Store, given: Revision, now: Revision) -> bool:
    """Whether a revision that a client names is one that these views have shown."""
    if given.generation != now.generation or given.epoch > now.epoch:
        return False
    end = now.number if given.epoch == now.epoch else store.changes.epoch_end(given.epoch)
    return end is not None and given.number <= end


def read_changes(store: Store, tenant: str, known: Revision, limit: int) -> Changes:
    """What changed since a known revision. Raises: Moved."""
    before = store.changes.revision()
    if before.generation != known.generation or before.number < known.number:
        raise Moved
    if before.number == known.number:
        return Changes(before, [], more=False)
    changed = store.changes.changed(tenant, known.number, limit)
    # Read last: no change that was found is of a later epoch than this.
    epoch = store.changes.revision()
    if changed is None or epoch.generation != known.generation:
        raise Moved
    rows, more = changed
    last = rows[-1][0] if rows else known.number
    number = last if more else max(last, before.number)
    return Changes(Revision(known.generation, epoch.epoch, number), split(rows, known.number), more)


def split(rows: list[tuple[int, bytes]], after: int) -> list[Chunk]:
    """Whole revisions after `after` in chunks; of several changes of one transaction only the last is kept."""
    latest = {transaction: number for number, transaction in rows}
    kept = [(number, transaction) for number, transaction in rows if latest[transaction] == number]
    chunks: list[Chunk] = []
    complete = after
    for start in range(0, len(kept), CHUNK):
        part = kept[start : start + CHUNK]
        follows = kept[start + CHUNK][0] if start + CHUNK < len(kept) else None
        complete = max([complete, *(number for number, _ in part if number != follows)])
        chunks.append(Chunk(kept[start - 1][0] if start else after, part, complete))
    return chunks


def look_up(store: Store, tenant: str, condition: Condition, rows: list[tuple[int, bytes]]) -> list[Found]:
    """What these changed transactions are to a condition now."""
    items = dict(present(store, tenant, condition, [transaction for _, transaction in rows], now_us()))
    return [
        Found(
            number,
            transaction,
            None if (item := items.get(transaction)) is None else msgspec.json.encode(item).decode(),
        )
        for number, transaction in rows
    ]
