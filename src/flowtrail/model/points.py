"""Named points of a record's path, where tests stop, fail or kill the process that comes by.

A point costs one comparison while nobody watches. Nothing in Flowtrail watches.
"""

from collections.abc import Callable
from typing import Final

POINTS: Final = {
    "decoded": "a body was decoded and nothing of it is queued",
    "before_append": "pages are built and nothing of them is in the journal",
    "appended": "pages are durable and nobody was told",
    "lease_taken": "a projector has the lease and read nothing under it",
    "before_write": "a batch is folded and nothing of it is in the views",
    "inside_write": "a batch is written and its transaction is not committed",
    "written": "a batch is committed, and caches and position in memory are not moved on",
    "before_switch": "rebuilt views have caught up and the old ones are read",
    "inside_switch": "the old views are about to make room",
    "switched": "the rebuilt views are read",
}

_watch: Callable[[str], None] | None = None


def reach(name: str) -> None:
    """The process comes by the point of that name."""
    if _watch is not None:
        _watch(name)


def watch(watcher: Callable[[str], None] | None) -> None:
    """From now on call `watcher` at every point, on whatever thread comes by; None: nobody."""
    global _watch  # noqa: PLW0603 -- a switch of the whole process
    _watch = watcher
