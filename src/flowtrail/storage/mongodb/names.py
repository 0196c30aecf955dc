"""Names that repeat, as small numbers: tenants, and the cohorts that lists are counted by.

A number is given once and durably before anything uses it, outside the projector's transactions: a number that is
never used costs nothing, and one that was rolled back would be given twice.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec
from pymongo import DESCENDING
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from flowtrail.storage.mongodb.connection import Document
from flowtrail.storage.mongodb.schema import COHORTS, TENANTS, Names, Views

TENANT_BYTES: Final = 4
_encode: Final = msgspec.msgpack.Encoder().encode
_decode_cohort: Final = msgspec.msgpack.Decoder(tuple[str, str, str, bool]).decode


class Cohort(NamedTuple):
    """What lists are counted by and most often restricted to."""

    flow: str
    object_type: str
    status: str
    has_failures: bool


class Tenants:
    """Numbers of tenants; those that are known stay known. Any thread."""

    def __init__(self, database: Names) -> None:
        self._collection = database[TENANTS]
        self._numbers: dict[str, int] = {}
        self._names: dict[int, str] = {}

    def find(self, tenant: str) -> int | None:
        """The number of a tenant, None when nothing was ever stored of it."""
        number = self._numbers.get(tenant)
        if number is None:
            held = self._collection.find_one({"name": tenant})
            if held is None:
                return None
            number = held["_id"]
            self._learn(number, tenant)
        return number

    def give(self, tenant: str) -> int:
        """The number of a tenant, given now when it has none."""
        while (number := self.find(tenant)) is None:
            _insert_next(self._collection, {"name": tenant})
        return number

    def name(self, number: int) -> str:
        """The tenant's name. Raises: KeyError when nobody has the number."""
        if number not in self._names:
            for held in self._collection.find():
                self._learn(held["_id"], held["name"])
        return self._names[number]

    def all(self) -> Mapping[str, int]:
        """Every tenant's number."""
        for held in self._collection.find():
            self._learn(held["_id"], held["name"])
        return dict(self._numbers)

    def _learn(self, number: int, tenant: str) -> None:
        self._names[number] = tenant
        self._numbers[tenant] = number


class CohortNumbers:
    """The projector's numbers of cohorts in one generation of views."""

    def __init__(self, views: Views) -> None:
        self._collection = views[COHORTS]
        self._numbers: dict[tuple[int, tuple[str, str, str, bool]], int] = {}

    def give(self, tenant: int, cohort: tuple[str, str, str, bool]) -> int:
        """The number of a tenant's cohort, given now when it has none."""
        number = self._numbers.get((tenant, cohort))
        if number is None:
            number = self._numbers[tenant, cohort] = self._find_or_give(tenant, cohort)
        return number

    def _find_or_give(self, tenant: int, cohort: tuple[str, str, str, bool]) -> int:
        # Packed: a unique index over a list would hold its members to be unique.
        key = {"t": tenant, "c": _encode(cohort)}
        while (held := self._collection.find_one(key)) is None:
            _insert_next(self._collection, {**key, "total": 0})
        number: int = held["_id"]
        return number


def _insert_next(collection: Collection[Document], document: Document) -> None:
    """Insert under the next free number; nothing when another one was quicker."""
    last = collection.find_one(sort=[("_id", DESCENDING)])
    try:
        collection.insert_one({"_id": 1 if last is None else last["_id"] + 1, **document})
    except DuplicateKeyError:
        return


def read_cohorts(views: Views, session: ClientSession, tenant: int) -> dict[int, tuple[Cohort, int]]:
    """The tenant's cohorts with how many transactions each holds."""
    found: dict[int, tuple[Cohort, int]] = {}
    rows: Any = views[COHORTS].find({"t": tenant}, session=session)
    for held in rows:
        found[held["_id"]] = (Cohort(*_decode_cohort(held["c"])), held["total"])
    return found
