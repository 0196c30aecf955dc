"""Regular expressions as instructions: what Python's parser reads, without what needs backtracking.

A match follows jumps and assertions for nothing, and consumes a character at each `CONSUME`, until it comes to `MATCH`.
"""

import re
from collections.abc import Callable
from re import _parser as parser
from typing import Any, Final, NamedTuple

from flowtrail.model.errors import Refusal

MAX_PATTERN_CHARS: Final = 500
MAX_INSTRUCTIONS: Final = 1_000
"""Of one pattern once its repetitions are written out: the work that one character may cost."""
ALLOWED: Final = (
    "literals, classes, alternatives, groups, repetitions, ^, $ and \\b; without back-references and look-around,"
    f" at most {MAX_PATTERN_CHARS} characters and {MAX_INSTRUCTIONS} steps once repetitions are written out"
)

MATCH, JUMP, CONSUME, ASSERT = range(4)

_ENDLESS: Final = parser.MAXREPEAT
_REPEATS: Final = frozenset({"MAX_REPEAT", "MIN_REPEAT"})
_MOST_PARTS: Final = 20 * MAX_INSTRUCTIONS
"""Parts read while repetitions are written out: empty ones write nothing and could go on for hours."""
_LONGEST_RUN: Final = 32

Accepts = Callable[[str], bool]


class Instruction(NamedTuple):
    kind: int
    to: tuple[int, ...] = ()
    accepts: Accepts | None = None
    where: str = ""


def is_word_character(character: str) -> bool:
    return character.isalnum() or character == "_"


class _Compiler:
    """Writes instructions; every part is written so that it goes on to the instruction after it."""

    def __init__(self, text: str, field: str | None, flags: int) -> None:
        self._text, self._field = text, field
        self._ignore_case = bool(flags & re.IGNORECASE)
        self._dot_all = bool(flags & re.DOTALL)
        self._parts = 0
        self.written: list[Instruction] = []

    def write(self, instruction: Instruction) -> int:
        """Where it stands. Raises: Refusal when there are too many."""
        if len(self.written) >= MAX_INSTRUCTIONS:
            raise self.refused("its repetitions make it too long")
        self.written.append(instruction)
        return len(self.written) - 1

    def sequence(self, nodes: Any) -> None:
        """One part after the other. Raises: Refusal."""
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise self.refused("its repetitions make it too long")
        for operation, argument in nodes:
            self._node(str(operation), argument)

    def _node(self, operation: str, argument: Any) -> None:
        if operation == "BRANCH":
            self._branch(argument[1])
        elif operation == "SUBPATTERN":
            if argument[1] or argument[2]:
                raise self.refused("flags belong to the whole pattern: (?i) at its beginning")
            self.sequence(argument[3])
        elif operation in _REPEATS:
            self._repeat(*argument)
        elif operation == "AT":
            self._assertion(str(argument))
        else:
            accepts = self._accepts(operation, argument)
            here = self.write(Instruction(CONSUME))
            self.written[here] = Instruction(CONSUME, (here + 1,), accepts)

    def _assertion(self, name: str) -> None:
        where = {
            "AT_BEGINNING": "start",
            "AT_BEGINNING_STRING": "start",
            "AT_END": "end",
            "AT_END_STRING": "end",
            "AT_BOUNDARY": "boundary",
            "AT_NON_BOUNDARY": "inside",
        }[name]
        here = self.write(Instruction(ASSERT))
        self.written[here] = Instruction(ASSERT, (here + 1,), None, where)

    def _branch(self, alternatives: Any) -> None:
        fork = self.write(Instruction(JUMP))
        firsts, lasts = [], []
        for alternative in alternatives:
            firsts.append(len(self.written))
            self.sequence(alternative)
            lasts.append(self.write(Instruction(JUMP)))
        self.written[fork] = Instruction(JUMP, tuple(firsts))
        for last in lasts:
            self.written[last] = Instruction(JUMP, (len(self.written),))

    def _repeat(self, least: int, most: Any, nodes: Any) -> None:
        for _ in range(least):
            self.sequence(nodes)
        if most is _ENDLESS:
            fork = self.write(Instruction(JUMP))
            self.sequence(nodes)
            self.write(Instruction(JUMP, (fork,)))
            self.written[fork] = Instruction(JUMP, (fork + 1, len(self.written)))
            return
        forks = []
        for _ in range(most - least):
            forks.append(self.write(Instruction(JUMP)))
            self.sequence(nodes)
        for fork in forks:
            self.written[fork] = Instruction(JUMP, (fork + 1, len(self.written)))

    def _accepts(self, operation: str, argument: Any) -> Accepts:
        if operation == "ANY":
            return (lambda _: True) if self._dot_all else (lambda character: character != "\n")
        if operation == "IN":
            negated = str(argument[0][0]) == "NEGATE"
            accepts = self._any_case(_member(argument[1:] if negated else argument, self.refused))
            return (lambda character: not accepts(character)) if negated else accepts
        if operation in {"LITERAL", "NOT_LITERAL"}:
            literal = self._any_case(_member([("LITERAL", argument)], self.refused))
            return literal if operation == "LITERAL" else (lambda character: not literal(character))
        raise self.refused(f"{operation.lower().replace('_', ' ')} needs backtracking")

    def _any_case(self, accepts: Accepts) -> Accepts:
        if not self._ignore_case:
            return accepts
        return lambda character: (
            accepts(character)
            or (len(character.lower()) == 1 and accepts(character.lower()))
            or (len(character.upper()) == 1 and accepts(character.upper()))
        )

    def refused(self, message: str) -> Refusal:
        """The refusal of this pattern."""
        return refused(self._text, self._field, message)


