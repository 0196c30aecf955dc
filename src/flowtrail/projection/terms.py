"""The rows of the inverted index: what a transaction can be found by exactly, as text.

A term is one letter for its kind, then its value; kinds with two parts put the one people know first, so that a
bare word is found as a prefix whatever the name of its key is. NUL separates: it cannot occur in either part.
"""

from typing import Final

BLOCK_TERM_STATUSES: Final = {"failed": "bf", "skipped": "bs", "running": "br"}
"""Statuses of executions that are indexed; the others are the usual case and are scanned for."""

COUNTED_KINDS: Final = frozenset("befpvw")
"""First letters of the kinds of which one term may be a large part of all transactions, and of which there are few
terms: each keeps its total, so that it is known without counting."""


def is_counted(term: str) -> bool:
    """Whether the term is of a kind whose terms keep their totals."""
    return term[0] in COUNTED_KINDS


def object_term(object_id: str, object_type: str) -> str:
    """An object by its id and type; `object_prefix` finds it whatever its type."""
    return f"o{object_id}\0{object_type}"


def object_prefix(object_id: str) -> str:
    """The prefix of the terms of every object of that exact id."""
    return f"o{object_id}\0"


def key_term(name: str, value: str) -> str:
    """A search key by name and value."""
    return f"k{value}\0{name}"


def key_prefix(value: str) -> str:
    """The prefix of the terms of every key of that exact value, whatever its name."""
    return f"k{value}\0"


def key_value_prefix(prefix: str) -> str:
    """The prefix of the terms of every key whose value starts with `prefix`, whatever its name."""
    return f"k{prefix}"


def trace_term(trace: str) -> str:
    """The trace a transaction belongs to."""
    return f"t{trace}"


def predicate_term(predicate: str) -> str:
    """A predicate that skipped one of its executions or filtered the transaction."""
    return f"p{predicate}"


def exception_term(kind: str) -> str:
    """The type of an exception of a failed execution, causes included."""
    return f"e{kind}"


def problem_term(fingerprint: str) -> str:
    """The fingerprint of a failure."""
    return f"f{fingerprint}"


def block_term(block: str, status: str) -> str:
    """A block that has an execution with this status now. Raises: KeyError for a status that is not indexed."""
    return f"{BLOCK_TERM_STATUSES[status]}{block}"


def version_term(version: str) -> str:
    """The flow's version."""
    return f"v{version}"


def version_of(term: str) -> str | None:
    """The version that a term names; None for terms of other kinds."""
    return term[1:] if term.startswith("v") else None


def worker_term(worker: str) -> str:
    """A worker that ran one of its executions."""
    return f"w{worker}"
