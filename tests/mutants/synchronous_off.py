"""SQLite acknowledges without a sync."""

from flowtrail.storage.sqlite import connection

_pragma = connection._pragma


def _without_sync(held, name, value, expected):
    _pragma(held, name, *(("OFF", 0) if name == "synchronous" else (value, expected)))


connection._pragma = _without_sync
