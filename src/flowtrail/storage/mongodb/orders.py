"""Orders in which a list's candidates come: each gives the next n below a key, newest first, and where they end."""

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any, Final, Protocol

from pymongo import DESCENDING

from flowtrail.storage.mongodb.compile import Filter
from flowtrail.storage.mongodb.connection import Document
from flowtrail.storage.mongodb.reading import HEADERS, Rows
from flowtrail.storage.mongodb.rows import ID_BYTES, STEP_BITS, split_updated, tenant_key, updated_bounds
from flowtrail.storage.mongodb.schema import BY_END, TRANSACTIONS, UPDATED
from flowtrail.storage.mongodb.sources import Source, hinted

Key = tuple[int, bytes]
End = Callable[[], Key | None]
"""The last candidate of a slice, None when nothing can follow it; asked only when the page is not full yet."""
Slice = tuple[Sequence[tuple[Key, Document]], End]


ALL: Final = 1 << 31
"""As many rows as there are."""
KEYS_AT_ONCE: Final = 50_000
"""Keys in one command, which takes 16 MB: of a log that knows days and no time, a day's transactions are one step."""


class Order(Protocol):
    """One way through the candidates."""

    def slice(self, after: Key | None, size: int, rest: Filter, wanted: int) -> Slice:
        """Of the next `size` candidates below `after`, those that meet `rest`, in order, at least the first `wanted`
        of them; and where the candidates end."""

    def count(self, after: Key | None, size: int, rest: Filter) -> tuple[int, Key | None]:
        """How many of the next `size` candidates meet `rest`; and the last candidate, as above."""

    def total(self) -> int | None:
        """How many candidates there are in all, where that is known without counting."""


class _Indexed:
    """Candidates by an index of transactions that ends in (`column`, `_id`), both descending."""

    def __init__(self, rows: Rows, filter: Filter, column: str, bounds: Filter, hint: str | None) -> None:
        self._rows = rows
        self._filter = filter
        self._column = column
        self._bounds = bounds
        self._hint = hint

    def slice(self, after: Key | None, size: int, rest: Filter, wanted: int) -> Slice:
        column = self._column
        pipeline = self._candidates(after, size)
        if rest:
            pipeline += [{"$match": rest}, {"$limit": wanted}]
        pipeline.append({"$project": HEADERS})
        rows = [((row[column], row["_id"]), row) for row in self._run(pipeline)]
        if not rest:
            return rows, lambda: rows[-1][0] if len(rows) == size else None
        return rows, lambda: self._last(after, size)

    def count(self, after: Key | None, size: int, rest: Filter) -> tuple[int, Key | None]:
        last = self._last(after, size)
        if not rest and last is not None:
            return size, last
        pipeline = self._candidates(after, size)
        if rest:
            pipeline.append({"$match": rest})
        found = list(self._run([*pipeline, {"$count": "n"}]))
        return int(found[0]["n"]) if found else 0, last

    def total(self) -> int | None:
        return None

    def _last(self, after: Key | None, size: int) -> Key | None:
        """The last candidate of a slice, from the index alone."""
        column = self._column
        found = (
            self._rows.views[TRANSACTIONS]
            .find(self._query(after), {column: 1}, session=self._rows.session)
            .sort([(column, DESCENDING), ("_id", DESCENDING)])
            .hint(self._hint)
            .skip(size - 1)
            .limit(1)
        )
        for row in found:
            return (row[column], row["_id"])
        return None

    def _candidates(self, after: Key | None, size: int) -> list[Filter]:
        return [
            {"$match": self._query(after)},
            {"$sort": {self._column: DESCENDING, "_id": DESCENDING}},
            {"$limit": size},
        ]

    def _query(self, after: Key | None) -> Filter:
        column, bounds = self._column, dict(self._bounds)
        more: Filter = {}
        if after is not None:
            # The instant is bounded by itself too, or MongoDB would not start reading there.
            bounds["$lte"] = after[0]
            more["$or"] = [{column: {"$lt": after[0]}}, {"_id": {"$lt": after[1]}}]
        return self._filter | ({column: bounds} if bounds else {}) | more

    def _run(self, pipeline: list[Filter]) -> Any:
        return self._rows.views[TRANSACTIONS].aggregate(
            pipeline, session=self._rows.session, **hinted(self._hint)
        )


class OpenedOrder(_Indexed):
    """A source's transactions, newest opened first."""

    def __init__(self, rows: Rows, source: Source, opened: Filter) -> None:
        super().__init__(rows, source.filter, "o", opened, source.hint)
        self._source = source

    def total(self) -> int | None:
        return self._source.total if not self._bounds else None


class EndedOrder(_Indexed):
    """A tenant's ended transactions, newest first."""

    def __init__(self, rows: Rows, tenant: int, within: Filter) -> None:
        super().__init__(rows, {"t": tenant}, "e", {"$exists": True} | within, BY_END)


