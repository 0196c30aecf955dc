"""What pages say of producer sessions, by column: which sequences came, when, and the sessions' own reports.

A page usually holds some batches one after the other, each of one session and in order. So the sequences of a page are
looked at as a whole, then run by run, and one by one only where producers are mixed record by record.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import sub
from typing import Any, Final

from flowtrail.model.records import ReportRecord, encode_record
from flowtrail.projection.producers import Heard, Stated
from flowtrail.projection.ranges import of_numbers, union

_RUN: Final = 8
"""Records a run must have on average for looking run by run to pay."""


class Hearing:
    """Collects what pages say; `heard` gives it."""

    __slots__ = ("_sessions",)

    def __init__(self) -> None:
        self._sessions: dict[tuple[str, str], Heard] = {}

    @property
    def heard(self) -> list[Heard]:
        """What was said of each session, in the order they were first met."""
        return list(self._sessions.values())

    def parts(self, most: int | None) -> list[list[Heard]]:
        """The same in parts that change at most about so many rows each, none with a session twice: a write must not
        grow with how scattered sequences are. What is written of them is true without the others."""
        heard = self.heard
        if most is None or sum(1 + len(each.accepted) + len(each.rejected) for each in heard) <= most:
            return [heard]
        found: list[list[Heard]] = [[]]
        room = most
        for whole in heard:
            slices = list(_slices(whole, max(most // 2, 1)))
            for part in slices:
                rows = 1 + (len(part.accepted) + len(part.rejected)) // 2
                if found[-1] and rows > room:
                    found.append([])
                    room = most
                found[-1].append(part)
                # The next slice of the same session belongs into another write.
                room = 0 if len(slices) > 1 else room - rows
        return found

    def take(
        self, tenant: str, received_at: int, records: Sequence[Any], rejected: Mapping[str, Sequence[int]]
    ) -> None:
        """Hear a page: its records, None where one was erased or cannot be read, and the sequences it names as
        rejected."""
        for producer, refused in rejected.items():
            self._session(tenant, producer, received_at).rejected += of_numbers(refused)
        try:
            seqs = [record.seq for record in records]
        except AttributeError:
            records = [record for record in records if record is not None]
            seqs = [record.seq for record in records]
        if seqs:
            self._take(tenant, received_at, records, seqs)

    def report(self, tenant: str, record: ReportRecord) -> None:
        """Hear the report of a session whose page was taken; the greatest counts."""
        session = self._sessions[tenant, record.producer]
        stated = Stated(record.at, record.seq, encode_record(record))
        if session.stated is None or session.stated < stated:
            session.stated = stated

    def _take(self, tenant: str, received_at: int, records: Sequence[Any], seqs: list[Any]) -> None:
        first, count = seqs[0], len(seqs)
        if first is not None and seqs == list(range(first, first + count)):
            producers = [record.producer for record in records]
            if producers.count(producers[0]) == count:
                if producers[0] is not None:
                    self._run(tenant, producers[0], received_at, first, first + count - 1)
                return
        elif seqs.count(None) == count:
            return
        else:
            producers = [record.producer for record in records]
        if None in seqs or None in producers:
            told = [
                (producer, seq)
                for producer, seq in zip(producers, seqs, strict=True)
                if None not in (producer, seq)
            ]
            producers, seqs = [producer for producer, _ in told], [seq for _, seq in told]
        if seqs:
            self._runs(tenant, received_at, producers, seqs)

    def _runs(self, tenant: str, received_at: int, producers: list[str], seqs: list[int]) -> None:
        """Hear sequences of several sessions, or with gaps between them."""
        steps = list(map(sub, seqs[1:], seqs))
        if (len(steps) - steps.count(1)) * _RUN <= len(seqs):
            start = 0
            for end in [*(place for place, step in enumerate(steps, 1) if step != 1), len(seqs)]:
                if producers[start:end].count(producers[start]) == end - start:
                    self._run(tenant, producers[start], received_at, seqs[start], seqs[end - 1])
                else:
                    self._one_by_one(tenant, received_at, producers[start:end], seqs[start:end])
                start = end
        else:
            self._one_by_one(tenant, received_at, producers, seqs)

    def _one_by_one(
        self, tenant: str, received_at: int, producers: Iterable[str], seqs: Iterable[int]
    ) -> None:
        by_producer: dict[str, list[int]] = {}
        for producer, seq in zip(producers, seqs, strict=True):
            by_producer.setdefault(producer, []).append(seq)
        for producer, own in by_producer.items():
            self._session(tenant, producer, received_at).accepted += of_numbers(own)

    def _run(self, tenant: str, producer: str, received_at: int, first: int, last: int) -> None:
        runs = self._session(tenant, producer, received_at).accepted
        if runs and runs[-1] + 1 == first:
            runs[-1] = last
        else:
            runs += (first, last)

    def _session(self, tenant: str, producer: str, received_at: int) -> Heard:
        session = self._sessions.get((tenant, producer))
        if session is None:
            session = Heard(tenant, producer, received_at, received_at)
            self._sessions[tenant, producer] = session
        elif received_at < session.first_at:
            session.first_at = received_at
        elif received_at > session.last_at:
            session.last_at = received_at
        return session


def _slices(heard: Heard, runs: int) -> Iterator[Heard]:
    """What was heard of a session in parts of at most so many runs."""
    accepted, rejected = union(heard.accepted, []), union(heard.rejected, [])
    if len(accepted) + len(rejected) <= 2 * runs:
        yield heard
        return
    for first in range(0, len(accepted), 2 * runs):
        yield replace(heard, accepted=accepted[first : first + 2 * runs], rejected=[])
    for first in range(0, len(rejected), 2 * runs):
        yield replace(heard, accepted=[], rejected=rejected[first : first + 2 * runs])
