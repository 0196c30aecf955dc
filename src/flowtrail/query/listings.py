"""The query behind each count: asked for, it lists exactly what was counted.

Where the list would refuse it, since the question is nearly as long as a query may be, there is none.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from flowtrail.insight.table import Group
from flowtrail.model.instants import format_instant
from flowtrail.model.limits import MAX_QUERY_CHARS
from flowtrail.model.statuses import OUTCOMES
from flowtrail.query.grammar import MAX_VALUES, read_terms
from flowtrail.query.grouping import KEY_PREFIX
from flowtrail.query.items import Json
from flowtrail.query.terms import quoted

_SAID: Final = frozenset({"flow", "version", "type", "status", "block"})
_STATUSES: Final = ("succeeded", "failed", "skipped")


class Listings:
    """Writes the queries of one answer.

    `tried_again` says whether attempts may have ended that are not their transaction's outcome any more: only a scan
    finds those, so it is asked for only then.
    """

    def __init__(self, q: str, group_by: Sequence[str], *, tried_again: bool) -> None:
        self._q = q.strip()
        self._group_by = group_by
        self._tried_again = tried_again
        self._unsaid = any(name not in _SAID and not name.startswith(KEY_PREFIX) for name in group_by)
        self._values = sum(len(term.values) for term in read_terms(q))
        self._bases: dict[Group, tuple[str, int]] = {}

    def executions(self, told: Json, group: Group, span: str) -> Json:
        """The queries of what is told of a group's executions; null where the language cannot say the group."""
        if self._unsaid:
            return {"query": None, "queries": {}}
        block = dict(zip(self._group_by, group[1:], strict=True)).get("block")
        head = "block:" + ("*" if block is None else quoted(block))
        when = f"@{span}" if span else ""
        queries = {
            status: self._query(group, f"{head}/{status}{when}") for status in _STATUSES if told.get(status)
        }
        return _links(self._query(group, f"{head}{when}"), queries)

    def transactions(self, told: Json, group: Group, span: str) -> Json:
        """The queries of what is told of a group's transactions."""
        queries = {}
        for outcome in OUTCOMES:
            if told.get(outcome) and self._tried_again:
                queries[outcome] = self._query(group, f"outcome:{outcome}" + (f"@{span}" if span else ""))
            elif told.get(outcome):
                queries[outcome] = self._query(group, f"status:{outcome}", f"ended:{span}" if span else "")
        return _links(self._query(group, f"created:{span}" if span else ""), queries)

    def _query(self, group: Group, *terms: str) -> str | None:
        """The terms behind what the question and the group say; None where the list would refuse it."""
        known = self._bases.get(group)
        if known is None:
            said = list(self._terms(group))
            known = self._bases[group] = (" ".join([self._q, *said] if self._q else said), len(said))
        base, values = known
        more = [term for term in terms if term]
        query = " ".join([base, *more] if base else more)
        fits = len(query) <= MAX_QUERY_CHARS and self._values + values + len(more) <= MAX_VALUES
        return query if fits else None

    def _terms(self, group: Group) -> Iterator[str]:
        for name, value in zip(self._group_by, group[1:], strict=True):
            if name.startswith(KEY_PREFIX):
                head = f"key.{quoted(name.removeprefix(KEY_PREFIX))}:"
                yield f"-{head}*" if value is None else f"{head}{quoted(value)}"
            elif name == "block" or value is None:
                continue
            else:
                yield f"{name}:{quoted(value)}"


def _links(query: str | None, queries: dict[str, str | None]) -> Json:
    return {"query": query, "queries": {name: text for name, text in queries.items() if text is not None}}


def span_text(since: int | None, until: int | None) -> str:
    """A range as queries write it; empty for all time."""
    if since is None and until is None:
        return ""
    return f"{_instant(since)}..{_instant(until)}"


def _instant(us: int | None) -> str:
    return "" if us is None else format_instant(us).replace(".000000Z", "Z")
