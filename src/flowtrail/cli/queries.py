"""A query as it stands on the command line: its words, joined."""

from collections.abc import Sequence

from flowtrail.cli.failures import USAGE, Failure


def query_text(words: Sequence[str]) -> str | None:
    """The query, None for all. A word may begin with a hyphen (NOT); one with two is a mistyped option."""
    for word in words:
        if word.startswith("--"):
            raise Failure(f"there is no option {word}; --help lists them all", USAGE)
    return " ".join(words) or None
