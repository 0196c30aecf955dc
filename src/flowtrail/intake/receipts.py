"""What intake answers, and what it counts."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from flowtrail.intake.wire import Rejected
from flowtrail.ledger.pages import record_count
from flowtrail.model.errors import Refusal, StoreUnavailable
from flowtrail.model.pages import Page

LATENCY_BOUNDS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
RECORDS_BOUNDS: Final = (1, 10, 50, 100, 200, 500, 1_000, 2_000)
BYTES_BOUNDS: Final = tuple(1 << power for power in range(8, 22))


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to one batch: how many records stand in the journal now, at which durability, and what was
    rejected. `token` names a moment at which they are all visible; None when nothing was accepted. `redacted` values
    were taken out of them first; left out of the answer when there were none."""

    accepted: int
    rejected: list[Rejected]
    durable: str
    token: str | None
    redacted: int = 0


class IntakeFull(Refusal):
    """More is queued than intake may hold. Wait for `retry_after_s`, then send the same records again."""

    def __init__(self, what: str, retry_after_s: float) -> None:
        super().__init__("intake_full", f"too much is waiting to be written: {what}", status=429)
        self.retry_after_s = retry_after_s


class IntakePaused(StoreUnavailable):
    """The store does not take writes at present, or this server is stopping. What was refused with this before it
    was queued was not written; what was waiting already may have been. Send it again after `retry_after_s`."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Distribution:
    """Counts of values by upper bound, as a histogram metric shows them. One writer; readers may lag by one value."""

    __slots__ = ("bounds", "counts", "number", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        """Per bound, not cumulative; the last one counts what is beyond all bounds."""
        self.number = 0
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.number += 1
        self.total += value


class Counts:
    """What a committer did since it was made; numbers only grow. For metrics."""

    def __init__(self) -> None:
        self.accepted = 0
        """Records acknowledged or about to be: durable."""
        self.rejected: Counter[str] = Counter()
        """Records refused one by one, by code."""
        self.redacted: Counter[str] = Counter()
        """Values taken out of records before they were written, by why."""
        self.refused: Counter[str] = Counter()
        """Whole batches turned away, by code: full, paused, timed out."""
        self.commits = 0
        self.pages = 0
        self.failures = 0
        """Store calls that failed, each attempt counted."""
        self.conflicts = 0
        self.page_records = Distribution(RECORDS_BOUNDS)
        self.page_bytes = Distribution(BYTES_BOUNDS)
        """As stored: header and compressed body."""
        self.latency_s = Distribution(LATENCY_BOUNDS_S)
        """From queued to durable, per batch."""

    def page(self, page: Page) -> None:
        """Count a durable page."""
        self.pages += 1
        self.page_records.add(record_count(page))
        self.page_bytes.add(len(page.header) + len(page.body))
