"""The query behind each count: asked for, it lists exactly what was counted."""

from collections.abc import Iterator, Sequence
from typing import Final

from flowtrail.insight.table import Group
from flowtrail.model.instants import format_instant
from flowtrail.model.statuses import OUTCOMES
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
        self._bases: dict[Group, str] = {}

    def executions(self, told: Json, group: Group, span: str) -> Json:
        """The queries of what is told of a group's executions; null where the language cannot say the group."""
        if self._unsaid:
            return {"query": None, "queries": {}}
        block = dict(zip(self._group_by, group[1:], strict=True)).get("block")
        head = "block:" + ("*" if block is None else quoted(block))
        when = f"@{span}" if span else ""
        base = self._base(group)
        return {
            "query": f"{base}{head}{when}",
            "queries": {status: f"{base}{head}/{status}{when}" for status in _STATUSES if told.get(status)},
        }

    def transactions(self, told: Json, group: Group, span: str) -> Json:
        """The queries of what is told of a group's transactions."""
        base = self._base(group)
        queries = {}
        for outcome in OUTCOMES:
            if told.get(outcome) and self._tried_again:
                queries[outcome] = f"{base}outcome:{outcome}" + (f"@{span}" if span else "")
            elif told.get(outcome):
                queries[outcome] = f"{base}status:{outcome}" + (f" ended:{span}" if span else "")
        query = f"{base}created:{span}" if span else base.rstrip()
        return {"query": query, "queries": queries}

    def _base(self, group: Group) -> str:
        """What the question and the group say, with a space behind; empty when they say nothing."""
        known = self._bases.get(group)
        if known is None:
            known = self._bases[group] = "".join(f"{term} " for term in self._terms(group))
        return known

    def _terms(self, group: Group) -> Iterator[str]:
        if self._q:
            yield self._q
        for name, value in zip(self._group_by, group[1:], strict=True):
            if name.startswith(KEY_PREFIX):
                head = f"key.{quoted(name.removeprefix(KEY_PREFIX))}:"
                yield f"-{head}*" if value is None else f"{head}{quoted(value)}"
            elif name == "block" or value is None:
                continue
            else:
                yield f"{name}:{quoted(value)}"


def span_text(since: int | None, until: int | None) -> str:
    """A range as queries write it; empty for all time."""
    if since is None and until is None:
        return ""
    return f"{_instant(since)}..{_instant(until)}"


def _instant(us: int | None) -> str:
    return "" if us is None else format_instant(us).replace(".000000Z", "Z")
