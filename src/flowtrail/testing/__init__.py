"""The kit for tests of an application that records with Flowtrail: nothing is sent, everything can be asked for.

    the application ── SDK ──► Recorder (in place of delivery) ──► records ── read as the server reads them ──► states

What an assertion sees is what a server would show: the records are made, read and folded by the same code. Names are
loaded when they are used first, since pytest loads the plugin in every project it is installed beside.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowtrail.testing.clock import FakeClock
    from flowtrail.testing.journeys import Journey
    from flowtrail.testing.recorder import Recorder, recording
    from flowtrail.testing.seen import Seen

__all__ = ["FakeClock", "Journey", "Recorder", "Seen", "recording"]

_HOMES = {
    "FakeClock": "clock",
    "Journey": "journeys",
    "Recorder": "recorder",
    "Seen": "seen",
    "recording": "recorder",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
