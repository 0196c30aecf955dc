"""Conditions as SQL over a candidate `s` (instant, id), its row `t` and the inverted index.

A leaf that the columns cannot answer exactly compiles to something wider; the caller then asks the reference
evaluator about what comes back. Subtrees on flow, type, status and failures alone become a set of cohorts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from flowtrail.model.conditions import (
    AllOf,
    AnyOf,
    Between,
    BlockHas,
    Condition,
    DurationIs,
    HasTerm,
    IdIs,
    IsLate,
    IsStuck,
    Moment,
    Not,
    StatusIs,
)
from flowtrail.projection.terms import BLOCK_TERM_STATUSES, block_term, version_of
from flowtrail.storage.cohorts import cohorts_of
from flowtrail.storage.sqlite.names import Cohort

HIGHEST_CHARACTER: Final = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Sql:
    """A boolean expression, its parameters, and whether it says exactly what the condition says.

    Where it does not, it is wider: it holds for all that match, and for some that do not.
    """

    text: str
    values: tuple[Any, ...] = ()
    exact: bool = True

    @property
    def reads_row(self) -> bool:
        """Whether it asks for more of a candidate than the index says that gave it."""
        return "t." in self.text


EVERY: Final = Sql("1")
NONE: Final = Sql("0")
UNKNOWN: Final = Sql("1", (), exact=False)


def shortest_patience(moment: Moment) -> int:
    """How long every transaction may be silent at least."""
    return min([moment.patience_us("", ""), *moment.patience.values()])


class Compiler:
    """Compiles conditions of one tenant. `cohorts` are all of the tenant's in the reader's snapshot.

    What a candidate's own index says is read from there, so that one that fails is never looked up: its opened instant
    where candidates come `in_order`, when it ended and its version too where they are `covered`.
    """

    def __init__(
        self,
        tenant: int,
        cohorts: Mapping[int, Cohort],
        moment: Moment,
        *,
        in_order: bool,
        covered: bool,
    ) -> None:
        self._opened = "s.instant" if in_order else "t.opened"
        self._ended = "s.ended" if covered else "t.ended"
        self._version = "s.version" if covered else None
        self._tenant = tenant
        self._cohorts = cohorts
        self._moment = moment

    def sql(self, condition: Condition) -> Sql:
        """The condition over `s` and `t`."""
        cohorts = cohorts_of(condition, self._cohorts)
        if cohorts is not None:
            return self._in_cohorts(cohorts)
        match condition:
            case AllOf(parts):
                return _joined(" AND ", [self.sql(part) for part in parts], EVERY)
            case AnyOf(parts):
                return _joined(" OR ", [self.sql(part) for part in parts], NONE)
            case Not(part):
                inner = self.sql(part)
                return Sql(f"NOT ({inner.text})", inner.values) if inner.exact else UNKNOWN
            case HasTerm(term):
                version = version_of(term)
                if version is not None and self._version is not None:
                    return Sql(f"{self._version} IS ?", (version,))
                return self._has_term(term)
            case IdIs(key):
                return Sql("s.id = ?", (key,))
            case Between(instant, since, until):
                columns = {"opened": self._opened, "ended": self._ended, "updated": "t.updated"}
                return _within(columns[instant], since, until)
            case DurationIs(least, most):
                lasted = f"{self._ended} - {self._opened}"
                return _joined(
                    " AND ",
                    [
                        Sql(f"{self._ended} IS NOT NULL"),
                        *([] if least is None else [Sql(f"{lasted} >= ?", (least,))]),
                        *([] if most is None else [Sql(f"{lasted} <= ?", (most,))]),
                    ],
                    EVERY,
                )
            case IsLate():
                return Sql(
                    "(t.deadline IS NOT NULL AND coalesce(t.ended, ?) > t.deadline)", (self._moment.now,)
                )
            case IsStuck():
                return self._stuck()
            case BlockHas(block, status, since, until):
                if status not in BLOCK_TERM_STATUSES:
                    return UNKNOWN
                held = self._has_term(block_term(block, status))
                return Sql(held.text, held.values, exact=since is None and until is None)
            case _:
                return UNKNOWN

    def _in_cohorts(self, cohorts: frozenset[int]) -> Sql:
        if len(cohorts) == len(self._cohorts):
            return EVERY
        return Sql(f"t.cohort IN ({','.join(map(str, sorted(cohorts)))})") if cohorts else NONE

    def _has_term(self, term: str) -> Sql:
        return Sql(
            "EXISTS (SELECT 1 FROM term AS x WHERE x.tenant = ? AND x.term = ?"
            f" AND x.opened = {self._opened} AND x.id = s.id)",
            (self._tenant, term),
        )

    def _stuck(self) -> Sql:
        """Wider: whoever has been silent for the shortest patience of all; blocks are told apart afterwards."""
        transit = self.sql(StatusIs("in_transit"))
        return Sql(
            f"({transit.text} AND t.updated < ?)",
            (*transit.values, self._moment.now - shortest_patience(self._moment)),
            exact=False,
        )


def _within(column: str, since: int | None, until: int | None) -> Sql:
    bounds = [Sql(f"{column} IS NOT NULL")]
    if since is not None:
        bounds.append(Sql(f"{column} >= ?", (since,)))
    if until is not None:
        bounds.append(Sql(f"{column} < ?", (until,)))
    return _joined(" AND ", bounds, EVERY)


def _joined(word: str, parts: list[Sql], empty: Sql) -> Sql:
    if not parts:
        return empty
    values = tuple(value for part in parts for value in part.values)
    exact = all(part.exact for part in parts)
    if len(parts) == 1:
        return parts[0]
    return Sql(f"({word.join(part.text for part in parts)})", values, exact)


def both(one: Sql, other: Sql) -> Sql:
    """Both hold."""
    parts = [part for part in (one, other) if part.text != EVERY.text or not part.exact]
    return _joined(" AND ", parts, EVERY)


def after_prefix(prefix: str) -> str:
    """The least text above every text with that prefix."""
    kept = prefix.rstrip(HIGHEST_CHARACTER)
    if not kept:
        return HIGHEST_CHARACTER * 8
    following = ord(kept[-1]) + 1
    # Surrogates are not characters: the range between them is skipped.
    return kept[:-1] + chr(0xE000 if 0xD800 <= following < 0xE000 else following)
