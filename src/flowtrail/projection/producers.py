"""What came of a producer session: which of its sequences, when, and what it said of itself.

A session numbers its records 1, 2, 3 …, so the set of numbers that came says what is missing. The set is a join like
every state: any order, repetition and batching of what is heard ends in equal bytes.

It is kept on two levels, so that neither a long life nor a hostile producer makes a row large: numbers are cut into
chunks of `CHUNK`, a chunk that was accepted whole is one number in the session's own row (and a range with its
neighbours), and any other chunk of which something came is a row of its own. No row is ever larger than some 16 KiB
for a chunk, and what is kept is never more than a few bytes for each record that came.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from flowtrail.model.records import ReportRecord, decode_record
from flowtrail.projection.cells import Cell
from flowtrail.projection.ranges import Ranges, contains, pack, pairs, size, union, unpack, without

CHUNK: Final = 16_384
"""Numbers in one chunk: as many as a busy producer sends in a second."""

# What is added up over all sessions of a tenant, as the codes of a cell.
SESSIONS: Final = 1
TROUBLED: Final = 2
MISSING: Final = 3
REJECTED: Final = 4
DROPPED: Final = 5
ACCEPTED: Final = 6


class Stated(NamedTuple):
    """A session's report, with its canonical bytes; the greatest counts."""

    at: int
    seq: int
    body: bytes


class Session(msgspec.Struct, array_like=True):
    """What is kept of a session in one row. Instants are those of the server, in microseconds; `top` is the greatest
    sequence that came; `rejected` counts what was refused and never accepted; `whole` are the chunks of which every
    number was accepted."""

    first_at: int
    last_at: int
    top: int = 0
    accepted: int = 0
    rejected: int = 0
    whole: Ranges = []
    stated: Stated | None = None

    @property
    def received(self) -> int:
        """Different sequences that came."""
        return self.accepted + self.rejected

    @property
    def missing(self) -> int:
        """Sequences below the greatest known one that never came."""
        return self.top - self.accepted - self.rejected

    @property
    def dropped(self) -> int:
        """Records that the producer says it gave up."""
        report = self.report()
        return 0 if report is None or report.dropped is None else sum(report.dropped.values())

    @property
    def troubled(self) -> bool:
        """Whether something is known to be lost: missing, refused or given up."""
        return self.missing > 0 or self.rejected > 0 or self.dropped > 0

    def report(self) -> ReportRecord | None:
        """The newest report."""
        if self.stated is None:
            return None
        record = decode_record(self.stated.body)
        assert isinstance(record, ReportRecord)
        return record


@dataclass(slots=True)
class Heard:
    """What a batch adds to a session. `accepted` and `rejected` are runs, in any order, which may touch or overlap."""

    tenant: str
    producer: str
    first_at: int
    last_at: int
    accepted: list[int] = field(default_factory=list)
    rejected: list[int] = field(default_factory=list)
    stated: Stated | None = None


class Joined(NamedTuple):
    """A session after something was heard: its row, and the chunks that changed (None: gone, being whole now)."""

    session: Session
    chunks: dict[int, bytes | None]


_encode: Final = msgspec.msgpack.Encoder(order="deterministic").encode
_decode: Final = msgspec.msgpack.Decoder(Session).decode
_decode_chunk: Final = msgspec.msgpack.Decoder(tuple[bytes, bytes]).decode


def encode_session(session: Session) -> bytes:
    """A session's row."""
    return _encode(session)


def decode_session(body: bytes) -> Session:
    """What `encode_session` was given. Raises: msgspec.DecodeError."""
    return _decode(body)


def chunk_of(seq: int) -> int:
    """The chunk a sequence belongs to."""
    return (seq - 1) // CHUNK


def decode_chunk(chunk: int, body: bytes) -> tuple[Ranges, Ranges]:
    """What was accepted of a chunk, and what was rejected and never accepted. Raises: msgspec.DecodeError."""
    base = chunk * CHUNK
    accepted, rejected = _decode_chunk(body)
    return unpack(accepted, base), unpack(rejected, base)


def touched(heard: Heard) -> list[int]:
    """The chunks that something heard falls into, ascending."""
    runs = [*pairs(heard.accepted), *pairs(heard.rejected)]
    return sorted({chunk for first, last in runs for chunk in range(chunk_of(first), chunk_of(last) + 1)})


