"""Interned names: tenants, cohorts of transactions and groups of cells as small integers, remembered in memory."""

import sqlite3
from typing import Final, NamedTuple

import msgspec

from flowtrail.model.errors import Damaged

_encode = msgspec.msgpack.encode
_decode_parts: Final = msgspec.msgpack.Decoder(tuple[str, ...]).decode


class Cohort(NamedTuple):
    """What transactions are counted by and most often restricted to."""

    tenant: int
    flow: str
    object_type: str
    status: str
    has_failures: bool


class Group(NamedTuple):
    """A group of cells of one kind."""

    tenant: int
    kind: str
    parts: tuple[str, ...]


class Names:
    """What one file's names mean. Numbers are given once and never change, so that remembering them is safe;
    a writer whose transaction failed starts over with an empty one."""

    def __init__(self) -> None:
        self.tenants: dict[str, int] = {}
        self.tenant_names: dict[int, str] = {}
        self.cohorts: dict[int, Cohort] = {}
        self.groups: dict[int, Group] = {}
        self._cohort_numbers: dict[Cohort, int] = {}
        self._group_numbers: dict[Group, int] = {}

    # --- reading ---

    def tenant(self, connection: sqlite3.Connection, name: str) -> int | None:
        """The tenant's number; None when it has nothing."""
        number = self.tenants.get(name)
        if number is None:
            self.load_tenants(connection)
            number = self.tenants.get(name)
        return number

    def tenant_name(self, connection: sqlite3.Connection, number: int) -> str:
        """The tenant of that number."""
        if number not in self.tenant_names:
            self.load_tenants(connection)
        return self.tenant_names[number]

    def load_tenants(self, connection: sqlite3.Connection) -> None:
        """Remember the tenants of this snapshot."""
        for number, name in connection.execute("SELECT number, name FROM tenant"):
            self.tenants[name] = number
            self.tenant_names[number] = name

    def cohort(self, connection: sqlite3.Connection, number: int) -> Cohort:
        """The cohort of that number. Raises: Damaged when there is none."""
        cohort = self.cohorts.get(number)
        if cohort is None:
            self.load_cohorts(connection)
            cohort = self.cohorts.get(number)
        if cohort is None:
            raise Damaged(f"views.db: cohort {number}, which a transaction belongs to, is missing")
        return cohort

    def load_cohorts(self, connection: sqlite3.Connection) -> None:
        """Remember the cohorts of this snapshot."""
        known = max(self.cohorts, default=0)
        rows = connection.execute(
            "SELECT number, tenant, flow, type, status, failures FROM cohort WHERE number > ? ORDER BY number",
            (known,),
        )
        for number, tenant, flow, object_type, status, failures in rows.fetchall():
            self._remember_cohort(number, Cohort(tenant, flow, object_type, status, bool(failures)))

    def load_groups(self, connection: sqlite3.Connection) -> None:
        """Remember the groups of this snapshot."""
        known = max(self.groups, default=0)
        rows = connection.execute(
            "SELECT number, tenant, kind, parts FROM grp WHERE number > ? ORDER BY number", (known,)
        )
        for number, tenant, kind, parts in rows.fetchall():
            self._remember_group(number, Group(tenant, kind, _decode_parts(parts)))

    # --- writing, inside a write transaction ---

    def give_tenant(self, connection: sqlite3.Connection, name: str) -> int:
        """The tenant's number, given now when it is new."""
        number = self.tenant(connection, name)
        if number is None:
            number = _inserted(connection, "INSERT INTO tenant (name) VALUES (?)", (name,))
            self.tenants[name] = number
            self.tenant_names[number] = name
        return number

    def give_cohort(self, connection: sqlite3.Connection, cohort: Cohort) -> int:
        """The cohort's number, given now when it is new."""
        number = self._cohort_numbers.get(cohort)
        if number is None:
            self.load_cohorts(connection)
            number = self._cohort_numbers.get(cohort)
        if number is None:
            number = _inserted(
                connection,
                "INSERT INTO cohort (tenant, flow, type, status, failures) VALUES (?, ?, ?, ?, ?)",
                cohort,
            )
            self._remember_cohort(number, cohort)
        return number

    def give_group(self, connection: sqlite3.Connection, group: Group) -> int:
        """The group's number, given now when it is new."""
        number = self._group_numbers.get(group)
        if number is None:
            self.load_groups(connection)
            number = self._group_numbers.get(group)
        if number is None:
            row = (group.tenant, group.kind, _encode(group.parts))
            number = _inserted(connection, "INSERT INTO grp (tenant, kind, parts) VALUES (?, ?, ?)", row)
            self._remember_group(number, group)
        return number

    def _remember_cohort(self, number: int, cohort: Cohort) -> None:
        self._cohort_numbers[cohort] = number
        self.cohorts[number] = cohort

    def _remember_group(self, number: int, group: Group) -> None:
        self._group_numbers[group] = number
        self.groups[number] = group


def _inserted(connection: sqlite3.Connection, statement: str, row: tuple[object, ...]) -> int:
    number = connection.execute(statement, row).lastrowid
    assert number is not None
    return number