_CATEGORIES: Final[dict[str, Accepts]] = {
    "CATEGORY_DIGIT": str.isdecimal,
    "CATEGORY_NOT_DIGIT": lambda character: not character.isdecimal(),
    "CATEGORY_SPACE": str.isspace,
    "CATEGORY_NOT_SPACE": lambda character: not character.isspace(),
    "CATEGORY_WORD": is_word_character,
    "CATEGORY_NOT_WORD": lambda character: not is_word_character(character),
}


_CLASSES: Final = {
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_NOT_WORD": r"\W",
}


def _member(items: Any, refused: Callable[[str], Refusal]) -> Accepts:
    """Whether a character is in a class."""
    ranges: list[tuple[int, int]] = []
    categories: list[Accepts] = []
    for operation, argument in items:
        name = str(operation)
        if name == "LITERAL":
            ranges.append((argument, argument))
        elif name == "RANGE":
            ranges.append(argument)
        elif name == "CATEGORY":
            categories.append(_CATEGORIES[str(argument)])
        else:
            raise refused("there is something in a class that is not known here")

    def accepts(character: str) -> bool:
        code = ord(character)
        return any(low <= code <= high for low, high in ranges) or any(
            holds(character) for holds in categories
        )

    return accepts


def parse(text: str, field: str | None) -> Any:
    if len(text) > MAX_PATTERN_CHARS:
        raise refused(text, field, f"it has {len(text)} characters")
    try:
        tree = parser.parse(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise refused(text, field, str(error)) from None
    if tree.state.flags & ~(re.UNICODE | re.IGNORECASE | re.DOTALL | re.VERBOSE):
        raise refused(text, field, "of the flags, i, s and x are known")
    return tree


def compiled(tree: Any, text: str, field: str | None) -> list[Instruction]:
    compiler = _Compiler(text, field, tree.state.flags)
    compiler.sequence(tree)
    compiler.write(Instruction(MATCH))
    return compiler.written


def needed_by(tree: Any) -> re.Pattern[str] | None:
    """What every match holds, to tell in C that there is none: the longest run of characters and classes that stand
    together in each, if there is one. It has no choice of lengths, so that looking for it takes no
    more than its length a character."""
    runs: list[list[str]] = [[]]
    for operation, argument in tree:
        name = str(operation)
        least, most, nodes = (
            (argument[0], argument[1], list(argument[2]))
            if name in _REPEATS
            else (1, 1, [(operation, argument)])
        )
        sources = [_source(str(kind), what) for kind, what in nodes]
        if name == "AT":
            continue
        if least == 0 or len(sources) != 1 or sources[0] is None:
            runs.append([])
            continue
        runs[-1] += [sources[0]] * min(least, _LONGEST_RUN)
        if most != least or least > _LONGEST_RUN:
            runs.append([sources[0]])
    flags = tree.state.flags & (re.IGNORECASE | re.DOTALL)
    longest = max(runs, key=len)
    return re.compile("".join(longest[:_LONGEST_RUN]), flags) if longest else None


def _source(kind: str, what: Any) -> str | None:
    """A character or a class as it is written; None for anything else."""
    if kind == "LITERAL":
        return re.escape(chr(what))
    if kind != "IN":
        return None
    parts = []
    for operation, argument in what:
        name = str(operation)
        if name == "LITERAL":
            parts.append(re.escape(chr(argument)))
        elif name == "RANGE":
            parts.append(f"{re.escape(chr(argument[0]))}-{re.escape(chr(argument[1]))}")
        elif name == "NEGATE":
            parts.append("^")
        else:
            parts.append(_CLASSES[str(argument)])
    return f"[{''.join(parts)}]"


def refused(text: str, field: str | None, why: str) -> Refusal:
    return Refusal("invalid_pattern", f"the pattern cannot be used: {why}", field, text, ALLOWED)