class UpdatedOrder:
    """A tenant's transactions by their last update, newest first: the keys of whole steps, sorted step by step."""

    def __init__(self, rows: Rows, tenant: int, within: Filter) -> None:
        self._rows = rows
        self._front = tenant_key(tenant)
        self._within = within

    def slice(self, after: Key | None, size: int, rest: Filter, wanted: int) -> Slice:
        keys, last = self._steps(after, size)
        rows: list[tuple[Key, Document]] = []
        for some in _in_parts(keys):
            found = self._rows.views[TRANSACTIONS].find(
                self._query(some, after, rest), HEADERS, session=self._rows.session
            )
            if wanted < ALL:
                found = found.sort([("u", DESCENDING), ("_id", DESCENDING)]).limit(wanted)
            rows += [((row["u"], row["_id"]), row) for row in found]
        rows.sort(key=itemgetter(0), reverse=True)
        return rows, lambda: last

    def count(self, after: Key | None, size: int, rest: Filter) -> tuple[int, Key | None]:
        keys, last = self._steps(after, size)
        counted = [
            self._rows.views[TRANSACTIONS].count_documents(
                self._query(some, after, rest), session=self._rows.session
            )
            for some in _in_parts(keys)
        ]
        return sum(counted), last

    def total(self) -> int | None:
        return None

    def _query(self, keys: list[bytes], after: Key | None, rest: Filter) -> Filter:
        parts: list[Filter] = [{"_id": {"$in": keys}}]
        if self._within:
            parts.append({"u": self._within})
        if after is not None:
            parts.append({"$or": [{"u": {"$lt": after[0]}}, {"u": after[0], "_id": {"$lt": after[1]}}]})
        return {"$and": [*parts, rest] if rest else parts}

    def _steps(self, after: Key | None, size: int) -> tuple[list[bytes], Key | None]:
        """The keys of the next whole steps, at least `size` of them, and where they end."""
        until = self._within.get("$lt")
        lowest = self._front + b"\0" * ID_BYTES
        if after is not None:
            # Below every key of an instant there is nothing of it: a step that was looked at whole is left. A step may
            # hold more than any slice.
            reached = after[0] if after[1] == lowest else after[0] + 1
            until = reached if until is None else min(until, reached)
        bounds = updated_bounds(self._front, self._within.get("$gte"), until)
        keys = self._keys(bounds, size)
        if len(keys) < size:
            return [split_updated(key)[1] for key in keys], None
        step, _ = split_updated(keys[-1])
        start = step << STEP_BITS
        keys += self._keys({"$gte": updated_bounds(self._front, start, None)["$gte"], "$lt": keys[-1]}, 0)
        return [split_updated(key)[1] for key in keys], (start, lowest)

    def _keys(self, bounds: Filter, limit: int) -> list[bytes]:
        found = self._rows.views[UPDATED].find({"_id": bounds}, session=self._rows.session)
        return [row["_id"] for row in found.sort("_id", DESCENDING).limit(limit)]


def _in_parts(keys: list[bytes]) -> Iterator[list[bytes]]:
    for first in range(0, len(keys), KEYS_AT_ONCE):
        yield keys[first : first + KEYS_AT_ONCE]


class SetOrder:
    """All candidates of a source at once, sorted by `column`: where there are few, or no index has that order."""

    def __init__(self, rows: Rows, source: Source, column: str, bounds: Filter) -> None:
        self._rows = rows
        self._source = source
        self._column = column
        self._bounds = bounds

    def slice(self, after: Key | None, size: int, rest: Filter, wanted: int) -> Slice:
        column = self._column
        found = self._rows.views[TRANSACTIONS].aggregate(
            [
                {"$match": {"$and": self._parts(after, rest)}},
                {"$project": HEADERS},
                {"$sort": {column: DESCENDING, "_id": DESCENDING}},
                {"$limit": wanted},
            ],
            session=self._rows.session,
            allowDiskUse=True,
            **hinted(self._source.hint),
        )
        return [((row[column], row["_id"]), row) for row in found], lambda: None

    def count(self, after: Key | None, size: int, rest: Filter) -> tuple[int, Key | None]:
        query: Filter = {"$and": self._parts(after, rest)}
        found = self._rows.views[TRANSACTIONS].count_documents(
            query, session=self._rows.session, **hinted(self._source.hint)
        )
        return found, None

    def total(self) -> int | None:
        return None

    def _parts(self, after: Key | None, rest: Filter) -> list[Filter]:
        column = self._column
        parts: list[Filter] = [self._source.filter, {column: {"$exists": True}}]
        parts += [{name: bounds} for name, bounds in self._bounds.items()]
        if after is not None:
            instant, key = after
            parts.append({"$or": [{column: {"$lt": instant}}, {column: instant, "_id": {"$lt": key}}]})
        return [*parts, rest] if rest else parts
