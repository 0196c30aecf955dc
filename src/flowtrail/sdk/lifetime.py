"""Forks and ends of the process, as Python tells of them.

Nothing here changes what the host would do without us: no signal handler is set, no exit code touched. What ends
without telling Python (`os._exit`, a signal nobody handles, kill -9) ends here too; the spill is for that.
"""

import atexit
import os
import signal
import sys
import weakref
from contextlib import suppress
from typing import Protocol


class Household(Protocol):
    """Something with a thread."""

    def begin_to_close(self) -> None:
        """The process ends, soon."""
        ...

    def close(self) -> None:
        """The process ends, when this returns."""
        ...

    def before_fork(self) -> None:
        """There will be another process in a moment."""
        ...

    def after_fork_in_parent(self) -> None:
        """This is the one that was there before."""
        ...

    def after_fork_in_child(self) -> None:
        """This is another process now, with one thread."""
        ...


_watched: "weakref.WeakSet[Household]" = weakref.WeakSet()
_hooked = False


def watch_over(household: Household) -> None:
    """Tell it of forks and of the end from now on, for as long as it lives."""
    global _hooked  # noqa: PLW0603 -- hooks of the whole process, which nobody can take back
    _watched.add(household)
    if not _hooked:
        _hooked = True
        atexit.register(end_all)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork
            )


def end_all() -> None:
    """The process ends. All have the same time for it, not one after the other."""
    for household in list(_watched):
        household.begin_to_close()
    for household in list(_watched):
        household.close()


def _before_fork() -> None:
    for household in list(_watched):
        with suppress(Exception):
            household.before_fork()


def _after_fork_in_parent() -> None:
    for household in list(_watched):
        with suppress(Exception):
            household.after_fork_in_parent()


def _after_fork() -> None:
    for household in list(_watched):
        with suppress(Exception):
            household.after_fork_in_child()


def watch_child() -> None:
    """Children of multiprocessing leave by `os._exit`, after running hooks of their own, which they clear when they
    begin: so this is called when a thread is started."""
    processes = sys.modules.get("multiprocessing.process")
    util = sys.modules.get("multiprocessing.util")
    if processes is not None and util is not None and processes.parent_process() is not None:
        # After they have waited for children of their own.
        util.Finalize(None, end_all, exitpriority=-100)


def block_signals() -> None:
    """Leave signals to the host's threads, but for those that tell of an error of this one and those of profilers."""
    if not hasattr(signal, "pthread_sigmask"):
        return
    own = {"SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT", "SIGTRAP", "SIGSYS", "SIGPROF"}
    kept = {getattr(signal, name) for name in own if hasattr(signal, name)}
    with suppress(OSError, ValueError):
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - kept)
