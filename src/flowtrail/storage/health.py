"""What a store says of itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Health:
    """What a store says of itself: `problems` is empty when nothing is damaged, `warnings` when nothing is about to
    fail."""

    problems: Sequence[str]
    facts: Mapping[str, str | int]
    warnings: Sequence[str] = ()
