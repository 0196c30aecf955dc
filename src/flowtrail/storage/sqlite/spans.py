"""How far the other instants of a tenant's transactions lie from where they were opened: the extremes ever stored.

They bound a list by opened instant that asks for ended or updated ones, so that it starts reading where these are.
Extremes only widen; a single journey of a year costs the lists that end there, no list is wrong for it.
"""

import sqlite3
from typing import NamedTuple

NOTHING = (1 << 62, -(1 << 62))
"""Least and most of no transaction."""


class Spans(NamedTuple):
    """Least and most of ended − opened and of updated − opened, microseconds; least > most where there is none."""

    ended_least: int = NOTHING[0]
    ended_most: int = NOTHING[1]
    updated_least: int = NOTHING[0]
    updated_most: int = NOTHING[1]

    def opened_of(self, instant: str, since: int | None, until: int | None) -> tuple[int | None, int | None]:
        """The range of opened instants in which those lie whose other instant lies in [since, until)."""
        least, most = self[:2] if instant == "ended" else self[2:]
        if least > most:
            return 0, 0
        return None if since is None else since - most, None if until is None else until - least

    def instant_of(self, instant: str, since: int, until: int) -> tuple[int, int]:
        """The range in which the other instant lies of those that were opened in [since, until)."""
        least, most = self[:2] if instant == "ended" else self[2:]
        return (0, 0) if least > most else (since + least, until + most)


def read_spans(connection: sqlite3.Connection, tenant: int) -> Spans:
    """The tenant's spans in this snapshot."""
    row = connection.execute(
        "SELECT ended_least, ended_most, updated_least, updated_most FROM span WHERE tenant = ?", (tenant,)
    ).fetchone()
    return Spans() if row is None else Spans(*row)


class SpanWriter:
    """Widens spans inside the caller's transaction. Forget it after a write that may have failed."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._held: dict[int, list[int]] = {}
        self._widened: set[int] = set()

    def watch(self, tenant: int, opened: int, updated: int, ended: int | None) -> None:
        """Take the instants of one transaction in."""
        held = self._held.get(tenant)
        if held is None:
            held = self._held[tenant] = list(read_spans(self._connection, tenant))
        age = updated - opened
        if age > held[3] or age < held[2]:
            held[2], held[3] = min(held[2], age), max(held[3], age)
            self._widened.add(tenant)
        if ended is not None:
            age = ended - opened
            if age > held[1] or age < held[0]:
                held[0], held[1] = min(held[0], age), max(held[1], age)
                self._widened.add(tenant)

    def settle(self) -> None:
        """Write what was widened."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO span VALUES (?, ?, ?, ?, ?)",
            [(tenant, *self._held[tenant]) for tenant in sorted(self._widened)],
        )
        self._widened.clear()
