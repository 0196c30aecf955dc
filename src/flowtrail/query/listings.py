"""The query behind each count: asked for, it lists exactly what was counted."""

from collections.abc import Sequence
from typing import Final

from flowtrail.insight.table import Group
from flowtrail.model.instants import format_instant
from flowtrail.query.grouping import KEY_PREFIX
from flowtrail.query.terms import quoted

_SAID_IN_QUERIES: Final = frozenset({"flow", "version", "type", "status", "block"})
EXECUTION_STATUS_COUNTS: Final = ("succeeded", "failed", "skipped")
OUTCOME_COUNTS: Final = ("delivered", "failed", "filtered", "cancelled")


class Listings:
    """Writes the queries of one answer.

    `tried_again` says whether attempts may have ended that are not their transaction's outcome any more: only a scan
    finds those, so it is asked for only then.
    """

    def __init__(self, q: str, group_by: Sequence[str], *, tried_again: bool) -> None:
        self._q = q.strip()
        self._group_by = group_by
        self._tried_again = tried_again

    def executions(self, group: Group, span: str) -> dict[str, str] | None:
        """Queries by the name of their count; None where the language cannot say the group."""
        if any(name not in _SAID_IN_QUERIES and not name.startswith(KEY_PREFIX) for name in self._group_by):
            return None
        values = dict(zip(self._group_by, group[1:], strict=True))
        block = values.get("block")
        name = "*" if block is None else quoted(block)
        when = f"@{span}" if span else ""
        queries = {"arrivals": self._query(group, f"block:{name}{when}")}
        for status in EXECUTION_STATUS_COUNTS:
            queries[status] = self._query(group, f"block:{name}/{status}{when}")
        return queries

    def transactions(self, group: Group, span: str) -> dict[str, str]:
        """Queries by the name of their count."""
        queries = {"arrivals": self._query(group, f"created:{span}" if span else "")}
        for outcome in OUTCOME_COUNTS:
            if self._tried_again:
                term = f"outcome:{outcome}" + (f"@{span}" if span else "")
            else:
                term = f"status:{outcome}" + (f" ended:{span}" if span else "")
            queries[outcome] = self._query(group, term)
        return queries

    def _query(self, group: Group, term: str) -> str:
        terms = [self._q] if self._q else []
        for name, value in zip(self._group_by, group[1:], strict=True):
            if name == "block" or value is None:
                continue
            if name.startswith(KEY_PREFIX):
                head = f"key.{quoted(name.removeprefix(KEY_PREFIX))}:"
                terms.append(f"{head}{quoted(value)}" if value else f"-{head}*")
            else:
                terms.append(f"{name}:{quoted(value)}")
        if term:
            terms.append(term)
        return " ".join(terms)


def span_text(since: int | None, until: int | None) -> str:
    """A range as queries write it; empty for all time."""
    if since is None and until is None:
        return ""
    return f"{_instant(since)}..{_instant(until)}"


def _instant(us: int | None) -> str:
    return "" if us is None else format_instant(us).replace(".000000Z", "Z")
