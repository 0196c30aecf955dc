"""Patterns over text whose time is bounded: regular expressions without what needs backtracking.

Python's own engine tries one way after the other and may take exponential time on text that somebody chose for it;
it cannot be stopped, and holds the interpreter meanwhile. Here all ways are followed at once (Thompson, "Regular
expression search algorithm", 1968), each set of ways and character once, as a table that is made on the way. Every
character costs a look into the table, or work in proportion to the pattern; all of it is counted against a budget.

    text of the pattern ── Python's parser ──► instructions ──► sets of instructions, by character ──► spans
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from flowtrail.model.instructions import (
    ASSERT,
    JUMP,
    MATCH,
    compiled,
    is_word_character,
    needed_by,
    parse,
    refused,
)

MAX_TABLE: Final = 4_096
"""Entries of one pattern's table; beyond, it is begun anew."""
STEP_COST: Final = 4
"""What an instruction that is followed costs, in characters that are looked up."""

MAX_BUILDING: Final = 250_000
"""Work on tables for one record: what some ten ordinary patterns need for all characters of a language."""

_FIRST: Final = frozenset({0})


class BudgetSpent(Exception):
    """The text would take more work than is left."""


class Budget:
    """Work that may still be done, in characters looked up; some 10 million a second.

    `left` is for looking, and spent alike whenever the same text comes. `building` is for making tables, of which the
    first texts need some and later ones none: large enough that only text which is made to exceed it does.
    """

    __slots__ = ("building", "left")

    def __init__(self, left: int, building: int = MAX_BUILDING) -> None:
        self.left, self.building = left, building

    def spend(self, work: int) -> None:
        """Raises: BudgetSpent."""
        self.left -= work
        if self.left < 0:
            raise BudgetSpent

    def build(self, work: int) -> None:
        """Raises: BudgetSpent."""
        self.building -= work
        if self.building < 0:
            raise BudgetSpent


class _State(NamedTuple):
    """Ways that are open between two characters; `after_word` is whether the last one belongs to a word."""

    ways: frozenset[int]
    after_word: bool
    at_start: bool


_BEGINNING: Final = _State(_FIRST, after_word=False, at_start=True)


class _Row:
    """A state, and by the next character: whether a match ends before it, and the state after it."""

    __slots__ = ("following", "state")

    def __init__(self, state: _State) -> None:
        self.state = state
        self.following: dict[str, tuple[bool, _Row]] = {}


class _Table:
    """The states met so far; `searching` begins anew at every character."""

    def __init__(self, *, searching: bool) -> None:
        self.searching = searching
        self.rows: dict[_State, _Row] = {}
        self.entries = 0

    def row(self, state: _State) -> _Row:
        """The row of a state."""
        if self.entries >= MAX_TABLE:
            # Rows that are in use elsewhere stay what they are.
            self.rows, self.entries = {}, 0
        row = self.rows.get(state)
        if row is None:
            row = self.rows[state] = _Row(state)
        return row


class Pattern:
    """A pattern, made once and used from any thread. `text` is what it was made of."""

    def __init__(self, text: str, field: str | None = None) -> None:
        """Raises: Refusal (`invalid_pattern`: not a regular expression, one that needs backtracking, or one that
        matches empty text)."""
        self.text = text
        tree = parse(text, field)
        needed = needed_by(tree)
        self.may_match: Callable[[str], object] = (lambda _: True) if needed is None else needed.search
        """False, or None, where it certainly matches nowhere; told in C."""
        self._instructions = compiled(tree, text, field)
        self._searching, self._matching = _Table(searching=True), _Table(searching=False)
        if tree.getwidth()[0] == 0:
            raise refused(text, field, "it can match empty text")

    def found_in(self, text: str, budget: Budget) -> bool:
        """Whether it matches anywhere. Raises: BudgetSpent."""
        if not self.may_match(text):
            return False
        budget.spend(len(text))
        row, table = self._searching.row(_BEGINNING), self._searching
        for character in text:
            known = row.following.get(character) or self._made(table, row, character, budget)
            if known[0]:
                return True
            row = known[1]
        return self._ends(row.state)

    def spans(self, text: str, budget: Budget) -> Iterator[tuple[int, int]]:
        """Where it matches, leftmost first and then the longest, none within another. Raises: BudgetSpent."""
        if not self.found_in(text, budget):
            return
        start, length = 0, len(text)
        while start < length:
            end = self._longest(text, start, budget)
            if end > start:
                yield start, end
                start = end
            else:
                start += 1

    def _longest(self, text: str, start: int, budget: Budget) -> int:
        after_word = start > 0 and is_word_character(text[start - 1])
        row, table = self._matching.row(_State(_FIRST, after_word, at_start=start == 0)), self._matching
        end = -1
        for position in range(start, len(text)):
            character = text[position]
            matched, row = row.following.get(character) or self._made(table, row, character, budget)
            if matched:
                end = position
            if not row.state.ways:
                budget.spend(position - start + 1)
                return end
        budget.spend(len(text) - start)
        return len(text) if self._ends(row.state) else end

    def _made(self, table: _Table, row: _Row, character: str, budget: Budget) -> tuple[bool, _Row]:
        """What follows on a character that was not met yet in this state."""
        is_word = is_word_character(character)
        open_ways = self._closure(row.state, is_word=is_word, at_end=False)
        budget.build(STEP_COST * (len(open_ways) + 1))
        following = {0} if table.searching else set()
        matched = False
        for way in open_ways:
            instruction = self._instructions[way]
            if instruction.kind == MATCH:
                matched = True
            elif instruction.accepts is not None and instruction.accepts(character):
                following.add(instruction.to[0])
        made = row.following[character] = (
            matched,
            table.row(_State(frozenset(following), is_word, at_start=False)),
        )
        table.entries += 1
        return made

    def _ends(self, state: _State) -> bool:
        """Whether a match ends where the text does."""
        ways = self._closure(state, is_word=False, at_end=True)
        return any(self._instructions[way].kind == MATCH for way in ways)

    def _closure(self, state: _State, *, is_word: bool, at_end: bool) -> set[int]:
        """The ways that consume a character, or match, reached without one."""
        found: set[int] = set()
        waiting = list(state.ways)
        while waiting:
            way = waiting.pop()
            if way in found:
                continue
            found.add(way)
            instruction = self._instructions[way]
            if instruction.kind == JUMP or (
                instruction.kind == ASSERT
                and _holds(instruction.where, state, is_word=is_word, at_end=at_end)
            ):
                waiting += instruction.to
        return found


def _holds(where: str, state: _State, *, is_word: bool, at_end: bool) -> bool:
    if where == "start":
        return state.at_start
    if where == "end":
        return at_end
    return (state.after_word != is_word) == (where == "boundary")
