"""Producer sessions: is anything missing?

What a session sent is numbered, so its gaps are known; what it gave up itself it says in its reports. A verdict says
the worst that is known at the moment it is asked for.
"""

from typing import Final, Literal, get_args

from flowtrail.model.clock import monotonic_s
from flowtrail.model.errors import Refusal
from flowtrail.model.instants import format_instant
from flowtrail.model.records import ReportRecord
from flowtrail.projection.producers import (
    ACCEPTED,
    DROPPED,
    MISSING,
    REJECTED,
    SESSIONS,
    TROUBLED,
    Session,
    chunk_of,
    gaps,
)
from flowtrail.projection.ranges import pairs
from flowtrail.query.cursors import read_page_token, write_page_token
from flowtrail.query.items import MICROS, Json
from flowtrail.query.listing import BUDGET_S
from flowtrail.query.parameters import read_page_size
from flowtrail.storage.interface import Store
from flowtrail.storage.producers import StoredSession

Verdict = Literal["gaps", "lost", "silent", "complete"]
VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)

SILENT_S: Final = 300
"""Five times as long as our SDK waits between two reports while it sends."""
GAPS_SHOWN: Final = 10
"""Of each session of a list; all of them stand in the session's own answer."""
_CHUNKS_READ: Final = 4
_GAP_CHUNKS_READ: Final = 100
_ROWS_READ: Final = 200
_TOTALS: Final = {
    "sessions": SESSIONS,
    "troubled": TROUBLED,
    "accepted": ACCEPTED,
    "rejected": REJECTED,
    "missing": MISSING,
    "dropped": DROPPED,
}


def list_producers(
    store: Store,
    tenant: str,
    *,
    producer: str | None = None,
    verdict: str | None = None,
    page_size: str | None = None,
    page_token: str | None = None,
    now: int = 0,
) -> Json:
    """A page of producer sessions, by name: all of them, those of one producer (`name`) or one session
    (`name/session`), with one of these verdicts where any are given. Raises: Refusal (400)."""
    wanted, limit = _read_verdicts(verdict), read_page_size(page_size)
    question = ("producers", tenant, producer, verdict)
    after: str | None = None
    if page_token:
        after, now = read_page_token(page_token, question, str, int)
    found, reached = _search(store, tenant, producer or None, wanted, after, limit, now)
    return {
        "at": format_instant(now),
        "producers": [_row(stored, now) for stored in found],
        "next_page_token": None if reached is None else write_page_token(question, [reached, now]),
        "short": reached is not None and len(found) < limit,
        "totals": totals(store, tenant),
    }


def get_producer(
    store: Store,
    tenant: str,
    producer: str,
    page_size: str | None = None,
    page_token: str | None = None,
    now: int = 0,
) -> Json:
    """One session with a page of its gaps, ascending. Raises: Refusal (404 `not_found`, 400)."""
    limit, question = read_page_size(page_size), ("gaps", tenant, producer)
    start: int = read_page_token(page_token, question, int)[0] if page_token else 1
    stored = store.producers.session(tenant, producer, chunk_of(max(start, 1)), _GAP_CHUNKS_READ)
    if stored is None:
        raise Refusal(
            "not_found", "nothing is known of this producer session", "producer", producer, status=404
        )
    missing, following = gaps(stored.session, stored.chunks, max(start, 1), more=stored.more)
    if len(missing) > 2 * limit:
        missing, following = missing[: 2 * limit], missing[2 * limit]
    return {
        **_item(stored, now, missing, is_all=following is None and start <= 1),
        "next_page_token": None if following is None else write_page_token(question, [following]),
    }


def totals(store: Store, tenant: str) -> Json:
    """The sums over all of a tenant's sessions."""
    counted = store.producers.totals(tenant)
    return {name: counted.get(code, 0) for name, code in _TOTALS.items()}


def verdict_of(session: Session, now: int) -> Verdict:
    """The worst that is known of a session: sequences that never came, records refused or given up, silence without
    an account of everything, and else that all came as far as is known."""
    if session.missing:
        return "gaps"
    if session.troubled:
        return "lost"
    if now - session.last_at > SILENT_S * MICROS and not _settled(session):
        return "silent"
    return "complete"


def _settled(session: Session) -> bool:
    """Whether the session's last word was a report that leaves nothing open."""
    report = session.report()
    return report is not None and report.seq == session.top and _unsent(report) == 0


def _unsent(report: ReportRecord) -> int:
    return max(report.produced - report.sent - sum((report.dropped or {}).values()), 0)


def _search(
    store: Store,
    tenant: str,
    producer: str | None,
    wanted: frozenset[str],
    after: str | None,
    limit: int,
    now: int,
) -> tuple[list[StoredSession], str | None]:
    """Up to `limit` sessions, and the last one looked at when there may be more."""
    if producer is not None and "\0" in producer:
        return [], None
    troubled = bool(wanted) and wanted <= {"gaps", "lost"}
    until = monotonic_s() + BUDGET_S
    found: list[StoredSession] = []
    if producer is not None and after is None:
        # A text may be a session's whole name and that of a producer too.
        one = store.producers.session(tenant, producer, 0, _CHUNKS_READ)
        if one is not None and _fits(one, wanted, now):
            found.append(one)
            after = producer
    while True:
        rows = store.producers.sessions(
            tenant, producer, after, _ROWS_READ, troubled=troubled, most_chunks=_CHUNKS_READ
        )
        for stored in rows:
            if _fits(stored, wanted, now):
                if len(found) == limit:
                    return found, after
                found.append(stored)
            after = stored.producer
        if len(rows) < _ROWS_READ:
            return found, None
        if monotonic_s() > until:
            return found, after


def _fits(stored: StoredSession, wanted: frozenset[str], now: int) -> bool:
    return not wanted or verdict_of(stored.session, now) in wanted


def _read_verdicts(text: str | None) -> frozenset[str]:
    wanted = frozenset((text or "").split(",")) - {""}
    if not wanted.issubset(VERDICTS):
        listed = ", ".join(VERDICTS)
        raise Refusal("out_of_range", f"a verdict is one of {listed}", "verdict", text, listed)
    return wanted


def _row(stored: StoredSession, now: int) -> Json:
    """A session as lists show it, with its first gaps."""
    missing, following = gaps(stored.session, stored.chunks, more=stored.more)
    is_all = following is None and len(missing) <= 2 * GAPS_SHOWN
    return _item(stored, now, missing[: 2 * GAPS_SHOWN], is_all=is_all)


def _item(stored: StoredSession, now: int, missing: list[int], *, is_all: bool) -> Json:
    session = stored.session
    name, _, own = stored.producer.rpartition("/")
    return {
        "producer": stored.producer,
        "name": name,
        "session": own,
        "verdict": verdict_of(session, now),
        "first_seen": format_instant(session.first_at),
        "last_seen": format_instant(session.last_at),
        "silent_s": max(now - session.last_at, 0) / MICROS,
        "last_seq": session.top,
        "received": session.received,
        "accepted": session.accepted,
        "rejected": session.rejected,
        "missing": session.missing,
        "gaps": [{"from": first, "to": last} for first, last in pairs(missing)],
        "gaps_complete": is_all,
        "report": _report(session.report()),
    }


def _report(report: ReportRecord | None) -> Json | None:
    if report is None:
        return None
    return {
        "at": format_instant(report.at),
        "seq": report.seq,
        "produced": report.produced,
        "sent": report.sent,
        "dropped": report.dropped or {},
        "unsent": _unsent(report),
    }
