"""XES logs as text, written event by event, and the lives that an importer reads out of them."""

from datetime import UTC, datetime

from tests.support.logs import of_kind

SECOND = 1_000_000
BEGAN = 1_790_000_000 * SECOND


def at(second, zone="+00:00"):
    return datetime.fromtimestamp(BEGAN // SECOND + second, UTC).strftime("%Y-%m-%dT%H:%M:%S.000") + zone


def event(name, transition=None, second=0, *more):
    parts = [
        f'<string key="concept:name" value="{name}"/>',
        f'<date key="time:timestamp" value="{at(second)}"/>',
    ]
    if transition is not None:
        parts.append(f'<string key="lifecycle:transition" value="{transition}"/>')
    return f"<event>{''.join([*parts, *more])}</event>"


def trace(name, *events, more=""):
    return f'<trace><string key="concept:name" value="{name}"/>{more}{"".join(events)}</trace>'


def log(*traces, head=""):
    return f'<?xml version="1.0" encoding="UTF-8"?><log xes.version="1.0">{head}{"".join(traces)}</log>'


def lives(records):
    """(activity, attempt, status, queued, started, ended) of every execution, in seconds since the log began."""

    def seconds(instant):
        return None if instant is None else (instant - BEGAN) // SECOND

    return [
        (
            each["block"],
            each.get("attempt", 1),
            each["status"],
            *(seconds(each.get(name)) for name in ("queued_at", "started_at", "ended_at")),
        )
        for each in of_kind(records, "block")
    ]
