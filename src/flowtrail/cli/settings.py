"""What the command line takes from the environment."""

import os
from pathlib import Path
from typing import Final

DEFAULT_STORE: Final = "sqlite:./flowtrail-data"
DEFAULT_URL: Final = "http://127.0.0.1:8765"

_PREFIX: Final = "FLOWTRAIL_"
_OWN: Final = (
    "FLOWTRAIL_URL",
    "FLOWTRAIL_STORE",
    "FLOWTRAIL_API_KEY",
    "FLOWTRAIL_DEBUG",
    "FLOWTRAIL_DEMO_DATA",
)


def url(named: str | None = None) -> str | None:
    """The one that is named, else FLOWTRAIL_URL: the server that commands ask when no store is named either.

    An empty name is one, and no server's: a script whose variable is empty must not work on another server.
    """
    return named if named is not None else os.environ.get("FLOWTRAIL_URL") or None


def store(named: str | None = None) -> str:
    """The one that is named, else FLOWTRAIL_STORE, else the default. An empty name is one, as above."""
    return named if named is not None else os.environ.get("FLOWTRAIL_STORE") or DEFAULT_STORE


def api_key() -> str | None:
    """FLOWTRAIL_API_KEY: sent as a bearer token."""
    return os.environ.get("FLOWTRAIL_API_KEY") or None


def debugs() -> bool:
    """FLOWTRAIL_DEBUG: whether an error that nobody foresaw shows where it happened."""
    return bool(os.environ.get("FLOWTRAIL_DEBUG"))


def demo_data() -> Path | None:
    """FLOWTRAIL_DEMO_DATA: a folder with real logs for `flowtrail demo`."""
    named = os.environ.get("FLOWTRAIL_DEMO_DATA")
    return Path(named) if named else None


def misspelled() -> list[tuple[str, str]]:
    """(variable, the one that is probably meant) of those that nobody reads and that look like one that is read."""
    # Only when something is odd: the tables of the server and of the producer are not for every command to load.
    odd = sorted(name for name in os.environ if name.startswith(_PREFIX) and name not in _OWN)
    if not odd:
        return []
    from difflib import get_close_matches

    from flowtrail.sdk.settings import SETTINGS as PRODUCER
    from flowtrail.server.settings import SETTINGS as SERVER

    # What the names have in common says nothing about how alike they are.
    read = [name.removeprefix(_PREFIX) for name in {*_OWN, *(row.variable for row in (*SERVER, *PRODUCER))}]
    found = []
    for name in odd:
        word = name.removeprefix(_PREFIX)
        near = get_close_matches(word, sorted(read), n=1)
        if word not in read and near:
            found.append((name, _PREFIX + near[0]))
    return found


def without(*names: str) -> dict[str, str]:
    """The environment for a child process, less these variables."""
    return {name: value for name, value in os.environ.items() if name not in names}
