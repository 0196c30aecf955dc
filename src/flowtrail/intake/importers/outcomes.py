"""Words of foreign logs as statuses and outcomes of ours."""

from collections.abc import Sequence
from typing import Final

from flowtrail.intake.importers.problems import Unreadable
from flowtrail.model.errors import Refusal
from flowtrail.model.statuses import EXECUTION_STATUSES, OUTCOMES

_WORDS: Final = {
    "succeeded": ("succeeded", "success", "successful", "complete", "completed", "ok", "done", "true"),
    "failed": ("failed", "failure", "fail", "error", "aborted", "false"),
    "skipped": ("skipped", "skip", "filtered"),
    "running": ("running", "started", "start", "in_progress", "active"),
    "pending": ("pending", "queued", "scheduled", "schedule", "waiting"),
}


class StatusWords:
    """Which status a word of the log means; upper and lower case alike."""

    def __init__(self, pairs: Sequence[str]) -> None:
        """`pairs` such as "NOK=failed" go before the usual words. Raises: Refusal (no such status)."""
        self._meant = {word: status for status, words in _WORDS.items() for word in words}
        for word, status in split_pairs(pairs, "status_word", EXECUTION_STATUSES):
            self._meant[word.casefold()] = status

    def status(self, word: str, field: str) -> str:
        """Raises: Unreadable (a word nobody explained)."""
        found = self._meant.get(word.strip().casefold())
        if found is None:
            allowed = f"{', '.join(EXECUTION_STATUSES)}, or explain it: --status-word {word}=failed"
            raise Unreadable(field, "the status is not known", word, allowed)
        return found


def ending_activities(pairs: Sequence[str]) -> dict[str, str]:
    """Activity -> outcome of pairs such as "pay order=delivered". Raises: Refusal (no such outcome)."""
    return dict(split_pairs(pairs, "ends", OUTCOMES))


def split_pairs(pairs: Sequence[str], option: str, allowed: Sequence[str]) -> list[tuple[str, str]]:
    """ "left=right" pairs whose right side is one of those allowed. Raises: Refusal."""
    split: dict[str, str] = {}
    flag = "--" + option.replace("_", "-")
    for pair in pairs:
        left, mark, right = pair.rpartition("=")
        if not mark or not left or right not in allowed:
            told = ", ".join(allowed)
            raise Refusal(
                "invalid_option",
                f"{flag} wants WORD=ONE, the second one of: {told}; received {pair!r}",
                option,
                pair,
                told,
            )
        if split.setdefault(left, right) != right:
            told = f"{flag} says two things of {left!r}: {split[left]} and {right}"
            raise Refusal("invalid_option", told, option, pair, "one of them")
    return list(split.items())