def join(held: Session | None, chunks: Mapping[int, bytes], heard: Heard) -> Joined:
    """The session with what was heard. `chunks` are the rows of those `touched` that have one."""
    session = Session(heard.first_at, heard.last_at) if held is None else replace(held)
    session.first_at = min(session.first_at, heard.first_at)
    session.last_at = max(session.last_at, heard.last_at)
    if heard.stated is not None and (session.stated is None or session.stated < heard.stated):
        session.stated = heard.stated
    accepted, rejected = union(heard.accepted, []), union(heard.rejected, [])
    session.top = max([session.top, *accepted[-1:], *rejected[-1:]])
    changed: dict[int, bytes | None] = {}
    new_rejected = _by_chunk(rejected)
    for chunk, new in _by_chunk(accepted).items():
        if not contains(session.whole, chunk):
            _join_chunk(session, chunk, chunks.get(chunk), new, new_rejected.pop(chunk, []), changed)
    for chunk, new in new_rejected.items():
        if not contains(session.whole, chunk):
            _join_chunk(session, chunk, chunks.get(chunk), [], new, changed)
    return Joined(session, changed)


def _join_chunk(
    session: Session,
    chunk: int,
    body: bytes | None,
    accepted: Ranges,
    rejected: Ranges,
    changed: dict[int, bytes | None],
) -> None:
    base = chunk * CHUNK
    had_accepted, had_rejected = ([], []) if body is None else decode_chunk(chunk, body)
    now_accepted = union(had_accepted, accepted)
    now_rejected = without(union(had_rejected, rejected), now_accepted)
    session.accepted += size(now_accepted) - size(had_accepted)
    session.rejected += size(now_rejected) - size(had_rejected)
    if now_accepted == [base + 1, base + CHUNK]:
        session.whole = union(session.whole, [chunk, chunk])
        if body is not None:
            changed[chunk] = None
        return
    packed = _encode((pack(now_accepted, base), pack(now_rejected, base)))
    if packed != body:
        changed[chunk] = packed


def _by_chunk(ranges: Sequence[int]) -> dict[int, Ranges]:
    found: dict[int, Ranges] = {}
    for first, last in pairs(ranges):
        at = first
        for chunk in range(chunk_of(first), chunk_of(last) + 1):
            end = min(last, (chunk + 1) * CHUNK)
            found.setdefault(chunk, []).extend((at, end))
            at = end + 1
    return found


def gaps(
    session: Session, chunks: Iterable[tuple[int, bytes]], start: int = 1, *, more: bool = False
) -> tuple[Ranges, int | None]:
    """The missing sequences from `start` on, and from where to go on when these are not all.

    `chunks` are the session's rows, ascending, from the chunk of `start` on; at least two where there are `more`. No
    gap is told in two parts: one that may go on in rows not given is left to the next call.
    """
    got: Ranges = []
    bound = session.top
    for chunk, body in chunks:
        accepted, rejected = decode_chunk(chunk, body)
        got += union(accepted, rejected)
        if more:
            bound = min((chunk + 1) * CHUNK, session.top)
    got += [end for first, last in pairs(session.whole) for end in (first * CHUNK + 1, (last + 1) * CHUNK)]
    found = without([start, bound] if start <= bound else [], union(got, []))
    if bound == session.top:
        return found, None
    if found and found[-1] == bound:
        return found[:-2], found[-2]
    return found, bound + 1


def contribution(session: Session | None) -> Cell:
    """What a session adds to its tenant's totals."""
    if session is None:
        return {}
    counted = {
        SESSIONS: 1,
        TROUBLED: int(session.troubled),
        MISSING: session.missing,
        REJECTED: session.rejected,
        DROPPED: session.dropped,
        ACCEPTED: session.accepted,
    }
    return {code: amount for code, amount in counted.items() if amount}


def moved(before: Session | None, after: Session) -> Cell:
    """By how much a tenant's totals change; empty when they do not."""
    difference: Cell = dict(contribution(after))
    for code, amount in contribution(before).items():
        difference[code] = difference.get(code, 0) - amount
    return {code: amount for code, amount in difference.items() if amount}
