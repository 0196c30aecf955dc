"""What the command line takes from the environment."""

import os
from pathlib import Path
from typing import Final

DEFAULT_STORE: Final = "sqlite:./flowtrail-data"
DEFAULT_URL: Final = "http://127.0.0.1:8765"


def url() -> str | None:
    """FLOWTRAIL_URL: the server that commands ask when neither --url nor --store is given."""
    return os.environ.get("FLOWTRAIL_URL") or None


def store() -> str:
    """FLOWTRAIL_STORE, else the default: what `check`, `rebuild` and `doctor` look at without --store."""
    return os.environ.get("FLOWTRAIL_STORE") or DEFAULT_STORE


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


def without(*names: str) -> dict[str, str]:
    """The environment for a child process, less these variables."""
    return {name: value for name, value in os.environ.items() if name not in names}
