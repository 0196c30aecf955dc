"""Producer sessions."""

from typing import Literal

from flowtrail.server.answers.shape import Shape


class Gap(Shape, rename={"first": "from", "last": "to"}):
    """Sequences that never came, both ends included."""

    first: int
    last: int


class SessionReport(Shape):
    """What a session last said of itself. `unsent` is what its numbers leave: records that waited, at least."""

    at: str
    seq: int
    produced: int
    sent: int
    dropped: dict[str, int]
    unsent: int


class ProducerShown(Shape):
    """A producer session. `received` are different sequences, `accepted` and `rejected` together; `missing` those
    below `last_seq` that never came. `gaps_complete` is false where there are more gaps than are shown."""

    producer: str
    name: str
    session: str
    verdict: Literal["gaps", "lost", "silent", "complete"]
    first_seen: str
    last_seen: str
    silent_s: float
    last_seq: int
    received: int
    accepted: int
    rejected: int
    missing: int
    gaps: list[Gap]
    gaps_complete: bool
    report: SessionReport | None


class Producer(ProducerShown):
    """One session; `gaps` are a page of all."""

    next_page_token: str | None


class ProducerTotals(Shape):
    """Sums over all sessions; `troubled` are those of which something is known to be lost."""

    sessions: int
    troubled: int
    accepted: int
    rejected: int
    missing: int
    dropped: int


class Producers(Shape):
    """A page of sessions, and the sums over all of them."""

    at: str
    producers: list[ProducerShown]
    next_page_token: str | None
    short: bool
    totals: ProducerTotals
