"""How often something was left out of what was recorded: every mark that stands in a record is counted here too, but
for those at the end of names.

Added up without a lock, which a fork could find taken: in CPython nothing comes between the steps of `+=` on a map.
"""

from collections import defaultdict

_counts: defaultdict[str, int] = defaultdict(int)

CUT = "cut"
INVALID = "invalid"
"""It could not be meant, so there is no mark of it either: a record tells what is so, or nothing."""


def count(why: str, times: int = 1) -> None:
    """Something was left out, by this reason."""
    if times:
        _counts[why] += times


def counts() -> dict[str, int]:
    """By reason, since the process began."""
    return dict(_counts)
