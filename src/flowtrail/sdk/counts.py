"""What became of every record: produced = accepted + rejected + dropped + pending, at every instant.

Nothing counts what is produced: a record is somewhere, and each place is counted. What changes place does so under
one lock, which only the delivery thread and readers take; the host's threads never do.
"""

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Counts:
    """One reading. All numbers are records of this process since its session began, but for `adopted`."""

    accepted: int = 0
    """Acknowledged by the server as durable."""
    rejected: dict[str, int] = field(default_factory=dict)
    """Refused by the server, by its code: sending them again would change nothing."""
    dropped: dict[str, int] = field(default_factory=dict)
    """Given up here, by reason."""
    pending: int = 0
    """Waiting, under way, or in the spill."""
    bytes_held: int = 0
    """What waits in memory, about."""
    adopted: dict[str, int] = field(default_factory=dict)
    """Records that processes before this one left in the spill: `accepted` and `rejected` on their behalf."""
    requests: int = 0
    failures: int = 0
    """Requests that settled nothing: no answer, or one that asks to come back."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Marks in records, by reason: what was cut because it was large, what was redacted, what could not be meant."""
    producer: str = ""
    """Name and session, as the server shows them."""

    @property
    def produced(self) -> int:
        """Every record that was put."""
        return self.accepted + sum(self.rejected.values()) + sum(self.dropped.values()) + self.pending


class Tally:
    """The places that records leave the queue for. Whoever writes holds `lock`; a reader that holds it sees every
    record exactly once."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew: after a fork, too, where a thread that is not there any more may have held the lock."""
        # Reentrant, because a signal handler may read while its own thread does.
        self.lock = threading.RLock()
        self.accepted = 0
        self.rejected: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.adopted: Counter[str] = Counter()
        self.taken = 0
        """Ever taken from the queue, or written to the spill."""
        self.in_hand = 0
        """Of these, not settled yet."""
        self.sequence = 0
        """The number given to the last record that left the queue: what the server may have heard of."""
        self.reports = 0
        """Numbers that went to reports, which nobody put."""
        self.requests = 0
        self.failures = 0
        self.sealed = False
        """Whether nothing is settled any more: the process ends, and what was open was given up."""

    def number(self) -> int:
        """The next record's number; two threads never get the same."""
        number = self.sequence + 1
        self.sequence = number
        return number

    def settle(self, accepted: int, rejected: Iterable[str]) -> None:
        """Records came to their end at the server. Call with `lock` held."""
        for code in rejected:
            known = code in self.rejected or len(self.rejected) < _MOST_CODES
            self.rejected[code if known else "other"] += 1
            self.in_hand -= 1
        self.accepted += accepted
        self.in_hand -= accepted

    def drop(self, reason: str, number: int = 1) -> None:
        """Give up records in hand, unless that is done already. Call with `lock` held."""
        if not self.sealed:
            self.dropped[reason] += number
            self.in_hand -= number

    def seal(self, reason: str) -> None:
        """Give up whatever is in hand, for good: nothing is settled from now on. Call with `lock` held."""
        if self.in_hand:
            self.drop(reason, self.in_hand)
        self.sealed = True


_MOST_CODES: Final = 64
"""Codes counted by name: a server may invent any number of them."""
